//! Why somebody who came back from a provider is not let in, and what to do instead.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

use crate::error::PageError;
use crate::extract::Visitor;
use crate::providers::{Provider, ProviderError};
use crate::state::Portal;

/// Why nothing came of it.
pub(super) enum Refusal {
    /// The browser session did not begin this, or it is over.
    NotBegunHere,
    /// What the provider said, or did not say.
    Provider(ProviderError),
    /// The address has an account here.
    Clash,
    /// Nobody here is connected, and the provider may not make accounts.
    NoSignUp,
    /// The address is in none of the domains that are let in.
    Domain,
    /// The provider tells no address.
    NoAddress,
    /// The account is suspended.
    Suspended,
    /// The identity is connected with another account.
    Elsewhere,
    /// The account has another identity at this provider.
    Another,
    /// Another person than the one to be confirmed.
    NotYou,
    /// The provider does not say when the person signed in.
    Unproven,
}

#[derive(Serialize)]
struct Page {
    title: String,
    text: String,
    link: Link,
}

#[derive(Serialize)]
struct Link {
    label: &'static str,
    href: &'static str,
}

const SIGN_IN: Link = Link { label: "Sign in", href: "/sign-in" };
const SIGN_UP: Link = Link { label: "Create account", href: "/sign-up" };
const CONNECT: Link = Link { label: "Sign in to connect", href: "/sign-in?return_to=/connections" };
const CONNECTIONS: Link = Link { label: "Connections", href: "/connections" };

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotBegunHere | Self::NotYou | Self::Unproven => StatusCode::BAD_REQUEST,
            Self::Provider(error) => match error {
                ProviderError::Down | ProviderError::Nonsense | ProviderError::Unreachable => {
                    StatusCode::BAD_GATEWAY
                }
                _ => StatusCode::BAD_REQUEST,
            },
            Self::NoSignUp | Self::Domain | Self::NoAddress | Self::Suspended => StatusCode::FORBIDDEN,
            Self::Clash | Self::Elsewhere | Self::Another => StatusCode::CONFLICT,
        }
    }

    fn words(&self, name: &str, signed_in: bool) -> Page {
        let back = if signed_in { CONNECTIONS } else { SIGN_IN };
        let page = |title: &str, text: String, link| Page { title: title.to_owned(), text, link };
        match self {
            Self::NotBegunHere => page(
                "This was not begun here",
                format!(
                    "Going to {name} was not begun in this browser, was finished before, or took longer than ten \
                     minutes. Nothing has changed. Start again."
                ),
                back,
            ),
            Self::Provider(error) => {
                Page { title: format!("{name} did not let you in"), text: error.to_string(), link: back }
            }
            Self::Clash => page(
                "You have an account here",
                format!(
                    "There is an account with the address that {name} gives. Sign in as you did before to connect {name}: \
                     then you can sign in either way."
                ),
                CONNECT,
            ),
            Self::NoSignUp => page(
                "No account is connected",
                format!(
                    "No account here is connected with this account at {name}, and {name} does not make new ones. Sign in \
                     as you did before, then connect {name}."
                ),
                CONNECT,
            ),
            Self::Domain => page(
                "Not for this address",
                format!(
                    "Accounts made through {name} need an address that {name} has verified, in one of the domains that \
                     this portal lets in."
                ),
                SIGN_IN,
            ),
            Self::NoAddress => page(
                "An address is missing",
                format!(
                    "{name} does not tell your e-mail address. Create an account here with it, then connect {name}."
                ),
                SIGN_UP,
            ),
            Self::Suspended => page(
                "The account is suspended",
                "This account is suspended. Ask an administrator.".to_owned(),
                SIGN_IN,
            ),
            Self::Elsewhere => page(
                "Connected with another account",
                format!(
                    "This account at {name} is connected with another account here. Sign in with that one, or disconnect \
                     it there first."
                ),
                CONNECTIONS,
            ),
            Self::Another => page(
                "Another account is connected",
                format!("You have another account at {name} connected already. Disconnect it first."),
                CONNECTIONS,
            ),
            Self::NotYou => page(
                "That is another account",
                format!(
                    "The account at {name} is not the one that is connected with yours. Nothing was confirmed."
                ),
                back,
            ),
            Self::Unproven => page(
                "That proves nothing",
                format!(
                    "{name} does not say when you signed in there, so it cannot confirm that it is you now."
                ),
                back,
            ),
        }
    }
}

/// The page about it.
pub(super) fn refuse(
    portal: &Portal,
    visitor: &Visitor,
    provider: &Provider,
    why: &Refusal,
) -> Result<HttpResponse, PageError> {
    let name = provider.definition().label();
    if let Refusal::Provider(error) = why {
        tracing::warn!(provider = provider.definition().id.as_str(), %error, "a sign-in at a provider failed");
    }
    let page = why.words(name, visitor.person.is_some());
    portal.page_with_status(why.status(), visitor, "pages/connections/refused.html", page)
}
