//! Puts the parts together: settings, clock, randomness, database and keys into a portal, guards and a sample API.
//! Servers, commands and tests all get them here.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use keyway_core::audience::{Audience, Catalogue};
use keyway_core::clock::SystemClock;
use keyway_core::facts::LimitDefaults;
use keyway_core::jwt::Purpose;
use keyway_core::random::OsRandom;
use keyway_core::source::RecordSink;
use keyway_core::{Clock, Random};
use keyway_guard::{self as guard, Guard};
use keyway_portal::Portal;
use keyway_portal::flows::jwt::{self, KeyRing};
use keyway_portal::flows::tokens::Issuance;
use keyway_portal::flows::{Act, clients};
use keyway_portal::live::Listeners;
use keyway_portal::mail::MailBell;
use keyway_portal::metrics::Metrics;
use keyway_portal::oauth::known_clients::KnownClients;
use keyway_portal::oauth::limits::EndpointLimits;
use keyway_portal::outgoing::Outgoing;
use keyway_portal::outside::Outside;
use keyway_portal::passwords::{PasswordCost, PasswordPool};
use keyway_portal::providers::{Definition, Provider, Registry};
use keyway_portal::render::{Branding, Logo, Renderer};
use keyway_portal::settings::Settings;
use keyway_portal::state::CookieSecrets;
use keyway_sample_api::{Notes, SampleApi};
use keyway_store::StoreSource;
use keyway_store::seal::{self, MasterKey};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::connections::DemoIdentities;
use keyway_store::{Store, StoreConfig, StoreError};

use crate::config::{Config, Mode};
use crate::{demo, home};

/// What everything in a process is made of.
#[derive(Clone)]
pub struct House {
    /// The settings.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The database.
    pub store: Store,
    /// Seals what must be read back.
    pub master_key: MasterKey,
    /// Speaks to other hosts.
    outgoing: Outgoing,
    /// Verifies tokens of trusted issuers.
    outside: Arc<Outside>,
}

/// What may be made if it is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Missing {
    /// A master key.
    pub master_key: bool,
    /// The database, and migrations that it lacks.
    pub migrations: bool,
}

/// Threads that hash passwords, and how many passwords may wait for them.
const PASSWORD_THREADS: usize = 2;
const PASSWORD_QUEUE: usize = 64;

impl House {
    /// Opens what the settings name, with the machine's clock and randomness.
    ///
    /// # Errors
    /// In one line: what is missing, out of date, or does not fit.
    pub async fn open(config: Config, missing: Missing) -> anyhow::Result<Self> {
        if missing.master_key || missing.migrations {
            home::prepare(&config)?;
        }
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        let master_key = home::master_key(&config, missing.master_key, &*random)?;
        if missing.migrations {
            keyway_store::migrate(&config.database, &*random)?;
        }
        Self::with(config, Arc::new(SystemClock::new()), random, master_key).await
    }

    /// The same with a clock and randomness of the caller's; the database is migrated.
    ///
    /// # Errors
    /// When the database cannot be reached, or belongs to another master key.
    pub async fn with(
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        master_key: MasterKey,
    ) -> anyhow::Result<Self> {
        let store = Store::open(StoreConfig::new(config.database.clone()), Arc::clone(&clock))?;
        seal::bind(&store, &master_key, &*random).await?;
        let outgoing = Outgoing::new(config.public_url.is_loopback(), config.outgoing_networks.clone())?;
        let demo = match config.mode {
            Mode::Dev => DemoIdentities::Counted,
            Mode::Demo | Mode::Server | Mode::Command => DemoIdentities::Ignored,
        };
        let outside = Outside::new(
            &config.trusted_issuers,
            &config.catalogue,
            store.clone(),
            config.written.limits.of_credentials(),
            demo,
            config.verify_email,
            outgoing.clone(),
        );
        let outside = Arc::new(outside.context("trusted_issuers")?);
        let house = Self { config: Arc::new(config), clock, random, store, master_key, outgoing, outside };
        house.furnish().await?;
        jwt::ensure(&house.store, &house.key_ring(), house.act(Actor::system()), house.purposes()).await?;
        Ok(house)
    }

    /// What every database has: the built-in owner and client. Two processes may do it at once; one of them finds
    /// that the other was faster.
    async fn furnish(&self) -> Result<(), StoreError> {
        let mut again = true;
        loop {
            let act = self.act(Actor::system());
            let catalogue = self.config.catalogue.clone();
            let done = self.store.write(move |tx| clients::ensure_builtin(tx, &act, &catalogue)).await;
            match done {
                Err(StoreError::Conflict) if again => again = false,
                done => return done,
            }
        }
    }

    /// What it has signing keys for.
    fn purposes(&self) -> &'static [Purpose] {
        match self.config.mode {
            Mode::Demo => &[Purpose::AccessToken, Purpose::IdToken(demo::ID_TOKEN_ALGORITHM)],
            Mode::Dev | Mode::Server | Mode::Command => &Purpose::ALL,
        }
    }

    /// The keys that sign JWTs.
    pub fn key_ring(&self) -> KeyRing {
        KeyRing::new(self.master_key.clone(), self.config.written.oauth.signing_algorithm)
    }

    /// What the tokens that are issued rest on.
    pub fn issuance(&self) -> Issuance {
        Issuance {
            issuer: self.config.public_url.as_str().into(),
            brand: self.config.shapes.brand.clone(),
            ring: self.key_ring(),
            limits: self.limit_defaults(),
            catalogue: Arc::new(self.config.catalogue.clone()),
            refresh_repeat: self.config.written.oauth.refresh_repeat,
        }
    }

    /// A guard that learns from the database and reports to it.
    pub fn guard(&self, settings: guard::Settings) -> Guard {
        let source = StoreSource::new(self.store.clone(), self.limit_defaults());
        let source = Arc::new(source.with_outside(Arc::<Outside>::clone(&self.outside)));
        let sink: Arc<dyn RecordSink> = Arc::<StoreSource>::clone(&source);
        Guard::new(settings, source, Some(sink), Arc::clone(&self.clock), Arc::clone(&self.random))
    }

    /// The guard of the management API.
    fn management_guard(&self) -> anyhow::Result<Guard> {
        let api = Catalogue::management(self.config.public_url.as_str()).context("public_url")?;
        let metadata = format!("{}/.well-known/oauth-protected-resource/api/v1", self.config.public_url);
        Ok(self.guard(guard_settings(&self.config, api.audience, Some(metadata))))
    }

    /// The sample API's guard.
    ///
    /// # Errors
    /// When its audience is none.
    pub fn sample_guard(&self) -> anyhow::Result<Guard> {
        Ok(self.guard(sample_settings(&self.config)?))
    }

    /// The sample API behind `guard`, with its notes in the data folder.
    ///
    /// # Errors
    /// When its notes cannot be opened.
    pub fn sample_api(&self, guard: Guard) -> anyhow::Result<SampleApi> {
        Ok(SampleApi {
            guard,
            notes: Notes::open(&self.config.data_dir.join("notes.db"))?,
            portal: self.config.public_url.to_string(),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        })
    }

    /// An act of `actor` at this moment.
    pub fn act(&self, actor: Actor) -> Act {
        Act { now: self.clock.now(), random: Arc::clone(&self.random), actor, address: None }
    }

    /// An act of the operator at the terminal.
    pub fn command(&self) -> Act {
        self.act(Actor::command("command line"))
    }

    /// The portal, with its templates from `web_dir` if there is one.
    ///
    /// # Errors
    /// When a setting of `[portal]` is none, or the templates do not load.
    pub fn portal(&self, web_dir: Option<&Path>, cost: PasswordCost) -> anyhow::Result<Portal> {
        let settings = self.portal_settings()?;
        let renderer = match web_dir {
            Some(folder) => Renderer::from_dir(folder, settings.branding.clone())?,
            None => Renderer::embedded(settings.branding.clone())?,
        };
        Ok(Portal {
            limits: EndpointLimits::new(&settings.limits, &self.clock),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            renderer,
            catalogue: Arc::new(self.config.catalogue.clone()),
            shapes: Arc::new(self.config.shapes.clone()),
            settings,
            passwords: PasswordPool::start(cost, PASSWORD_THREADS, PASSWORD_QUEUE, &*self.random)?,
            secrets: CookieSecrets::derive(&self.master_key),
            master_key: Arc::new(self.master_key.clone()),
            guard: self.management_guard()?,
            known_clients: KnownClients::default(),
            outgoing: self.outgoing.clone(),
            outside: Arc::clone(&self.outside),
            providers: self.providers()?,
            live: Listeners::default(),
            mail_bell: MailBell::default(),
            metrics: Metrics::new()?,
            issuance: self.issuance(),
        })
    }

    /// The providers that the settings name.
    fn providers(&self) -> anyhow::Result<Registry> {
        let provider = |definition: &Definition| {
            Provider::new(definition.clone()).with_context(|| format!("providers: {}", definition.id))
        };
        let all: anyhow::Result<Vec<Provider>> = self.config.providers.iter().map(provider).collect();
        Ok(Registry::new(all?))
    }

    fn portal_settings(&self) -> anyhow::Result<Settings> {
        let (config, written) = (&*self.config, &self.config.written);
        let default = Branding::default();
        let accent = match &written.portal.accent {
            Some(text) => text.parse().context("portal.accent")?,
            None => default.accent,
        };
        if let Some(shade) = accent.darkened() {
            tracing::warn!(
                used = shade,
                "portal.accent cannot be read on a light ground; a darker shade is used there"
            );
        }
        let logo = written.portal.logo.as_deref().map(Logo::read).transpose().context("portal.logo")?;
        let name = written.portal.name.clone();
        Ok(Settings {
            public_url: config.public_url.clone(),
            dev: config.mode == Mode::Dev,
            demo: config.mode == Mode::Demo,
            limit_defaults: self.limit_defaults(),
            limits: written.limits,
            refresh_repeat: written.oauth.refresh_repeat,
            registration: written.oauth.registration,
            verify_email: config.verify_email,
            sign_up: config.sign_up,
            mail_from: written.mail.from.clone().unwrap_or_else(|| sender(&name, config.public_url.host())),
            branding: Branding {
                name,
                logo,
                accent,
                support_url: written.portal.support_url.clone(),
                terms_url: written.portal.terms_url.clone(),
                privacy_url: written.portal.privacy_url.clone(),
            },
            trusted_proxies: config.trusted_proxies.clone(),
            outgoing_networks: config.outgoing_networks.clone(),
            data_dir: config.data_dir.clone(),
            retention: config.written.retention.into(),
        })
    }

    /// The limits of credentials where nothing else is said.
    pub fn limit_defaults(&self) -> LimitDefaults {
        self.config.written.limits.of_credentials()
    }

    /// Finishes what waits to be written.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// What a guard for the API `audience` is told.
pub fn guard_settings(
    config: &Config,
    audience: Audience,
    resource_metadata: Option<String>,
) -> guard::Settings {
    let written = &config.written;
    let trusted = config.trusted_issuers.iter().filter(|issuer| issuer.api == audience);
    guard::Settings {
        trusted_issuers: trusted.map(|issuer| issuer.issuer.clone()).collect(),
        shapes: Arc::new(config.shapes.clone()),
        resource_metadata,
        trusted_proxies: config.trusted_proxies.clone(),
        jwt_signature: written.guard.jwt_signature,
        max_staleness: written.guard.max_staleness,
        known: written.guard.cache_entries,
        unknown_credentials: written.limits.unknown_credentials,
        records_per_second: written.guard.records_per_second,
        ..guard::Settings::new(audience, config.public_url.as_str())
    }
}

/// What the sample API's guard is told: where it describes itself (RFC 9728), and under which URL it is called.
///
/// # Errors
/// When its audience is none.
pub fn sample_settings(config: &Config) -> anyhow::Result<guard::Settings> {
    let audience = config.sample_audience();
    let metadata = format!("{}/.well-known/oauth-protected-resource", audience.trim_end_matches('/'));
    let api = config.catalogue.find(&audience);
    let mut settings = guard_settings(config, audience.parse().context("audience")?, Some(metadata));
    if let Some(api) = api {
        settings.base_url = api.base_url.trim_end_matches('/').to_owned();
    }
    Ok(settings)
}

/// `Keyway <keyway@example.com>`, from the portal's name and host.
fn sender(name: &str, host: &str) -> String {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    // What a display name may hold without quotes (RFC 5322 §3.2.3), and nothing that breaks a header.
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
    format!("{} <keyway@{host}>", name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_made_from_the_portals_name_and_host() {
        assert_eq!(
            sender("Acme, \"Inc\"\r\n", "keys.acme.example:8443"),
            "Acme Inc <keyway@keys.acme.example>"
        );
    }
}
