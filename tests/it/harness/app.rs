//! The whole product in this process: real servers on port 0, a fresh migrated database, a clock that is moved by
//! hand, seeded randomness, passwords that cost little, and the outbox as a mailbox.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::web;
use keyway_cli::config::{Config, Mode, Sources};
use keyway_cli::house::House;
use keyway_cli::servers::Servers;
use keyway_core::clock::ManualClock;
use keyway_core::ids::OwnerId;
use keyway_core::jwt::ACCESS_TOKEN_LIFETIME;
use keyway_core::random::SeededRandom;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Duration};
use keyway_guard::Guard;
use keyway_portal::Portal;
use keyway_portal::flows::accounts::{self, NewAccount};
use keyway_portal::flows::inputs::Email;
use keyway_portal::flows::keys::{self, By, KeyRules, RawKey};
use keyway_portal::flows::tokens::mint::{self, Order};
use keyway_portal::passwords::PasswordCost;
use keyway_store::seal::{KEY_LEN, MasterKey};
pub use keyway_store::testing::Backend;
use keyway_store::testing::{START, TestDatabase};

use super::actors::{Anonymous, JwtClient, KeyClient, http};
use super::browser::Browser;

/// A password that is long enough for everybody.
pub const PASSWORD: &str = "correct horse battery";

/// The product, running.
pub struct TestApp {
    pub clock: Arc<ManualClock>,
    pub house: House,
    pub data: web::Data<Portal>,
    /// `http://localhost:PORT`, without a slash at the end.
    pub portal: String,
    /// The sample API's.
    pub api: String,
    pub anonymous: Anonymous,
    /// The sample API's guard.
    pub guard: Guard,
    servers: Option<Servers>,
    ground: Ground,
}

/// What outlives a restart.
struct Ground {
    database: TestDatabase,
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    more: Vec<(String, String)>,
    /// The portal's and the API's; 0 until they are chosen.
    ports: (u16, u16),
    starts: u64,
}

impl TestApp {
    /// With the settings of `dev`.
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[]).await
    }

    /// With further settings, as the environment says them.
    pub async fn start_with(backend: Backend, more: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self::on(Ground {
            database: TestDatabase::new(backend),
            folder: tempfile::tempdir().expect("a folder"),
            clock: Arc::new(ManualClock::at(START)),
            more: more.iter().map(own).collect(),
            ports: (0, 0),
            starts: 0,
        })
        .await
    }

    async fn on(mut ground: Ground) -> Self {
        ground.starts += 1;
        let (portal, api) = (bound(ground.ports.0), bound(ground.ports.1));
        let (portal_port, api_port) = (port(&portal), port(&api));
        ground.ports = (portal_port, api_port);
        let Ground { database, folder, clock, more, starts, .. } = &ground;
        let mut environment = vec![
            ("KEYWAY_DATA_DIR".to_owned(), folder.path().display().to_string()),
            ("KEYWAY_DATABASE_URL".to_owned(), database.url_text().to_owned()),
            ("KEYWAY_PORTAL_ADDR".to_owned(), format!("127.0.0.1:{portal_port}")),
            ("KEYWAY_API_ADDR".to_owned(), format!("127.0.0.1:{api_port}")),
        ];
        environment.extend(more.iter().cloned());
        let sources = Sources { file: Some("/dev/null".into()), environment, flags: Vec::new() };
        let config = Config::load(&sources, Mode::Dev).expect("the settings");

        let clock = Arc::clone(clock);
        let random = Arc::new(SeededRandom::new((starts << 16) + u64::from(portal_port)));
        let key = MasterKey::from_slice(&[7; KEY_LEN]).expect("a key");
        let house =
            House::with(config, Arc::clone(&clock) as Arc<dyn Clock>, random, key).await.expect("the house");
        let data = web::Data::new(house.portal(None, PasswordCost::TESTING).expect("the portal"));
        let mut servers = Servers::new().expect("the servers");
        let shared = data.clone();
        servers
            .serve(vec![portal], 1, move |cfg| keyway_portal::configure(cfg, shared.clone()))
            .expect("the portal's server");
        let sample = house.sample_guard().and_then(|guard| house.sample_api(guard)).expect("the sample API");
        servers.guard("api", &sample.guard);
        let guard = sample.guard.clone();
        let sample = web::Data::new(sample);
        servers
            .serve(vec![api], 1, move |cfg| keyway_sample_api::configure(cfg, sample.clone()))
            .expect("the sample API's server");
        Self {
            clock,
            house,
            data,
            portal: format!("http://localhost:{portal_port}"),
            api: format!("http://localhost:{api_port}"),
            anonymous: Anonymous { http: http() },
            guard,
            servers: Some(servers),
            ground,
        }
    }

    /// Ends it in order, as SIGTERM does.
    pub async fn stop(self) {
        self.end().await;
    }

    /// Ends it in order and starts it again, on the same data and at the same addresses.
    pub async fn restart(self) -> Self {
        Self::on(self.end().await).await
    }

    async fn end(mut self) -> Ground {
        if let Some(servers) = self.servers.take() {
            servers.stop().await;
        }
        self.house.close().await;
        self.ground
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.portal)
    }
    pub fn api(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }
    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// An account, made as by the operator.
    pub async fn person(&self, email: &str, is_admin: bool) -> OwnerId {
        let password =
            self.data.passwords.hash(PlainSecret::new(PASSWORD), &*self.house.random).await.expect("a hash");
        let act = self.house.command();
        let id = OwnerId::new(act.now, &*self.house.random);
        let account = NewAccount {
            id,
            email: Email::parse(email).expect("an address"),
            name: email.split('@').next().unwrap_or_default().to_owned(),
            password: Some(password),
            verified: true,
            is_admin,
        };
        self.house.store.write(move |tx| accounts::create(tx, &act, &account)).await.expect("an account");
        id
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser::new(self.anonymous.http.clone(), &self.portal)
    }

    /// A browser in which `email` has signed in.
    pub async fn signed_in(&self, email: &str) -> Browser {
        let browser = self.browser();
        let page = browser.get("/sign-in").await.expect(200);
        let form = Browser::form(&page, "/sign-in").set("email", email).set("password", PASSWORD);
        browser.submit(&form).await.expect(200);
        browser
    }

    /// A key of `owner` with these scopes, made as by the operator.
    pub async fn key(&self, owner: OwnerId, scopes: &str) -> KeyClient {
        self.key_with(owner, scopes, |_| {}).await
    }

    /// The same, with changes to what is asked for.
    pub async fn key_with(
        &self,
        owner: OwnerId,
        scopes: &str,
        change: impl FnOnce(&mut RawKey),
    ) -> KeyClient {
        let mut raw = RawKey {
            name: "A key".into(),
            environment: "live".into(),
            scopes: scopes.split(' ').map(str::to_owned).collect(),
            ..RawKey::default()
        };
        change(&mut raw);
        let draft = raw.read().expect("a draft");
        let rules = self.key_rules();
        let secret = keys::new_secret(&self.data.shapes.brand, draft.environment, &*self.house.random);
        let (act, kept) = (self.house.command(), secret.clone());
        let key = self
            .house
            .store
            .write(move |tx| keys::create(tx, &act, &rules, &By::Operator, owner, draft, &kept))
            .await
            .expect("a key");
        KeyClient {
            http: self.anonymous.http.clone(),
            id: key.id.to_string(),
            key: secret.expose().to_owned(),
        }
    }

    /// What the rules about keys rest on.
    pub fn key_rules(&self) -> KeyRules {
        KeyRules {
            catalogue: Arc::clone(&self.data.catalogue),
            limits: self.house.limit_defaults(),
            live_needs_verified: false,
        }
    }

    /// Switches a key on or off, as the operator.
    pub async fn enable(&self, owner: OwnerId, key: &KeyClient, enabled: bool) {
        let (act, rules, id) = (self.house.command(), self.key_rules(), key.id.parse().expect("an id"));
        self.house
            .store
            .write(move |tx| keys::set_enabled(tx, &act, &rules, &By::Operator, owner, id, enabled))
            .await
            .expect("the key");
    }

    /// A JWT pair of `owner`, minted as on the dashboard.
    pub async fn pair(&self, owner: OwnerId, scopes: &str) -> JwtClient {
        let order = Order {
            owner,
            is_admin: false,
            name: "A pair".into(),
            audience: None,
            scopes: scopes.parse().expect("scopes"),
            lifetime: ACCESS_TOKEN_LIFETIME,
            refresh: true,
        };
        let house = &self.house;
        let response =
            mint::run(&house.store, &house.issuance(), house.command(), order).await.expect("a pair");
        let answer = serde_json::to_value(&response).expect("JSON");
        JwtClient::from_answer(&self.anonymous.http, &answer)
    }
}

fn bound(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).expect("a port")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}
