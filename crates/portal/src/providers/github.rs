//! GitHub, which speaks no OpenID Connect: who signed in is asked of its REST API.

use keyway_core::secret::PlainSecret;
use reqwest::header::{ACCEPT, HeaderName};
use serde::Deserialize;

use super::error::ProviderError;
use super::http;
use super::identity::ProviderEmail;
use super::profile::{Profile, shown};
use crate::flows::inputs::Email;
use crate::outgoing::Outgoing;

/// Its media type.
pub(super) const ACCEPTED: &str = "application/vnd.github+json";
const VERSION: (HeaderName, &str) = (HeaderName::from_static("x-github-api-version"), "2022-11-28");

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

/// The number that stays when a login changes, and what else is known of its account.
pub(super) async fn who(
    outgoing: &Outgoing,
    user_url: &str,
    token: &PlainSecret,
) -> Result<(String, Profile), ProviderError> {
    let headers = [(ACCEPT, ACCEPTED), VERSION];
    let user: User = http::get(outgoing, user_url, Some(token.expose()), &headers).await?;
    let addresses_url = format!("{user_url}/emails");
    let found = http::get::<Vec<Address>>(outgoing, &addresses_url, Some(token.expose()), &headers).await;
    let addresses = match found {
        Ok(addresses) => addresses,
        // Without the scope `user:email`: no address is known then.
        Err(ProviderError::Refused { .. }) => Vec::new(),
        Err(other) => return Err(other),
    };
    let primary = addresses.into_iter().find(|address| address.primary);
    let email = primary.and_then(|primary| {
        let address = Email::parse(&primary.email).ok()?;
        Some(ProviderEmail { address, verified: primary.verified })
    });
    let name = user.name.as_deref().and_then(shown);
    Ok((user.id.to_string(), Profile { account: shown(&user.login), name, email }))
}
