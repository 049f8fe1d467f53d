use actix_web::test::TestRequest;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::jwt::Purpose;
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::{accounts, audit, outbox};
use keyway_store::testing::Backend;
use serde_json::{Value, json};

use super::*;
use crate::flows::Act;
use crate::flows::clients;
use crate::flows::jwt;
use crate::flows::keys::{By, RawKey};
use crate::flows::tokens::families;
use crate::flows::tokens::mint::{self, Order};
use crate::testing::{Answer, Browser, TestPortal};

/// A portal with a person, and programs that hold keys.
struct World {
    portal: TestPortal,
    ada: OwnerId,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let portal = TestPortal::new(backend, |_| {});
        let ada = person(&portal, "ada@example.com").await;
        Self { portal, ada }
    }

    /// The secret of a new key that the operator made.
    async fn key(&self, owner: OwnerId, environment: &str, scopes: &str) -> (ApiKeyId, String) {
        let portal = &self.portal.portal;
        let raw = RawKey {
            name: "Robot".into(),
            environment: environment.into(),
            scopes: vec![scopes.into()],
            ..RawKey::default()
        };
        let draft = raw.read().unwrap();
        let secret = keys::new_secret(&portal.shapes.brand, draft.environment, &*portal.random);
        let (act, rules, kept) = (act(&self.portal), rules(portal), secret.clone());
        let made = portal
            .store
            .write(move |tx| keys::create(tx, &act, &rules, &By::Operator, owner, draft, &kept))
            .await
            .unwrap();
        (made.id, PlainSecret::expose(&secret).to_owned())
    }

    async fn send(&self, key: &str, request: TestRequest) -> Answer {
        Browser::new(&self.portal).send(request.insert_header(("x-api-key", key))).await
    }
    async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(key, TestRequest::get().uri(path)).await
    }
    async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(key, TestRequest::post().uri(path).set_json(body)).await
    }
    async fn patch(&self, key: &str, id: &str, body: Value) -> Answer {
        self.send(key, TestRequest::patch().uri(&format!("/api/v1/keys/{id}")).set_json(body)).await
    }
}

async fn person(portal: &TestPortal, email: &'static str) -> OwnerId {
    Browser::new(portal).sign_up(email).await.expect(303);
    let found = portal.portal.store.read(move |conn| accounts::find_by_email(conn, email)).await;
    found.map_err(|error: StoreError| error).unwrap().unwrap().owner_id
}

fn act(portal: &TestPortal) -> Act {
    let random = std::sync::Arc::clone(&portal.portal.random);
    Act { now: portal.portal.now(), random, actor: Actor::command("test"), address: None }
}

const ALL: &str = "keys:read keys:write notes:read";

#[track_caller]
fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[track_caller]
fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}"))
}

#[actix_web::test]
async fn a_key_is_made_read_changed_rotated_and_revoked() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (_, robot) = world.key(world.ada, "live", ALL).await;
        world.portal.clock.advance(keyway_core::Duration::seconds(1));
        let new = json!({ "name": "Child", "scopes": ["notes:read"], "expires": "30d" });
        let answer = world.post(&robot, "/api/v1/keys", new).await.expect(201);
        assert_eq!(answer.header("cache-control"), "no-store");
        let made = read(&answer);
        let id = text(&made, "id");
        assert_eq!(answer.location(), format!("/api/v1/keys/{id}"));
        assert!(text(&made, "key").starts_with(text(&made, "prefix")));
        assert_eq!(made["scopes"], json!(["notes:read"]));
        assert_eq!(made["expires_at"], "2026-12-24T09:00:01Z");

        let answer = world.get(&robot, &format!("/api/v1/keys/{id}")).await.expect(200);
        assert!(!answer.body.contains(text(&made, "key")));
        assert_eq!(read(&answer)["status"], "active");
        assert_eq!(read(&answer)["audience"], json!(["http://localhost:8081"]));
        let listed = read(&world.get(&robot, "/api/v1/keys?limit=1").await.expect(200));
        assert_eq!((text(&listed["keys"][0], "id"), text(&listed, "next")), (id, id));
        let rest = read(&world.get(&robot, &format!("/api/v1/keys?before={id}")).await.expect(200));
        assert_eq!((text(&rest["keys"][0], "name"), &rest["next"]), ("Robot", &Value::Null));

        let body = json!({ "name": "Renamed", "enabled": false, "addresses": ["10.0.0.0/8"] });
        let changed = read(&world.patch(&robot, id, body).await.expect(200));
        assert_eq!((text(&changed, "name"), text(&changed, "status")), ("Renamed", "disabled"));
        assert_eq!(changed["addresses"], json!(["10.0.0.0/8"]));
        assert_eq!(
            read(&world.patch(&robot, id, json!({ "enabled": true })).await.expect(200))["status"],
            "active"
        );

        let path = format!("/api/v1/keys/{id}/rotate");
        let rotated = read(&world.post(&robot, &path, json!({ "grace": "1h" })).await.expect(201));
        assert_eq!(text(&rotated["replaced"], "status"), "in_grace");
        let again = world.send(&robot, TestRequest::post().uri(&path)).await.expect(409);
        assert_eq!(read(&again)["code"], "already_rotated");
        let path = format!("/api/v1/keys/{}", text(&rotated, "id"));
        let answer = world.send(&robot, TestRequest::post().uri(&format!("{path}/rotate"))).await.expect(201);
        assert_eq!(text(&read(&answer)["replaced"], "status"), "in_grace");

        world.send(&robot, TestRequest::delete().uri(&path)).await.expect(204);
        world.send(&robot, TestRequest::delete().uri(&path)).await.expect(204);
        assert_eq!(read(&world.get(&robot, &path).await.expect(200))["status"], "revoked");
        let renamed = world.patch(&robot, text(&rotated, "id"), json!({ "name": "Again" })).await;
        assert_eq!(read(&renamed.expect(409))["code"], "key_revoked");
    }
}

/// All mails about new keys, the oldest first.
async fn told(world: &World) -> Vec<outbox::OutgoingMail> {
    let later = world.portal.portal.now() + keyway_core::Duration::days(1);
    let read = world.portal.portal.store.read(move |conn| outbox::due(conn, later, 100)).await;
    let mut mails = read.map_err(|error: StoreError| error).unwrap();
    mails.retain(|mail| mail.subject.starts_with("New API key"));
    mails
}

#[actix_web::test]
async fn the_owner_is_told_of_keys_that_their_credentials_make_once_an_hour() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (_, robot) = world.key(world.ada, "live", ALL).await;
        let new = |name: &str| json!({ "name": name, "scopes": ["notes:read"] });
        let first = read(&world.post(&robot, "/api/v1/keys", new("first")).await.expect(201));
        world.post(&robot, "/api/v1/keys", new("second")).await.expect(201);
        let mails = told(&world).await;
        assert_eq!(mails.len(), 1, "{backend:?}");
        assert_eq!(mails[0].subject, "New API key at Keyway: first");
        assert!(mails[0].body_text.contains("one mail an hour"), "{}", mails[0].body_text);
        tokio::time::timeout(std::time::Duration::ZERO, world.portal.portal.mail_bell.wait()).await.unwrap();

        world.portal.clock.advance(keyway_core::Duration::hours(1));
        let path = format!("/api/v1/keys/{}/rotate", text(&first, "id"));
        world.post(&robot, &path, json!({})).await.expect(201);
        world.post(&robot, "/api/v1/keys", new("third")).await.expect(201);
        assert_eq!(told(&world).await.len(), 2, "{backend:?}");
    }
}

#[actix_web::test]
async fn a_key_cannot_mint_wider_keys() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (_, robot) = world.key(world.ada, "live", ALL).await;
        let refused = [
            (json!({ "scopes": ["notes:write"] }), "scopes"),
            (json!({ "scopes": ["notes:read"], "environment": "test" }), "environment"),
            (json!({ "scopes": ["notes:read"], "expires": "never" }), "expires"),
            (json!({ "scopes": ["notes:read"], "expires": "91d" }), "expires"),
        ];
        for (mut body, name) in refused {
            body["name"] = "Wide".into();
            let problem = read(&world.post(&robot, "/api/v1/keys", body).await.expect(403));
            assert_eq!(problem["code"], "beyond_credential");
            assert!(problem["errors"][name].is_string(), "{problem}");
        }
        let own = json!({ "name": "Fast", "scopes": ["notes:read"], "rate": "1/min" });
        let problem = read(&world.post(&robot, "/api/v1/keys", own).await.expect(422));
        assert!(problem["errors"]["rate"].is_string(), "{problem}");
        // A key that it did not make is not widened either.
        let (other, _) = world.key(world.ada, "live", "notes:read").await;
        let wider = json!({ "scopes": ["notes:read", "keys:read"] });
        world.patch(&robot, &other.to_string(), wider).await.expect(403);
    }
}

#[actix_web::test]
async fn what_a_key_made_ends_with_it() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (id, robot) = world.key(world.ada, "live", ALL).await;
        let new = json!({ "name": "Child", "scopes": ["keys:read"] });
        let child = read(&world.post(&robot, "/api/v1/keys", new).await.expect(201));
        let child = text(&child, "key");
        world.get(child, "/api/v1/keys").await.expect(200);
        world.send(&robot, TestRequest::delete().uri(&format!("/api/v1/keys/{id}"))).await.expect(204);
        for key in [child, &robot] {
            assert_eq!(read(&world.get(key, "/api/v1/keys").await.expect(401))["code"], "revoked");
        }
    }
}

#[actix_web::test]
async fn each_route_wants_its_scope_and_nothing_goes_without_a_credential() {
    let world = World::new(Backend::Sqlite).await;
    let (id, reader) = world.key(world.ada, "live", "keys:read").await;
    let (_, stranger) = world.key(world.ada, "live", "usage:read").await;
    let (_, notes) = world.key(world.ada, "live", "notes:read").await;
    let one = format!("/api/v1/keys/{id}");
    let rotate = format!("{one}/rotate");
    let reads = || [TestRequest::get().uri("/api/v1/keys"), TestRequest::get().uri(&one)];
    let writes = || {
        [
            TestRequest::post().uri("/api/v1/keys"),
            TestRequest::patch().uri(&one),
            TestRequest::delete().uri(&one),
            TestRequest::post().uri(&rotate),
        ]
    };
    for request in reads() {
        world.send(&reader, request).await.expect(200);
    }
    for request in reads() {
        assert_eq!(read(&world.send(&stranger, request).await.expect(403))["scope"], "keys:read");
    }
    for request in writes() {
        let answer = world.send(&reader, request).await.expect(403);
        assert_eq!(read(&answer)["scope"], "keys:write");
        assert!(answer.header("www-authenticate").contains("insufficient_scope"));
        assert!(!answer.header("ratelimit").is_empty());
    }
    for request in reads().into_iter().chain(writes()) {
        assert_eq!(read(&world.send(&notes, request).await.expect(401))["code"], "wrong_audience");
    }
    let mut browser = Browser::new(&world.portal);
    browser.sign_in("ada@example.com", "correct horse 42").await.expect(303);
    for request in reads().into_iter().chain(writes()) {
        let answer = browser.send(request).await.expect(401);
        assert_eq!(read(&answer)["code"], "missing_credential");
        assert_eq!(read(&answer)["request_id"], answer.header("x-request-id"));
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_request_is_said_as_a_problem() {
    let world = World::new(Backend::Sqlite).await;
    let (id, robot) = world.key(world.ada, "live", ALL).await;
    let one = format!("/api/v1/keys/{id}");
    let raw = |body: &str| {
        TestRequest::post()
            .uri("/api/v1/keys")
            .insert_header(("content-type", "application/json"))
            .set_payload(body.to_owned())
    };
    let plain = TestRequest::post().uri("/api/v1/keys").insert_header(("content-type", "text/plain"));
    let cases = [
        (raw("{"), 400, "invalid_request"),
        (raw("7"), 422, "invalid_body"),
        (raw(r#"{"name":"A","scopes":["notes:read"],"scope":"x"}"#), 422, "invalid_body"),
        (raw(&" ".repeat(65 * 1024)), 413, "body_too_large"),
        (plain.set_payload("{}"), 415, "unsupported_media_type"),
        (TestRequest::put().uri("/api/v1/keys"), 405, "method_not_allowed"),
        (TestRequest::post().uri(&one), 405, "method_not_allowed"),
        (TestRequest::get().uri("/api/v1/elsewhere"), 404, "not_found"),
        (TestRequest::get().uri("/api/v1/keys/nonsense"), 404, "not_found"),
        (TestRequest::get().uri("/api/v1/keys?limit=0"), 422, "invalid_request"),
        (TestRequest::get().uri("/api/v1/keys?search=a%00"), 422, "invalid_request"),
        (TestRequest::get().uri(&format!("/api/v1/keys?search={}", "a".repeat(101))), 422, "invalid_request"),
        (TestRequest::get().uri("/api/v1/keys?status=odd"), 422, "invalid_request"),
        (TestRequest::get().uri("/api/v1/keys?page=2"), 400, "invalid_request"),
        (TestRequest::patch().uri(&one).set_json(json!({})), 422, "invalid_request"),
        (
            TestRequest::patch().uri(&one).set_json(json!({ "name": "A", "version": 9 })),
            409,
            "changed_meanwhile",
        ),
        (
            TestRequest::post().uri(&format!("{one}/rotate")).set_json(json!({ "grace": "1y" })),
            422,
            "invalid_request",
        ),
    ];
    for (request, status, code) in cases {
        let answer = world.send(&robot, request).await;
        assert_eq!(
            (answer.status.as_u16(), &read(&answer)["code"]),
            (status, &code.into()),
            "{}",
            answer.body
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(read(&answer)["request_id"], answer.header("x-request-id"));
        assert_eq!(answer.header("allow").is_empty(), status != 405);
    }
    let problem = read(&world.post(&robot, "/api/v1/keys", json!({ "expires": "soon" })).await.expect(422));
    let named: Vec<&String> = problem["errors"].as_object().unwrap().keys().collect();
    assert_eq!(named, ["expires", "name", "scopes"]);
}

#[actix_web::test]
async fn other_peoples_keys_and_those_of_the_other_environment_are_not_there() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (_, robot) = world.key(world.ada, "live", ALL).await;
        let eve = person(&world.portal, "eve@example.com").await;
        let (foreign, _) = world.key(eve, "live", "notes:read").await;
        let (test, _) = world.key(world.ada, "test", "notes:read").await;
        let nobodys =
            ApiKeyId::from_entity(EntityId::new(world.portal.portal.now(), &*world.portal.portal.random));
        for id in [foreign, test, nobodys] {
            let one = format!("/api/v1/keys/{id}");
            world.get(&robot, &one).await.expect(404);
            world.patch(&robot, &id.to_string(), json!({ "name": "Mine" })).await.expect(404);
            world.send(&robot, TestRequest::delete().uri(&one)).await.expect(404);
            world.send(&robot, TestRequest::post().uri(&format!("{one}/rotate"))).await.expect(404);
        }
        let listed = read(&world.get(&robot, "/api/v1/keys").await.expect(200));
        assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    }
}

#[actix_web::test]
async fn the_audit_names_the_person_and_the_key_that_was_used() {
    let world = World::new(Backend::Sqlite).await;
    let (_, robot) = world.key(world.ada, "live", ALL).await;
    world
        .post(&robot, "/api/v1/keys", json!({ "name": "Child", "scopes": ["notes:read"] }))
        .await
        .expect(201);
    let filter = audit::AuditFilter { owner: Some(world.ada), ..Default::default() };
    let rows = world.portal.portal.store.read(move |conn| audit::list(conn, &filter, 9)).await;
    let rows = rows.map_err(|error: StoreError| error).unwrap();
    let row = rows.iter().find(|row| row.actor.label == "ada@example.com (key Robot)").unwrap();
    assert_eq!(row.action, "key.created");
    assert!(row.address.is_some());
}

#[actix_web::test]
async fn a_key_made_with_a_jwt_lives_no_longer_than_the_jwt_and_ends_with_its_family() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (portal, act) = (&world.portal.portal, act(&world.portal));
        let (first, catalogue) = (act.clone(), portal.catalogue.clone());
        portal.store.write(move |tx| clients::ensure_builtin(tx, &first, &catalogue)).await.unwrap();
        jwt::ensure(&portal.store, &portal.issuance.ring, act.clone(), &[Purpose::AccessToken])
            .await
            .unwrap();
        let order = Order {
            owner: world.ada,
            is_admin: false,
            name: "Laptop".into(),
            audience: None,
            scopes: "keys:read keys:write".parse().unwrap(),
            lifetime: keyway_core::Duration::minutes(15),
            refresh: true,
        };
        let minted = mint::prepare(&portal.store, &portal.issuance, &act, order).await.unwrap();
        let (pair, family) = (minted.response(), minted.family.id);
        let first = act.clone();
        portal.store.write(move |tx| minted.keep(tx, &first)).await.unwrap();

        let new = json!({ "name": "Child", "scopes": ["keys:read"] });
        let request = TestRequest::post().uri("/api/v1/keys").set_json(new);
        let bearer = ("authorization", format!("Bearer {}", pair.access_token.expose()));
        let made = Browser::new(&world.portal).send(request.insert_header(bearer)).await.expect(201);
        let made = read(&made);
        assert_eq!(made["expires_at"], "2026-11-24T09:15:00Z");
        let child = text(&made, "key");
        world.get(child, "/api/v1/keys").await.expect(200);

        // Its owner cannot give it more time either: nobody would end it once the token is forgotten.
        let (rules, by) = (rules(portal), By::Person { fresh: true });
        let patch = keys::RawPatch { expires: Some("30d".into()), ..Default::default() }.read().unwrap();
        let (id, owner, second) = (text(&made, "id").parse().unwrap(), world.ada, act.clone());
        let longer = portal
            .store
            .write(move |tx| keys::edit(tx, &second, &rules, &by, owner, id, patch).map(drop))
            .await;
        assert!(matches!(longer, Err(keys::KeyError::BeyondMaker(_))), "{longer:?}");

        let ended = portal.store.write(move |tx| families::end(tx, &act, owner, family)).await;
        assert!(ended.map_err(|error: StoreError| error).unwrap());
        assert_eq!(read(&world.get(child, "/api/v1/keys").await.expect(401))["code"], "revoked");
    }
}
