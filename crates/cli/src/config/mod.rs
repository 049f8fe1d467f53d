//! Settings: defaults, `keyway.toml`, the environment and flags, read once, judged once, and passed down.
//!
//! To add a setting: its field in [`sections`], its line in `example.toml`, and what it becomes in [`Config`] or
//! `wiring`.

pub mod example;
mod layers;
pub mod listen;
mod providers;
mod secret;
pub mod sections;
pub mod span;
#[cfg(test)]
mod tests;
mod trusted;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};
use ipnet::IpNet;
use keyway_core::address::AddressList;
use keyway_core::audience::{Access, Api, Catalogue, Grantable, ScopeDefinition};
use keyway_core::credential::{Brand, Shapes};
use keyway_core::outside::TrustedIssuer;
use keyway_core::secret::PlainSecret;
use keyway_core::{Duration, scope::Scope};
use keyway_portal::providers::Definition;
use keyway_portal::settings::{PublicUrl, SignUp, VerifyEmail};
use keyway_store::DatabaseUrl;
use url::Url;

pub use layers::Sources;
use sections::Written;

/// What the settings are for; a few defaults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `keyway dev`: everything on this machine.
    Dev,
    /// The demo identity provider beside `keyway dev`.
    Demo,
    /// A server for others.
    Server,
    /// A command of the operator, who vouches for what it does.
    Command,
}

/// The settings, judged.
#[derive(Clone, Debug)]
pub struct Config {
    /// What they are for.
    pub mode: Mode,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// Where the database is.
    pub database: DatabaseUrl,
    /// The portal's address as browsers see it, and the issuer; without a slash at the end.
    pub public_url: PublicUrl,
    /// Where the master key is kept.
    pub master_key_file: PathBuf,
    /// The mail server; none is the folder `mail` in the data folder.
    pub smtp_url: Option<PlainSecret>,
    /// The sample API's own secret at the portal, in remote mode.
    pub client_secret: Option<PlainSecret>,
    /// The APIs, the management API last.
    pub catalogue: Catalogue,
    /// Whose access tokens are accepted besides the portal's own.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// The shapes of credentials.
    pub shapes: Shapes,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: AddressList,
    /// Private networks that the portal may speak to.
    pub outgoing_networks: AddressList,
    /// Other providers that people sign in with.
    pub providers: Vec<Definition>,
    /// Who may make an account.
    pub sign_up: SignUp,
    /// What an unverified account may do.
    pub verify_email: VerifyEmail,
    /// The rest, as written.
    pub written: Written,
}

impl Config {
    /// Reads and judges all layers.
    ///
    /// # Errors
    /// One line that names the setting and what is wrong with it.
    pub fn load(sources: &Sources, mode: Mode) -> anyhow::Result<Self> {
        Self::judge(sources.read()?, mode)
    }

    /// Judges settings that were put together otherwise.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn judge(written: Written, mode: Mode) -> anyhow::Result<Self> {
        if matches!(mode, Mode::Dev | Mode::Demo) {
            check_loopback(&written)?;
        }
        let database = match secret::resolve(
            "database_url",
            written.database_url.as_ref(),
            written.database_url_file.as_ref(),
        )? {
            Some(url) => DatabaseUrl::from_str(url.expose()).context("database_url")?,
            None => DatabaseUrl::Sqlite(written.data_dir.join("keyway.db")),
        };
        let public_url = public_url(&written)?;
        let catalogue = catalogue(&written, &public_url)?;
        let smtp_url =
            secret::resolve("smtp_url", written.smtp_url.as_ref(), written.smtp_url_file.as_ref())?;
        let client_secret = secret::resolve(
            "client_secret",
            written.client_secret.as_ref(),
            written.client_secret_file.as_ref(),
        )?;
        let shapes = shapes(&written)?;
        let trusted_issuers = trusted::issuers(&written, public_url.as_str(), &catalogue)?;
        check_spans(&written)?;
        let (sign_up, verify_email) = match mode {
            Mode::Dev | Mode::Command => (SignUp::Open, VerifyEmail::Never),
            Mode::Demo => (SignUp::Closed, VerifyEmail::Never),
            Mode::Server => (SignUp::Closed, VerifyEmail::BeforeLiveKey),
        };
        let sign_up = written.accounts.sign_up.unwrap_or(sign_up);
        Ok(Self {
            mode,
            providers: providers::judge(&written.providers, sign_up)?,
            trusted_proxies: networks("guard.trusted_proxies", &written.guard.trusted_proxies)?,
            outgoing_networks: networks("outgoing.networks", &written.outgoing.networks)?,
            data_dir: written.data_dir.clone(),
            database,
            public_url,
            master_key_file: written
                .master_key_file
                .clone()
                .unwrap_or_else(|| written.data_dir.join("master.key")),
            smtp_url,
            client_secret,
            trusted_issuers,
            catalogue,
            shapes,
            sign_up,
            // In `dev` an address is never asked to be verified: its mails leave the machine nowhere.
            verify_email: match mode {
                Mode::Dev | Mode::Demo | Mode::Command => verify_email,
                Mode::Server => written.accounts.verify_email.unwrap_or(verify_email),
            },
            written,
        })
    }

    /// The audience of the sample API.
    pub fn sample_audience(&self) -> String {
        self.written.audience.clone().unwrap_or_else(|| sample_url(&self.written))
    }
}

fn sample_url(written: &Written) -> String {
    format!("http://localhost:{}", written.api_addr.port())
}

/// `dev` has open doors inside (mails to read, an administrator's link): nobody else may reach it.
fn check_loopback(written: &Written) -> anyhow::Result<()> {
    let addresses = [
        ("portal_addr", Some(written.portal_addr)),
        ("api_addr", Some(written.api_addr)),
        ("demo_addr", written.demo_addr.0),
        ("guard_addr", written.guard_addr.0),
        ("metrics_addr", written.metrics_addr.0),
    ];
    for (name, listen) in addresses {
        if let Some(listen) = listen.filter(|listen| !listen.is_loopback()) {
            bail!(
                "{name}: `keyway dev` listens on this machine only, not on {listen}; run `keyway portal` for others"
            );
        }
    }
    Ok(())
}

fn public_url(written: &Written) -> anyhow::Result<PublicUrl> {
    let here = format!("http://localhost:{}", written.portal_addr.port());
    let url: PublicUrl = written.public_url.as_ref().unwrap_or(&here).parse().context("public_url")?;
    if !url.is_https() && !url.is_loopback() {
        bail!("public_url begins with https:// (http:// for localhost alone)");
    }
    Ok(url)
}

fn networks(setting: &'static str, written: &[IpNet]) -> anyhow::Result<AddressList> {
    let text: Vec<String> = written.iter().map(ToString::to_string).collect();
    text.join(" ").parse().context(setting)
}

fn catalogue(written: &Written, public_url: &str) -> anyhow::Result<Catalogue> {
    let mut apis = match &written.apis {
        Some(apis) => apis.clone(),
        None => vec![sample_api(&sample_url(written))?],
    };
    apis.push(Catalogue::management(public_url).context("public_url")?);
    for (at, api) in apis.iter().enumerate() {
        if apis.iter().skip(at + 1).any(|other| other.audience == api.audience) {
            bail!("apis: {} is there twice", api.audience);
        }
        if api.name.is_empty() || api.name.len() > 100 {
            bail!("apis: {}: a name has 1 to 100 characters", api.audience);
        }
        if !Url::parse(&api.base_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            bail!("apis: {}: base_url is not an http or https URL", api.audience);
        }
        for scope in &api.scopes {
            if scope.name.parse::<Scope>().is_err() {
                bail!("apis: {}: {:?} is no scope", api.audience, scope.name);
            }
            if api.scopes.iter().filter(|other| other.name == scope.name).count() > 1 {
                bail!("apis: {}: the scope {} is there twice", api.audience, scope.name);
            }
        }
    }
    Ok(Catalogue::new(apis).with_issuer(public_url.parse()?))
}

/// The sample API, there unless `[[apis]]` says otherwise.
fn sample_api(url: &str) -> anyhow::Result<Api> {
    let scope = |name: &str, description: &str, access, sensitive| ScopeDefinition {
        name: name.to_owned(),
        description: description.to_owned(),
        access,
        sensitive,
        grant: Grantable::Everyone,
    };
    Ok(Api {
        audience: url.parse()?,
        name: "Sample API".to_owned(),
        base_url: url.to_owned(),
        openapi: Some(format!("{url}/openapi.json")),
        first_call: Some("/v1/whoami".into()),
        scopes: vec![
            scope("notes:read", "Read your notes", Access::Read, false),
            scope("notes:write", "Create and change your notes", Access::Write, false),
            scope("notes:delete", "Delete your notes", Access::Write, true),
        ],
    })
}

fn shapes(written: &Written) -> anyhow::Result<Shapes> {
    let brand = |text: &String| text.parse::<Brand>().with_context(|| format!("credentials: {text:?}"));
    for format in &written.key_formats {
        if format.prefix.len() < 2
            || format.prefix.len() > 32
            || !format.prefix.bytes().all(|b| b.is_ascii_graphic())
        {
            bail!("key_formats: a prefix has 2 to 32 visible ASCII characters");
        }
        if format.min_length < 20 {
            bail!("key_formats: {}: min_length is at least 20, shorter keys can be guessed", format.prefix);
        }
    }
    Ok(Shapes {
        brand: written.credentials.brand.as_ref().map(brand).transpose()?.unwrap_or_default(),
        earlier_brands: written
            .credentials
            .earlier_brands
            .iter()
            .map(brand)
            .collect::<anyhow::Result<_>>()?,
        foreign: written.key_formats.clone(),
    })
}

fn check_spans(written: &Written) -> anyhow::Result<()> {
    let within = |name: &str, span: Duration, least: Duration, most: Duration| {
        if span < least || span > most {
            bail!("{name} lies between {} and {} seconds", least.as_seconds(), most.as_seconds());
        }
        Ok(())
    };
    within("oauth.refresh_repeat", written.oauth.refresh_repeat, Duration::ZERO, Duration::minutes(5))?;
    within("guard.max_staleness", written.guard.max_staleness, Duration::seconds(1), Duration::seconds(60))?;
    within("retention.requests", written.retention.requests, Duration::hours(1), Duration::days(3_660))?;
    within("retention.usage", written.retention.usage, Duration::days(1), Duration::days(3_660))
}
