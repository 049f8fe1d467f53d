//! A portal on a throw-away database and a browser that follows nothing, for tests of pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, LOCATION, SET_COOKIE};
use actix_web::{App, test, web};
use keyway_core::address::AddressList;
use keyway_core::audience::{Api, Catalogue};
use keyway_core::clock::ManualClock;
use keyway_core::credential::Shapes;
use keyway_core::jwt::Algorithm;
use keyway_core::random::SeededRandom;
use keyway_core::source::RecordSink;
use keyway_core::{Clock, Duration, Random};
use keyway_guard::Guard;
use keyway_store::StoreSource;
use keyway_store::housekeeping::Retention;
use keyway_store::seal::MasterKey;
use keyway_store::tables::connections::DemoIdentities;
use keyway_store::testing::{Backend, TestDatabase};

use crate::flows::jwt::KeyRing;
use crate::flows::notices::Notices;
use crate::flows::tokens::Issuance;
use crate::live::Listeners;
use crate::mail::MailBell;
use crate::metrics::Metrics;
use crate::oauth::known_clients::KnownClients;
use crate::oauth::limits::EndpointLimits;
use crate::outgoing::Outgoing;
use crate::outside::Outside;
use crate::passwords::{PasswordCost, PasswordPool};
use crate::providers::Registry;
use crate::render::{Branding, Renderer};
use crate::settings::{Limits, Registration, Settings, SignUp, VerifyEmail};
use crate::state::{CookieSecrets, Portal};

/// A portal as `dev` runs it, with a clock that stands still.
pub(crate) struct TestPortal {
    pub(crate) portal: web::Data<Portal>,
    pub(crate) clock: Arc<ManualClock>,
    database: TestDatabase,
    _folder: tempfile::TempDir,
}

impl TestPortal {
    pub(crate) fn new(backend: Backend, change: impl FnOnce(&mut Settings)) -> Self {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let folder = tempfile::tempdir().unwrap();
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(42));
        let limits = Limits::default();
        let mut settings = Settings {
            public_url: "http://localhost:8080".parse().unwrap(),
            dev: true,
            limit_defaults: limits.of_credentials(),
            limits,
            refresh_repeat: Duration::seconds(30),
            registration: Registration::Off,
            verify_email: VerifyEmail::Never,
            sign_up: SignUp::Open,
            branding: Branding::default(),
            demo: false,
            trusted_proxies: "127.0.0.1".parse().unwrap(),
            outgoing_networks: AddressList::default(),
            data_dir: folder.path().to_owned(),
            mail_from: "Keyway <keyway@example.com>".into(),
            retention: Retention::default(),
        };
        change(&mut settings);
        let master_key = MasterKey::from_slice(&[7; 32]).unwrap();
        let management = Catalogue::management(settings.public_url.as_str()).unwrap();
        let guard = {
            let told = keyway_guard::Settings::new(management.audience.clone(), settings.public_url.as_str());
            let source = Arc::new(StoreSource::new(store.clone(), settings.limit_defaults));
            let sink: Arc<dyn RecordSink> = Arc::<StoreSource>::clone(&source);
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            Guard::new(told, source, Some(sink), clock, Arc::clone(&random))
        };
        let catalogue = Arc::new(
            Catalogue::new(vec![sample_api(), management])
                .with_issuer(settings.public_url.as_str().parse().unwrap()),
        );
        let shapes = Arc::new(Shapes::default());
        let issuance = Issuance {
            issuer: settings.public_url.as_str().into(),
            brand: shapes.brand.clone(),
            ring: KeyRing::new(master_key.clone(), Algorithm::Es256),
            limits: settings.limit_defaults,
            catalogue: Arc::clone(&catalogue),
            refresh_repeat: settings.refresh_repeat,
        };
        let outgoing = Outgoing::new(true, AddressList::default()).unwrap();
        let outside = Outside::new(
            &[],
            &catalogue,
            store.clone(),
            settings.limit_defaults,
            DemoIdentities::Counted,
            settings.verify_email,
            outgoing.clone(),
        );
        let outside = Arc::new(outside.unwrap());
        let portal = web::Data::new(Portal {
            store,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            renderer: Renderer::embedded(Branding::default()).unwrap(),
            limits: EndpointLimits::new(&settings.limits, &(Arc::clone(&clock) as Arc<dyn Clock>)),
            catalogue,
            shapes,
            settings,
            passwords: PasswordPool::start(PasswordCost::TESTING, 1, 16, &*random).unwrap(),
            secrets: CookieSecrets::derive(&master_key),
            master_key: Arc::new(master_key),
            guard,
            known_clients: KnownClients::default(),
            outgoing,
            outside,
            providers: Registry::default(),
            live: Listeners::default(),
            mail_bell: MailBell::default(),
            metrics: Metrics::new().unwrap(),
            issuance,
            random,
        });
        Self { portal, clock, database, _folder: folder }
    }
}

/// Tells nobody anything.
pub(crate) fn silent() -> Notices {
    Notices::new(&Renderer::embedded(Branding::default()).unwrap(), "http://localhost:8080", true)
}

/// The API that tests' credentials are for.
pub(crate) fn sample_api() -> Api {
    let scope = |name: &str, description: &str, access: &str| serde_json::json!({ "name": name, "description": description, "access": access });
    serde_json::from_value(serde_json::json!({
        "audience": "http://localhost:8081",
        "name": "Sample API",
        "base_url": "http://localhost:8081",
        "first_call": "/v1/whoami",
        "scopes": [
            scope("notes:read", "Read your notes", "read"),
            scope("notes:write", "Write your notes", "write"),
        ],
    }))
    .unwrap()
}

/// The sample API's and the portal's own scopes, for tests of flows.
pub(crate) fn catalogue() -> Catalogue {
    let portal = "http://localhost:8080";
    Catalogue::new(vec![sample_api(), Catalogue::management(portal).unwrap()])
        .with_issuer(portal.parse().unwrap())
}

impl TestPortal {
    /// Runs SQL past the portal.
    pub(crate) fn execute(&self, sql: &str) {
        self.database.execute(sql);
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().unwrap())
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    #[track_caller]
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A browser: keeps cookies, says where its requests come from.
pub(crate) struct Browser<'p> {
    portal: &'p TestPortal,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl<'p> Browser<'p> {
    pub(crate) fn new(portal: &'p TestPortal) -> Self {
        let headers = vec![("host", "localhost:8080".into()), ("sec-fetch-site", "same-origin".into())];
        Self { portal, cookies: BTreeMap::new(), headers }
    }

    pub(crate) async fn send(&mut self, request: test::TestRequest) -> Answer {
        let portal = self.portal.portal.clone();
        let app = test::init_service(App::new().configure(|cfg| crate::configure(cfg, portal))).await;
        let mut request = request.peer_addr("127.0.0.1:9000".parse().unwrap());
        for (name, value) in &self.headers {
            request = request.insert_header((*name, value.as_str()));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.insert_header(("cookie", pairs.join("; ")));
        }
        let answer: ServiceResponse<_> = match app.call(request.to_request()).await {
            Ok(answer) => answer.map_into_boxed_body(),
            Err(error) => {
                let answer = error.error_response();
                return Self::read(&mut self.cookies, answer).await;
            }
        };
        let (_, answer) = answer.into_parts();
        Self::read(&mut self.cookies, answer).await
    }

    async fn read(cookies: &mut BTreeMap<String, String>, answer: actix_web::HttpResponse) -> Answer {
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = to_bytes(answer.into_body()).await.unwrap();
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(test::TestRequest::get().uri(path)).await
    }

    pub(crate) async fn post_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = test::TestRequest::post()
            .uri(path)
            .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
            .set_payload(body);
        self.send(form).await
    }

    /// Sends the form that stands on `page`.
    pub(crate) async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.get(page).await.expect(200).csrf();
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        self.post_raw(action, &fields).await
    }

    pub(crate) async fn sign_up(&mut self, email: &str) -> Answer {
        let fields = [("name", "Ada"), ("email", email), ("password", "correct horse 42")];
        self.submit("/sign-up", "/sign-up", &fields).await
    }

    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.submit("/sign-in", "/sign-in", &[("email", email), ("password", password)]).await
    }
}
