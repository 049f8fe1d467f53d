//! What the settings or an administrator say about a provider.

use std::fmt;
use std::str::FromStr;

use keyway_core::secret::PlainSecret;
use keyway_core::text::misleads;
use serde::{Deserialize, Serialize};
use url::Url;

use super::identity::ProviderEmail;

/// The longest [`ProviderId`], in characters.
pub const MAX_ID_LEN: usize = 32;
/// The longest label, in characters.
pub const MAX_LABEL_LEN: usize = 40;
/// The most scopes, tenants or domains of one provider.
pub const MAX_ENTRIES: usize = 50;
/// The longest client id, secret, URL or list entry, in bytes.
pub const MAX_TEXT_LEN: usize = 1_000;

/// A provider's name in the settings and in URLs: 1 to 32 of `a`–`z`, `0`–`9` and `-`; not `new`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderId(String);

impl ProviderId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderId {
    type Err = InvalidDefinition;
    fn from_str(text: &str) -> Result<Self, InvalidDefinition> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=MAX_ID_LEN).contains(&text.len()) && text.bytes().all(plain) && text != "new" {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDefinition(
                "the id has 1 to 32 lower-case letters, digits and hyphens, and is not `new`",
            ))
        }
    }
}

impl TryFrom<String> for ProviderId {
    type Error = InvalidDefinition;
    fn try_from(text: String) -> Result<Self, InvalidDefinition> {
        text.parse()
    }
}

impl From<ProviderId> for String {
    fn from(id: ProviderId) -> Self {
        id.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any OpenID Connect provider, found by its issuer.
    Oidc,
    /// GitHub, or GitHub Enterprise at `issuer`.
    Github,
    /// Google.
    Google,
    /// GitLab, or one's own at `issuer`.
    Gitlab,
    /// Microsoft Entra, for the listed tenants.
    Microsoft,
    /// Any OAuth 2.0 provider with an endpoint that tells who signed in.
    Oauth2,
}

/// Where a provider without discovery is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Where the browser is sent.
    pub authorization: String,
    /// Where codes become tokens.
    pub token: String,
    /// Where it says who signed in; for GitHub, the API's `/user`.
    pub userinfo: String,
    /// Where tokens are revoked (RFC 7009), if anywhere; for GitHub, the API's `/applications/{client_id}/grant`.
    #[serde(default)]
    pub revocation: Option<String>,
}

/// What a provider calls what it says about a person: a member's name, or a JSON Pointer (RFC 6901) if it begins
/// with `/`. An OpenID Connect provider's subject is always `sub`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// The lasting id.
    pub subject: String,
    /// The login.
    pub account: String,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the provider has verified it.
    pub email_verified: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            account: "preferred_username".to_owned(),
            name: "name".to_owned(),
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
        }
    }
}

/// A provider as configured. Written down without its secret, which is kept sealed apart from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name here.
    pub id: ProviderId,
    /// How it is spoken to.
    pub kind: Kind,
    /// What its button says, if not the kind's own name.
    pub label: Option<String>,
    /// Who vouches for its accounts. `oidc` needs it; for `github`, `gitlab` and `microsoft` it is the base of a server
    /// other than the public one; for `oauth2` it stands in for the origin of the authorization endpoint.
    pub issuer: Option<String>,
    /// What it knows the portal by.
    pub client_id: String,
    /// What the portal proves that with; none for a public client.
    #[serde(skip)]
    pub client_secret: Option<PlainSecret>,
    /// What is asked for; if empty, what signing in needs.
    pub scopes: Vec<String>,
    /// Whether it may make new accounts.
    pub sign_up: bool,
    /// Whose verified addresses may sign up through it; if empty, everybody's. Whoever has an account may connect it.
    pub email_domains: Vec<String>,
    /// Whether its tokens are kept, sealed.
    pub keep_tokens: bool,
    /// The ids of the tenants that may come in, for `microsoft`.
    pub tenants: Vec<String>,
    /// Where it is, for `oauth2` and, if it differs, `github`.
    pub endpoints: Option<Endpoints>,
    /// What it calls what it says about people.
    pub claims: ClaimNames,
    /// Whether it is the demo provider of `keyway dev`.
    #[serde(skip)]
    pub demo: bool,
}

/// What is wrong with a definition, in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefinition(pub(super) &'static str);

impl Definition {
    /// What its button says.
    pub fn label(&self) -> &str {
        let own = match self.kind {
            Kind::Github => "GitHub",
            Kind::Google => "Google",
            Kind::Gitlab => "GitLab",
            Kind::Microsoft => "Microsoft",
            Kind::Oidc | Kind::Oauth2 => self.id.as_str(),
        };
        self.label.as_deref().unwrap_or(own)
    }

    /// Whether it can prove, by `max_age=0` and `auth_time`, that somebody signed in just now. Google and GitHub ignore
    /// the one, and Microsoft leaves out the other.
    pub const fn proves_freshness(&self) -> bool {
        matches!(self.kind, Kind::Oidc | Kind::Gitlab)
    }

    /// Whether it speaks OpenID Connect.
    pub(super) const fn is_openid(&self) -> bool {
        !matches!(self.kind, Kind::Github | Kind::Oauth2)
    }

    /// Whether its settings let somebody with this address sign up: without a list everybody, else those with a
    /// verified address in one of its domains. A domain does not cover those below it.
    pub fn admits(&self, email: Option<&ProviderEmail>) -> bool {
        let domain =
            email.filter(|email| email.verified).and_then(|email| email.address.as_str().split_once('@'));
        let listed =
            |domain: &str| self.email_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain));
        self.email_domains.is_empty() || domain.is_some_and(|(_, domain)| listed(domain))
    }

    /// Whether it can work at all.
    ///
    /// # Errors
    /// [`InvalidDefinition`] says in one line what is wrong.
    pub fn check(&self) -> Result<(), InvalidDefinition> {
        self.check_texts()?;
        let wrong = match self.kind {
            Kind::Oidc if self.issuer.is_none() => Some("kind `oidc` needs `issuer`"),
            Kind::Oauth2 if self.endpoints.is_none() => Some("kind `oauth2` needs `endpoints`"),
            Kind::Google if self.issuer.is_some() => {
                Some("kind `google` has an issuer of its own: leave out `issuer`")
            }
            Kind::Google | Kind::Github if self.client_secret.is_none() => Some("`client_secret` is missing"),
            Kind::Microsoft if self.tenants.is_empty() => Some("kind `microsoft` needs `tenants`: their ids"),
            Kind::Microsoft if !self.email_domains.is_empty() => Some(
                "Microsoft's addresses are not verified, so `email_domains` admits nobody: list `tenants`",
            ),
            _ => None,
        };
        let has_endpoints = matches!(self.kind, Kind::Oauth2 | Kind::Github);
        let wrong = wrong
            .or((self.endpoints.is_some() && !has_endpoints).then_some(
                "`endpoints` are for the kinds `oauth2` and `github`; others are found by their issuer",
            ))
            .or((!self.tenants.is_empty() && self.kind != Kind::Microsoft)
                .then_some("`tenants` are for kind `microsoft`"))
            .or((self.tenants.iter().any(|tenant| uuid::Uuid::try_parse(tenant).is_err()))
                .then_some("a tenant is given by its id, as 8-4-4-4-12 hexadecimal digits"));
        wrong.map_or(Ok(()), |wrong| Err(InvalidDefinition(wrong)))
    }

    fn check_texts(&self) -> Result<(), InvalidDefinition> {
        let secret = self.client_secret.as_ref().map(PlainSecret::expose);
        if !is_printable(&self.client_id) || !secret.is_none_or(is_printable) {
            return Err(InvalidDefinition(
                "`client_id` and `client_secret` have 1 to 1000 printable characters",
            ));
        }
        let label = self.label.as_deref().unwrap_or("x");
        if !(1..=MAX_LABEL_LEN).contains(&label.chars().count()) || label.chars().any(misleads) {
            return Err(InvalidDefinition("`label` has 1 to 40 characters"));
        }
        let lists = [&self.scopes, &self.tenants, &self.email_domains];
        if lists.iter().any(|list| list.len() > MAX_ENTRIES || !list.iter().all(|entry| is_printable(entry)))
        {
            return Err(InvalidDefinition(
                "`scopes`, `tenants` and `email_domains` have at most 50 entries, without spaces",
            ));
        }
        if self.email_domains.iter().any(|domain| domain.contains('@')) {
            return Err(InvalidDefinition("`email_domains` lists domains, as `example.com`, not addresses"));
        }
        let names = &self.claims;
        let names = [&names.subject, &names.account, &names.name, &names.email, &names.email_verified];
        if !names.iter().all(|name| is_printable(name)) {
            return Err(InvalidDefinition("`claims` are names without spaces"));
        }
        if self.issuer.as_deref().is_some_and(|issuer| !is_issuer(issuer)) {
            return Err(InvalidDefinition("`issuer` is an https URL without query and fragment"));
        }
        let endpoints = self.endpoints.iter().flat_map(|endpoints| {
            let Endpoints { authorization, token, userinfo, revocation } = endpoints;
            [authorization, token, userinfo].into_iter().chain(revocation)
        });
        let mut urls = endpoints.map(|url| secure(url));
        if urls.any(|url| url.is_none()) {
            return Err(InvalidDefinition("`endpoints` are https URLs"));
        }
        Ok(())
    }
}

fn is_printable(text: &str) -> bool {
    (1..=MAX_TEXT_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// An https URL, or an http one of this machine, which the guarded client judges again when it is called.
fn secure(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_TEXT_LEN)?;
    let here = url.host_str().is_some_and(crate::settings::is_loopback_name);
    (url.scheme() == "https" || (url.scheme() == "http" && here)).then_some(url)
}

/// RFC 8414 §2: no query and no fragment.
fn is_issuer(text: &str) -> bool {
    secure(text).is_some_and(|url| url.query().is_none() && url.fragment().is_none())
}
