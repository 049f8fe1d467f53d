//! What the portal is told when it starts; built once, validated, passed down.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::str::FromStr;

use keyway_core::address::AddressList;
use keyway_core::facts::LimitDefaults;
use keyway_core::quota::{Quota, Quotas};
use keyway_core::rate::{InvalidRate, Limit};
use keyway_core::{Duration, secret::SecretDigest};
use keyway_store::housekeeping::Retention;
use serde::{Deserialize, Serialize};

use crate::render::Branding;

/// Everything the portal is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where browsers and clients reach the portal; also the issuer.
    pub public_url: PublicUrl,
    /// Development: mails are read at `/dev/mail`, a banner says so.
    pub dev: bool,
    /// This portal is the demo identity provider: whoever reaches it chooses an account, and its own apps are let in
    /// without a question. Only ever on this machine, beside `dev`.
    pub demo: bool,
    /// Limits of credentials where nothing else is said.
    pub limit_defaults: LimitDefaults,
    /// The limits of the portal's own endpoints.
    pub limits: Limits,
    /// How long a spent refresh token gets the same answer again; zero for never.
    pub refresh_repeat: Duration,
    /// Whether clients may register themselves.
    pub registration: Registration,
    /// When an e-mail address must have been verified.
    pub verify_email: VerifyEmail,
    /// Who may make an account.
    pub sign_up: SignUp,
    /// Name, accent and links.
    pub branding: Branding,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: AddressList,
    /// Private networks that the portal may speak to all the same.
    pub outgoing_networks: AddressList,
    /// Where files are kept: mails in `dev`.
    pub data_dir: PathBuf,
    /// Whom mails come from.
    pub mail_from: String,
    /// How long calls are remembered.
    pub retention: Retention,
}

/// The address of the portal: scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    host: String,
    https: bool,
    loopback: bool,
}

/// Why a text is no public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public URL is http:// or https:// with a host and no path, as https://keys.example.com")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// As written in links and as the issuer.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The same as an origin (RFC 6454 §6.2): there is no path.
    pub fn origin(&self) -> &str {
        &self.text
    }
    /// Host and port as a `Host` header gives them; the scheme's own port is left out.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// Whether browsers reach the portal over TLS.
    pub const fn is_https(&self) -> bool {
        self.https
    }
    /// Whether the host is this machine itself.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
    /// Eight hexadecimal digits that tell issuers on one host apart: cookies do not know ports.
    pub fn short_hash(&self) -> String {
        let digest = SecretDigest::of(self.text.as_bytes());
        digest.as_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;
    fn from_str(s: &str) -> Result<Self, InvalidPublicUrl> {
        let url = url::Url::parse(s).map_err(|_| InvalidPublicUrl)?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidPublicUrl),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidPublicUrl);
        }
        let name = url.host_str().ok_or(InvalidPublicUrl)?;
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        Ok(Self { text: url.origin().ascii_serialization(), loopback: is_loopback_name(name), host, https })
    }
}

/// Whether a host's name, without its port, means this machine.
pub(crate) fn is_loopback_name(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|a| a.to_canonical().is_loopback())
}

impl Deref for PublicUrl {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether clients may register themselves (RFC 7591): setting `[oauth] registration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// They may not.
    Off,
    /// With an initial access token.
    Token,
    /// All of them.
    Open,
}

/// Who may make an account: setting `[accounts] sign_up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Everybody.
    Open,
    /// Nobody; accounts are made by command.
    Closed,
}

/// When an e-mail address must have been verified: setting `[accounts] verify_email`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyEmail {
    /// Before the first sign-in.
    BeforeSignIn,
    /// Before live credentials, apps and connections.
    BeforeLiveKey,
    /// Never.
    Never,
}

impl VerifyEmail {
    /// Whether an account may hold live credentials, and register and authorise apps.
    pub const fn allows_live(self, verified: bool) -> bool {
        verified || matches!(self, Self::Never)
    }
}

/// The settings `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Each credential.
    pub credential: Limit,
    /// All credentials of an owner together.
    pub owner: Limit,
    /// Each app and user together.
    pub app: Limit,
    /// Each credential, by the calendar day (UTC).
    pub credential_daily: Quota,
    /// Each credential, by the calendar month (UTC).
    pub credential_monthly: Quota,
    /// All credentials of an owner together, by the day.
    pub owner_daily: Quota,
    /// All credentials of an owner together, by the month.
    pub owner_monthly: Quota,
    /// Each app and user together, by the day.
    pub app_daily: Quota,
    /// Each app and user together, by the month.
    pub app_monthly: Quota,
    /// Failed sign-ins, sign-ups and asked-for mails, each by address.
    pub sign_in: Limit,
    /// Look-ups of unknown credentials, by address.
    pub unknown_credentials: Limit,
    /// `/oauth/authorize`, by person.
    pub authorize: Limit,
    /// `/oauth/token`, by address.
    pub token: Limit,
    /// `/oauth/introspect`, by client.
    pub introspect: Limit,
    /// `/oauth/revoke`, by address.
    pub revoke: Limit,
    /// `/oauth/userinfo`, by token.
    pub userinfo: Limit,
    /// `/oauth/par`, by client; of a public one, by address as well.
    pub par: Limit,
    /// Device codes, by address.
    pub device: Limit,
    /// Registrations of clients by themselves, by address.
    pub register: Limit,
}

impl Limits {
    /// What the file and the environment leave unsaid.
    ///
    /// # Errors
    /// Never: the texts are constants.
    fn defaults() -> Result<Self, InvalidRate> {
        let of = LimitDefaults::default();
        Ok(Self {
            credential: of.credential,
            owner: of.owner,
            app: of.app,
            credential_daily: Quota::Off,
            credential_monthly: Quota::Off,
            owner_daily: Quota::Off,
            owner_monthly: Quota::Off,
            app_daily: Quota::Off,
            app_monthly: Quota::Off,
            sign_in: "10/min burst=10".parse()?,
            unknown_credentials: "60/min burst=60".parse()?,
            authorize: "120/min burst=60".parse()?,
            token: "600/min burst=200".parse()?,
            introspect: "1000/s burst=2000".parse()?,
            revoke: "300/min burst=100".parse()?,
            userinfo: "300/min burst=100".parse()?,
            par: "300/min burst=100".parse()?,
            device: "30/min burst=30".parse()?,
            register: "20/h burst=10".parse()?,
        })
    }

    /// The part that credentials are limited by.
    pub const fn of_credentials(&self) -> LimitDefaults {
        LimitDefaults {
            credential: self.credential,
            owner: self.owner,
            app: self.app,
            credential_quotas: Quotas { day: self.credential_daily, month: self.credential_monthly },
            owner_quotas: Quotas { day: self.owner_daily, month: self.owner_monthly },
            app_quotas: Quotas { day: self.app_daily, month: self.app_monthly },
        }
    }

    /// Nothing is limited: for measurements.
    pub const fn off() -> Self {
        Self {
            credential: Limit::Off,
            owner: Limit::Off,
            app: Limit::Off,
            credential_daily: Quota::Off,
            credential_monthly: Quota::Off,
            owner_daily: Quota::Off,
            owner_monthly: Quota::Off,
            app_daily: Quota::Off,
            app_monthly: Quota::Off,
            sign_in: Limit::Off,
            unknown_credentials: Limit::Off,
            authorize: Limit::Off,
            token: Limit::Off,
            introspect: Limit::Off,
            revoke: Limit::Off,
            userinfo: Limit::Off,
            par: Limit::Off,
            device: Limit::Off,
            register: Limit::Off,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::defaults().unwrap_or(Self::off())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_can_be_read() {
        assert!(Limits::defaults().is_ok());
        assert_ne!(Limits::default(), Limits::off());
    }

    #[test]
    fn a_public_url_is_an_origin() {
        let url: PublicUrl = "http://localhost:8080/".parse().unwrap();
        assert_eq!((url.as_str(), url.host()), ("http://localhost:8080", "localhost:8080"));
        assert!(url.is_loopback() && !url.is_https());
        let url: PublicUrl = "https://keys.example.com:443".parse().unwrap();
        assert_eq!((url.as_str(), url.host()), ("https://keys.example.com", "keys.example.com"));
        for bad in ["", "keys.example.com", "ftp://a", "https://a/b", "https://u@a", "https://a/?q"] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
