//! The API over HTTP, against a source of two people's keys.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use keyway_core::change::{Epoch, FeedHead, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::{Duration, ManualClock, Timestamp};
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::facts::{Facts, LimitDefaults, Method as Proof, State, Subject};
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::jwt::VerificationKeys;
use keyway_core::owner::Environment;
use keyway_core::random::SeededRandom;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::source::{CredentialSource, Pending, Presented};
use keyway_guard::{Guard, Settings};
use serde_json::{Value, json};

use super::*;
use crate::documents::OPENAPI;

const START: Timestamp = Timestamp::from_seconds(1_795_510_800);

/// Keys that never change.
#[derive(Default)]
struct Keys(HashMap<SecretDigest, Facts>);

fn nowhere() -> FeedHead {
    FeedHead { epoch: Epoch("one".into()), head: Position(0), tail: Position(0) }
}

impl CredentialSource for Keys {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(async move { Ok(self.0.get(&presented.digest).cloned()) })
    }
    fn access_token<'a>(&'a self, _: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(async { Ok(None) })
    }
    fn jwt_ended<'a>(&'a self, _: Presented<'a>, _: &'a [EntityId], _: Position) -> Pending<'a, bool> {
        Box::pin(async { Ok(false) })
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        Box::pin(async { Ok(VerificationKeys::default()) })
    }
    fn changes<'a>(&'a self, _: &'a Epoch, _: Position, _: Duration) -> Pending<'a, FeedPage> {
        Box::pin(async { Ok(FeedPage { at: nowhere(), changes: Vec::new() }) })
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        Box::pin(async { Ok(FeedSnapshot { at: nowhere(), ended: Vec::new() }) })
    }
    fn head(&self) -> Position {
        Position(0)
    }
}

struct House {
    api: web::Data<SampleApi>,
    /// Ann's: all scopes, live.
    ann: PlainSecret,
    /// Ann's: all scopes, test.
    ann_test: PlainSecret,
    /// Bob's: all scopes, live.
    bob: PlainSecret,
    /// Bob's: no scope of this API.
    bare: PlainSecret,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let random = SeededRandom::new(5);
        let (ann, bob) = (OwnerId::new(START, &random), OwnerId::new(START, &random));
        let mut keys = Keys::default();
        let mut key = |owner: OwnerId, environment: Environment, scopes: &str| {
            let secret = generate(&Brand::default(), Kind::LiveKey, &random);
            let id = EntityId::new(START, &random);
            let facts = Facts {
                method: Proof::ApiKey,
                id,
                owner,
                subject: Subject::Owner(owner),
                client: None,
                environment,
                audiences: ["http://localhost:8081".parse().unwrap()].into_iter().collect(),
                scopes: scopes.parse().unwrap(),
                not_before: START,
                expires_at: None,
                state: State::Active,
                addresses: keyway_core::address::AddressList::default(),
                ancestors: [owner.entity()].into_iter().collect(),
                signing_key: None,
                budgets: LimitDefaults::default().budgets(id, None, (owner, None), Environment::Live),
            };
            keys.0.insert(secret.digest(), facts);
            secret
        };
        let all = "notes:read notes:write notes:delete";
        let (first, second) = (key(ann, Environment::Live, all), key(ann, Environment::Test, all));
        let (third, bare) = (key(bob, Environment::Live, all), key(bob, Environment::Live, "other"));
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(START));
        let random: Arc<dyn Random> = Arc::new(random);
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new("http://localhost:8081".parse().unwrap(), "http://localhost:8080");
        let guard = Guard::new(settings, Arc::new(keys), None, Arc::clone(&clock), Arc::clone(&random));
        let notes = Notes::open(&folder.path().join("notes.db")).unwrap();
        let portal = "http://localhost:8080".to_owned();
        let api = web::Data::new(SampleApi { guard, notes, portal, clock, random });
        Self { api, ann: first, ann_test: second, bob: third, bare, _folder: folder }
    }

    async fn call(&self, request: TestRequest) -> ServiceResponse<BoxBody> {
        let api = self.api.clone();
        let app = init_service(App::new().configure(|config| configure(config, api))).await;
        call_service(&app, request.to_request()).await
    }

    async fn json(&self, key: &PlainSecret, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = with(key, method, path);
        let request = match body {
            Some(body) => request.set_json(body),
            None => request,
        };
        let answer = self.call(request).await;
        (answer.status().as_u16(), read(answer).await)
    }

    async fn note(&self, key: &PlainSecret, title: &str) -> String {
        let (status, note) = self.json(key, Method::POST, "/v1/notes", Some(json!({ "title": title }))).await;
        assert_eq!(status, 201, "{note}");
        format!("/v1/notes/{}", note["id"].as_str().unwrap())
    }
}

fn with(key: &PlainSecret, method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(method)
        .insert_header(("Authorization", format!("Bearer {}", key.expose())))
}

async fn read(answer: ServiceResponse<BoxBody>) -> Value {
    let bytes = to_bytes(answer.into_body()).await.unwrap();
    if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() }
}

fn header(answer: &ServiceResponse<BoxBody>, name: &str) -> String {
    answer.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

/// Method, path and the scopes that are needed; `None` for an open route.
fn operations() -> Vec<(Method, String, Option<Vec<String>>)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "01980000-0000-7000-8000-000000000000");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let needed = operation["security"].as_array().unwrap().iter().find_map(|way| {
                let scopes = way.get("oauth")?.as_array()?;
                Some(scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect())
            });
            found.push((method.to_uppercase().parse().unwrap(), path.clone(), needed));
        }
    }
    found
}

#[actix_web::test]
async fn every_documented_operation_asks_for_what_its_document_says() {
    let house = House::new();
    let operations = operations();
    assert_eq!(operations.len(), 7);
    for (method, path, needed) in operations {
        let answer = house.call(TestRequest::with_uri(&path).method(method.clone())).await;
        let Some(needed) = needed else {
            assert_eq!(answer.status(), 200, "{method} {path} is open");
            continue;
        };
        assert_eq!(answer.status(), 401, "{method} {path} without a credential");
        let answer = house.call(with(&house.bare, method.clone(), &path)).await;
        if needed.is_empty() {
            assert_eq!(answer.status(), 200, "{method} {path} takes any credential");
        } else {
            assert_eq!(answer.status(), 403, "{method} {path} without a scope");
            assert_eq!(read(answer).await["scope"], needed.join(" "), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn whoami_tells_what_the_guard_knows() {
    let house = House::new();
    let (status, caller) = house.json(&house.ann, Method::GET, "/v1/whoami", None).await;
    assert_eq!(status, 200);
    assert_eq!(caller["method"], "api_key");
    assert_eq!(caller["environment"], "live");
    assert_eq!(caller["scopes"], json!(["notes:delete", "notes:read", "notes:write"]));
    assert_eq!(caller["subject"], caller["owner"]);
    assert_eq!(caller["expires_at"], Value::Null);
    assert_eq!(caller["limits"]["credential"]["remaining"], 99);
    assert_eq!(caller["checked_by"], "look-up");
}

#[actix_web::test]
async fn notes_are_their_subjects_own_live_and_test_apart() {
    let house = House::new();
    let path = house.note(&house.ann, "Mine").await;
    assert_eq!(house.json(&house.ann, Method::GET, &path, None).await.1["title"], "Mine");
    for other in [&house.bob, &house.ann_test] {
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(house.json(other, method, &path, None).await.0, 404);
        }
        assert_eq!(house.json(other, Method::PUT, &path, Some(json!({"title": "x"}))).await.0, 404);
        assert_eq!(house.json(other, Method::GET, "/v1/notes", None).await.1["notes"], json!([]));
    }
    assert_eq!(house.json(&house.ann, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(house.json(&house.ann, Method::GET, &path, None).await.0, 404);
}

#[actix_web::test]
async fn pages_lead_through_all_notes() {
    let house = House::new();
    for n in 0..5 {
        house.note(&house.ann, &format!("Note {n}")).await;
    }
    let (mut path, mut titles) = ("/v1/notes?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = house.json(&house.ann, Method::GET, &path, None).await;
        assert_eq!(status, 200);
        titles.extend(
            page["notes"].as_array().unwrap().iter().map(|n| n["title"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/notes?limit=2&after={next}");
    }
    titles.sort();
    assert_eq!(titles, ["Note 0", "Note 1", "Note 2", "Note 3", "Note 4"]);
    for bad in ["limit=0", "limit=101", "limit=x", "after=x", "more=1"] {
        assert_eq!(
            house.json(&house.ann, Method::GET, &format!("/v1/notes?{bad}"), None).await.0,
            400,
            "{bad}"
        );
    }
}

#[actix_web::test]
async fn a_change_to_what_has_changed_meanwhile_is_refused() {
    let house = House::new();
    let path = house.note(&house.ann, "One").await;
    let put = |tag: &'static str| {
        with(&house.ann, Method::PUT, &path)
            .insert_header(("If-Match", tag))
            .set_json(json!({ "title": "Two" }))
    };
    let answer = house.call(put("\"1\"")).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (200, "\"2\"".to_owned()));
    assert_eq!(house.call(put("\"1\"")).await.status(), 412);
    let delete = with(&house.ann, Method::DELETE, &path).insert_header(("If-Match", "\"1\""));
    assert_eq!(house.call(delete).await.status(), 412);
    let known = with(&house.ann, Method::GET, &path).insert_header(("If-None-Match", "\"2\""));
    assert_eq!(house.call(known).await.status(), 304);
}

#[actix_web::test]
async fn a_note_that_cannot_be_kept_is_told_by_field() {
    let house = House::new();
    let post = |body: Value| house.json(&house.ann, Method::POST, "/v1/notes", Some(body));
    for (body, field) in [
        (json!({"title": ""}), "title"),
        (json!({"title": "x".repeat(201)}), "title"),
        (json!({"title": "a\u{7}b"}), "title"),
        (json!({"title": "x", "body": "x".repeat(10_001)}), "body"),
    ] {
        let (status, problem) = post(body).await;
        assert_eq!(status, 422);
        assert!(problem["errors"][field].is_string(), "{problem}");
    }
    assert_eq!(post(json!({"title": "x", "other": 1})).await.0, 422);
    assert_eq!(post(json!({"title": 1})).await.0, 422);
    assert_eq!(post(json!({"title": "é".repeat(200), "body": "é".repeat(10_000)})).await.0, 201);
    assert_eq!(house.json(&house.ann, Method::GET, "/v1/notes/not-an-id", None).await.0, 404);
}

#[actix_web::test]
async fn the_metadata_name_issuer_and_scopes() {
    let house = House::new();
    let answer = house.call(TestRequest::with_uri("/.well-known/oauth-protected-resource")).await;
    let metadata = read(answer).await;
    assert_eq!(metadata["resource"], "http://localhost:8081");
    assert_eq!(metadata["authorization_servers"], json!(["http://localhost:8080"]));
    assert_eq!(metadata["scopes_supported"], json!(["notes:read", "notes:write", "notes:delete"]));
}
