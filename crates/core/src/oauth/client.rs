//! OAuth clients (RFC 6749 §2): what they are and what they may ask for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::ClientKeys;
use crate::audience::Audience;
use crate::change::UnknownName;
use crate::clock::Timestamp;
use crate::ids::{ClientId, OwnerId};
use crate::jwt::Algorithm;
use crate::scope::ScopeSet;

use super::identity::is_about_user;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// As stored and sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(s: &str) -> Result<Self, UnknownName> {
                match s { $($text => Ok(Self::$variant),)+ _ => Err(UnknownName) }
            }
        }
    };
}

names! {
    /// What kind of client.
    ClientKind {
        /// Cannot keep a secret (RFC 6749 §2.1).
        Public = "public",
        /// Can.
        Confidential = "confidential",
        /// An API: introspects, follows the feed and reports records; asks for no tokens.
        ResourceServer = "resource_server",
    }
}

names! {
    /// How a client proves who it is at the token endpoint (RFC 8414 `token_endpoint_auth_methods_supported`).
    AuthMethod {
        /// Not at all: a public client.
        None = "none",
        /// HTTP Basic with form-encoded credentials (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// In the request's body.
        ClientSecretPost = "client_secret_post",
        /// A signed assertion (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
    }
}

impl AuthMethod {
    /// Whether it takes a secret that both sides know.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

names! {
    /// The grants of the token endpoint.
    GrantType {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 8693.
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

names! {
    /// What a client's access tokens look like.
    TokenFormat {
        /// A random string, looked up at each first use.
        Opaque = "opaque",
        /// A JWT (RFC 9068).
        Jwt = "jwt",
    }
}

names! {
    /// Where a client comes from.
    ClientOrigin {
        /// Registered by its owner or an administrator.
        Manual = "manual",
        /// Part of the portal.
        Builtin = "builtin",
        /// Registered itself (RFC 7591).
        Dynamic = "dynamic",
    }
}

/// A client as registered. Its secrets are kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `client_id`.
    pub id: ClientId,
    /// Who registered it.
    pub owner: OwnerId,
    /// What kind.
    pub kind: ClientKind,
    /// Shown at consent; at most 100 characters.
    pub name: String,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The grants that it may use.
    pub grant_types: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// The API that a resource server is.
    pub audience: Option<Audience>,
    /// Its public keys (private_key_jwt).
    pub jwks: Option<ClientKeys>,
    /// What its ID tokens are signed with (`id_token_signed_response_alg`).
    pub id_token_algorithm: Algorithm,
    /// Whether its access tokens are always bound to a key (`dpop_bound_access_tokens`, RFC 9449 §5.2).
    pub dpop_bound: bool,
    /// Where it is told that a user signed out (OpenID Connect Back-Channel Logout §2.2).
    pub backchannel_logout_uri: Option<String>,
    /// Its home page, shown at consent (`client_uri`, RFC 7591 §2).
    pub website: Option<String>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Since when nothing of it works.
    pub suspended_at: Option<Timestamp>,
    /// When it last authenticated, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Client {
    /// Whether it may use `grant`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }
    /// Whether it may ask a user for `scope`: one that it was registered with, or one about the user, which every app
    /// may ask for.
    pub fn may_ask_user_for(&self, scope: &str) -> bool {
        is_about_user(scope) || self.scopes.contains(scope)
    }
    /// Whether it is this portal's own, which asks for no consent between the portal and itself.
    pub fn is_builtin(&self) -> bool {
        self.origin == ClientOrigin::Builtin
    }
    /// Where a request is answered that names `asked`; one that names none, only if a single URI is registered
    /// (RFC 6749 §3.1.2.3).
    pub fn redirect_for<'u>(&'u self, asked: Option<&'u str>) -> Option<&'u str> {
        match (asked, self.redirect_uris.as_slice()) {
            (Some(asked), _) => self.redirect_uri(asked).map(|_| asked),
            (None, [only]) => Some(only.as_str()),
            (None, _) => None,
        }
    }
    /// The registered URI that `asked` is allowed by: equal to it, or differing in a loopback port alone.
    pub fn redirect_uri(&self, asked: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|uri| uri.matches(asked))
    }
}

/// The most redirect URIs of a client.
pub const MAX_REDIRECT_URIS: usize = 20;
/// The longest redirect URI, in bytes.
pub const MAX_REDIRECT_URI_LEN: usize = 512;

/// Printable characters that stand in no URI (RFC 3986 §2).
const NEVER_IN_A_URI: [char; 9] = ['"', '<', '>', '\\', '^', '`', '{', '|', '}'];

/// A registered redirect URI: absolute, without fragment, https; http on a loopback address, and private schemes
/// with a dot (RFC 8252 §7), for native apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Why a text is no redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Not absolute, or not a URI.
    #[error("not an absolute URI, as https://app.example.com/callback")]
    NotAbsolute,
    /// RFC 6749 §3.1.2.
    #[error("a redirect URI has no #fragment")]
    Fragment,
    /// Over [`MAX_REDIRECT_URI_LEN`].
    #[error("at most 512 characters")]
    TooLong,
    /// Neither https, nor loopback http, nor a private scheme.
    #[error("use https, http on 127.0.0.1 or [::1], or a private scheme as com.example.app:/callback")]
    Scheme,
    /// `user:password@`.
    #[error("a redirect URI has no user name or password")]
    UserInfo,
}

impl RedirectUri {
    /// As registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// What a person should look at: the host, or the private scheme.
    pub fn shown_host(&self) -> String {
        Url::parse(&self.0)
            .ok()
            .map(|u| u.host_str().map_or_else(|| format!("{}:", u.scheme()), str::to_owned))
            .unwrap_or_default()
    }
    /// Whether it leads to the machine that the browser runs on.
    pub fn is_loopback(&self) -> bool {
        without_loopback_port(&self.0).is_some()
    }
    /// Whether `asked` is this URI: byte for byte (RFC 9700 §4.1.3), except that the port of a loopback address
    /// may be any (RFC 8252 §7.3).
    pub fn matches(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        let (Some(ours), Some(theirs)) = (without_loopback_port(&self.0), without_loopback_port(asked))
        else {
            return false;
        };
        ours == theirs
    }
}

/// Host and remainder of `http://<loopback>[:port]<rest>`; `None` for anything else. Textual, so that nothing that a
/// URL parser would normalise away slips through.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = rest.split_at(digits);
            port.parse::<u16>().ok()?;
            rest
        }
    };
    (rest.is_empty() || rest.starts_with('/') || rest.starts_with('?')).then_some((host, rest))
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;
    fn from_str(s: &str) -> Result<Self, InvalidRedirectUri> {
        if s.len() > MAX_REDIRECT_URI_LEN {
            return Err(InvalidRedirectUri::TooLong);
        }
        if !s.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        let url = Url::parse(s).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        // What the parser puts right, a browser may read as a path of ours: `https:host`, or a backslash.
        let is_web = matches!(url.scheme(), "http" | "https");
        if is_web && !s.starts_with(&format!("{}://", url.scheme())) || s.contains(NEVER_IN_A_URI) {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        if url.fragment().is_some() {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRedirectUri::UserInfo);
        }
        let allowed = match (url.scheme(), url.host()) {
            ("https", Some(_)) => true,
            ("http", Some(Host::Ipv4(ip))) => ip.is_loopback(),
            ("http", Some(Host::Ipv6(ip))) => ip.is_loopback(),
            ("http", Some(Host::Domain(name))) => name == "localhost",
            (scheme, _) => scheme.contains('.'),
        };
        if allowed { Ok(Self(s.to_owned())) } else { Err(InvalidRedirectUri::Scheme) }
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap()
    }

    #[test]
    fn redirect_uris_match_byte_for_byte() {
        let ours = uri("https://app.example.com/callback");
        assert!(ours.matches("https://app.example.com/callback"));
        for other in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback?x=1",
            "https://app.example.com:443/callback",
            "https://APP.example.com/callback",
            "https://app.example.com/callback/../callback",
            "http://app.example.com/callback",
        ] {
            assert!(!ours.matches(other), "{other}");
        }
    }

    #[test]
    fn a_loopback_port_may_be_any() {
        let ours = uri("http://127.0.0.1/callback");
        assert!(ours.matches("http://127.0.0.1:51234/callback"));
        assert!(uri("http://[::1]:1/cb").matches("http://[::1]:51234/cb"));
        for other in [
            "http://127.0.0.1:51234/other",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://localhost:51234/callback",
            "https://127.0.0.1:51234/callback",
        ] {
            assert!(!ours.matches(other), "{other}");
        }
    }

    #[test]
    fn what_may_not_be_registered() {
        for (text, error) in [
            ("/callback", InvalidRedirectUri::NotAbsolute),
            ("https:a.example/callback", InvalidRedirectUri::NotAbsolute),
            ("https:/a.example/callback", InvalidRedirectUri::NotAbsolute),
            ("https:\\\\a.example/callback", InvalidRedirectUri::NotAbsolute),
            ("https://a.example\\@b.example/", InvalidRedirectUri::NotAbsolute),
            ("https://a.example/#x", InvalidRedirectUri::Fragment),
            ("https://u:p@a.example/", InvalidRedirectUri::UserInfo),
            ("http://a.example/", InvalidRedirectUri::Scheme),
            ("javascript:alert(1)", InvalidRedirectUri::Scheme),
            ("data:text/html,x", InvalidRedirectUri::Scheme),
        ] {
            assert_eq!(text.parse::<RedirectUri>(), Err(error), "{text}");
        }
        assert!("com.example.app:/callback".parse::<RedirectUri>().is_ok());
    }
}
