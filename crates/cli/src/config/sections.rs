//! The settings as they are written: one struct a section, every name known, nothing judged yet.

use std::path::PathBuf;

use ipnet::IpNet;
use keyway_core::Duration;
use keyway_core::audience::{Api, Audience};
use keyway_core::credential::ForeignFormat;
use keyway_core::jwt::{Algorithm, TOKEN_TYPE};
use keyway_core::outside::SignedWith;
use keyway_guard::JwtSignature;
use keyway_portal::settings::{Limits, Registration, SignUp, VerifyEmail};
use serde::Deserialize;

use super::listen::{Listen, MaybeListen};
pub use super::providers::Provider;
use super::secret::SecretText;
use super::span;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    pub data_dir: PathBuf,
    pub database_url: Option<SecretText>,
    pub database_url_file: Option<PathBuf>,
    pub public_url: Option<String>,
    pub portal_addr: Listen,
    pub api_addr: Listen,
    pub demo_addr: MaybeListen,
    pub guard_addr: MaybeListen,
    pub metrics_addr: MaybeListen,
    pub master_key_file: Option<PathBuf>,
    pub smtp_url: Option<SecretText>,
    pub smtp_url_file: Option<PathBuf>,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretText>,
    pub client_secret_file: Option<PathBuf>,
    pub audience: Option<String>,
    pub portal: Branding,
    pub accounts: Accounts,
    pub apis: Option<Vec<Api>>,
    pub providers: Vec<Provider>,
    pub guard: Guard,
    pub oauth: Oauth,
    pub outgoing: Outgoing,
    pub credentials: Credentials,
    pub trusted_issuers: Vec<TrustedIssuer>,
    pub key_formats: Vec<ForeignFormat>,
    pub limits: Limits,
    pub mail: Mail,
    pub retention: Retention,
    pub log: Log,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("var"),
            database_url: None,
            database_url_file: None,
            public_url: None,
            portal_addr: Listen::localhost(8080),
            api_addr: Listen::localhost(8081),
            demo_addr: MaybeListen(Some(Listen::localhost(8082))),
            guard_addr: MaybeListen(None),
            metrics_addr: MaybeListen(None),
            master_key_file: None,
            smtp_url: None,
            smtp_url_file: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            audience: None,
            portal: Branding::default(),
            accounts: Accounts::default(),
            apis: None,
            providers: Vec::new(),
            guard: Guard::default(),
            oauth: Oauth::default(),
            outgoing: Outgoing::default(),
            credentials: Credentials::default(),
            trusted_issuers: Vec::new(),
            key_formats: Vec::new(),
            limits: Limits::default(),
            mail: Mail::default(),
            retention: Retention::default(),
            log: Log::default(),
        }
    }
}

/// `[portal]`: what pages, mails and documents say of the portal.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    pub name: String,
    pub logo: Option<PathBuf>,
    pub accent: Option<String>,
    pub support_url: Option<String>,
    pub terms_url: Option<String>,
    pub privacy_url: Option<String>,
}

impl Default for Branding {
    fn default() -> Self {
        Self {
            name: "Keyway".to_owned(),
            logo: None,
            accent: None,
            support_url: None,
            terms_url: None,
            privacy_url: None,
        }
    }
}

/// `[accounts]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    pub sign_up: Option<SignUp>,
    pub verify_email: Option<VerifyEmail>,
}

/// `[guard]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    pub trusted_proxies: Vec<IpNet>,
    pub jwt_signature: JwtSignature,
    #[serde(deserialize_with = "span::deserialize")]
    pub max_staleness: Duration,
    pub cache_entries: usize,
    pub records_per_second: u32,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            jwt_signature: JwtSignature::Cached,
            max_staleness: Duration::seconds(3),
            cache_entries: 50_000,
            records_per_second: 100,
        }
    }
}

/// `[oauth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oauth {
    pub registration: Registration,
    #[serde(deserialize_with = "span::deserialize")]
    pub refresh_repeat: Duration,
    pub signing_algorithm: Algorithm,
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            registration: Registration::Off,
            refresh_repeat: Duration::seconds(30),
            signing_algorithm: Algorithm::Es256,
        }
    }
}

/// `[outgoing]`: what the portal itself calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outgoing {
    pub networks: Vec<IpNet>,
}

/// `[[trusted_issuers]]`: whose access tokens are accepted besides the portal's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    pub issuer: String,
    pub audience: Audience,
    #[serde(default = "access_token_type")]
    pub typ: String,
    pub algorithms: Vec<SignedWith>,
    pub jwks_uri: Option<String>,
    pub introspection_endpoint: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretText>,
    pub client_secret_file: Option<PathBuf>,
    pub api: Option<Audience>,
    pub scopes: Vec<OutsideScopes>,
}

fn access_token_type() -> String {
    TOKEN_TYPE.to_owned()
}

/// What a scope of a trusted issuer's allows here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideScopes {
    pub when: String,
    pub grant: Vec<String>,
}

/// `[credentials]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    pub brand: Option<String>,
    pub earlier_brands: Vec<String>,
}

/// `[mail]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    pub from: Option<String>,
}

/// `[retention]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    #[serde(deserialize_with = "span::deserialize")]
    pub requests: Duration,
    #[serde(deserialize_with = "span::deserialize")]
    pub usage: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { requests: Duration::days(30), usage: Duration::days(400) }
    }
}

impl From<Retention> for keyway_store::housekeeping::Retention {
    fn from(written: Retention) -> Self {
        Self { request_records: written.requests, usage: written.usage, ..Self::default() }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info,actix_server=warn".to_owned() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One JSON object a line.
    Json,
}
