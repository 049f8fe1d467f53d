//! A source of credentials, an API behind it, and calls.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use actix_web::http::Method as Verb;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use keyway_core::change::{Epoch, FeedHead, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::ManualClock;
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::facts::{Facts, LimitDefaults, Method, State, Subject};
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::jwt::{Jwks, VerificationKeys};
use keyway_core::owner::Environment;
use keyway_core::quota::Counted;
use keyway_core::random::SeededRandom;
use keyway_core::secret::SecretDigest;
use keyway_core::source::{CredentialSource, Pending, Presented, SourceError};
use keyway_core::{Clock, Duration, Random, Timestamp};
use keyway_guard::{Guard, Settings};
use parking_lot::Mutex;
use serde_json::Value;

use crate::{Notes, SampleApi, configure};

pub(super) const ALL: &str = "notes:delete notes:read notes:write";
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Keys that never change.
#[derive(Default)]
struct Keys(Mutex<HashMap<SecretDigest, Facts>>);

fn head() -> FeedHead {
    FeedHead { epoch: Epoch("one".to_owned()), head: Position(0), tail: Position(0) }
}

impl CredentialSource for Keys {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(ready(Ok(self.0.lock().get(&presented.digest).cloned())))
    }
    fn access_token<'a>(&'a self, _: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(ready(Ok(None)))
    }
    fn jwt_ended<'a>(&'a self, _: Presented<'a>, _: &'a [EntityId], _: Position) -> Pending<'a, bool> {
        Box::pin(ready(Ok(false)))
    }
    fn counted<'a>(&'a self, _: Presented<'a>, _: &'a Facts, _: Timestamp) -> Pending<'a, Vec<Counted>> {
        Box::pin(ready(Ok(Vec::new())))
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        let keys = VerificationKeys::from_jwks(&Jwks { keys: Vec::new() });
        Box::pin(ready(keys.map_err(|error| SourceError::Inconsistent(error.to_string()))))
    }
    fn changes<'a>(&'a self, _: &'a Epoch, _: Position, _: Duration) -> Pending<'a, FeedPage> {
        Box::pin(ready(Ok(FeedPage { at: head(), changes: Vec::new() })))
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        Box::pin(ready(Ok(FeedSnapshot { at: head(), ended: Vec::new() })))
    }
    fn head(&self) -> Position {
        Position(0)
    }
}

/// The API with a clock that stands still.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    random: Arc<dyn Random>,
    keys: Arc<Keys>,
    api: web::Data<SampleApi>,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
    /// The answer is a problem with this code.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{}", self.text);
        problem
    }
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(7));
        let keys = Arc::new(Keys::default());
        let mut settings = Settings::new("http://api.example".parse().unwrap(), "http://portal.example");
        settings.resource_metadata = Some("http://api.example/.well-known/oauth-protected-resource".into());
        let guard = Guard::new(
            settings,
            Arc::<Keys>::clone(&keys),
            None,
            Arc::<ManualClock>::clone(&clock),
            Arc::clone(&random),
        );
        let api = web::Data::new(SampleApi {
            guard,
            notes: Notes::open(&folder.path().join("notes.db")).unwrap(),
            portal: "http://portal.example".to_owned(),
            clock: Arc::<ManualClock>::clone(&clock),
            random: Arc::clone(&random),
        });
        Self { clock, random, keys, api, _folder: folder }
    }

    pub(super) fn owner(&self) -> OwnerId {
        OwnerId::new(START, &*self.random)
    }

    /// A key of `owner` that works.
    pub(super) fn key(&self, owner: OwnerId, environment: Environment, scopes: &str) -> String {
        let kind = if environment == Environment::Live { Kind::LiveKey } else { Kind::TestKey };
        let key = generate(&Brand::default(), kind, &*self.random);
        let id = EntityId::new(self.clock.now(), &*self.random);
        let facts = Facts {
            method: Method::ApiKey,
            id,
            owner,
            subject: Subject::Owner(owner),
            client: None,
            environment,
            audiences: std::iter::once("http://api.example".parse().unwrap()).collect(),
            scopes: scopes.parse().unwrap(),
            not_before: START,
            expires_at: None,
            state: State::Active,
            addresses: "".parse().unwrap(),
            ancestors: std::iter::once(owner.entity()).collect(),
            signing_key: None,
            bound_to: None,
            budgets: LimitDefaults::default().budgets(id, None, (owner, None), environment),
        };
        self.keys.0.lock().insert(key.digest(), facts);
        key.expose().to_owned()
    }

    /// A key with all scopes of an owner of its own.
    pub(super) fn any_key(&self) -> String {
        self.key(self.owner(), Environment::Live, ALL)
    }

    /// Sends a request to a server of its own.
    pub(super) async fn send(&self, request: TestRequest) -> Answer {
        let api = self.api.clone();
        let app = init_service(App::new().configure(move |config| configure(config, api))).await;
        let answer = call_service(&app, request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        Answer { status, headers, text }
    }

    pub(super) async fn call(&self, key: &str, verb: Verb, path: &str) -> Answer {
        self.send(request(key, verb, path)).await
    }

    pub(super) async fn write(&self, key: &str, verb: Verb, path: &str, body: &Value) -> Answer {
        self.send(request(key, verb, path).set_json(body)).await
    }

    /// A note of the key's owner: its path and its tag.
    pub(super) async fn note(&self, key: &str, title: &str) -> (String, String) {
        let body = serde_json::json!({ "title": title, "body": "Text" });
        let made = self.write(key, Verb::POST, "/v1/notes", &body).await.expect(201);
        (made.header("location").unwrap().to_owned(), made.header("etag").unwrap().to_owned())
    }
}

/// A request with a key.
pub(super) fn request(key: &str, verb: Verb, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(verb).insert_header(("x-api-key", key))
}
