//! Clients that register themselves, over HTTP.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use keyway_core::Duration;
use keyway_core::ids::ClientId;
use keyway_core::oauth::ClientOrigin;
use keyway_store::tables::clients;
use keyway_store::testing::Backend;
use serde_json::{Value, json};

use super::{json as read, refused, send};
use crate::flows::clients::builtin_owner;
use crate::flows::registration::{NewToken, create_token, revoke_token};
use crate::flows::tokens::tests::world::{CALLBACK, World};
use crate::settings::Registration;
use crate::testing::{Answer, Browser};

async fn world(backend: Backend, registration: Registration) -> World {
    World::with(backend, |settings| {
        settings.registration = registration;
        settings.limits.register = keyway_core::rate::Limit::Off;
    })
    .await
}

async fn call(it: &World, method: Method, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let mut request = TestRequest::default().method(method).uri(path);
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    if !body.is_null() {
        request = request.insert_header(("content-type", "application/json")).set_payload(body.to_string());
    }
    Browser::new(&it.it).send(request).await
}

async fn post(it: &World, token: Option<&str>, body: &Value) -> Answer {
    call(it, Method::POST, "/oauth/register", token, body).await
}

fn app() -> Value {
    json!({ "redirect_uris": [CALLBACK], "client_name": "Notebook", "scope": "notes:read keys:read unheard_of" })
}

fn with(name: &str, value: Value) -> Value {
    let mut app = app();
    app[name] = value;
    app
}

#[tokio::test]
async fn a_client_registers_and_gets_what_is_for_everybody() {
    for backend in Backend::ALL {
        let it = world(backend, Registration::Open).await;
        let answer = post(&it, None, &app()).await.expect(201);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let told = read(&answer);
        let id = told["client_id"].as_str().unwrap();
        assert!(told["client_secret"].as_str().unwrap().starts_with("keyway_cs_"));
        assert_eq!(told["client_secret_expires_at"], 0);
        assert_eq!(told["client_id_issued_at"], it.now().as_seconds());
        assert_eq!(told["registration_client_uri"], format!("http://localhost:8080/oauth/register/{id}"));
        assert!(told["registration_access_token"].as_str().unwrap().starts_with("keyway_ra_"));
        for (name, value) in [
            ("client_name", json!("Notebook")),
            ("redirect_uris", json!([CALLBACK])),
            ("grant_types", json!(["authorization_code"])),
            ("response_types", json!(["code"])),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("id_token_signed_response_alg", json!("RS256")),
            ("application_type", json!("web")),
            ("scope", json!("notes:read")),
        ] {
            assert_eq!(told[name], value, "{backend:?}: {name}");
        }
        let parsed: ClientId = id.parse().unwrap();
        let client = it.it.portal.store.read(move |conn| clients::find(conn, parsed)).await.unwrap().unwrap();
        assert_eq!((client.owner, client.origin), (builtin_owner(), ClientOrigin::Dynamic));
        let secret = told["client_secret"].as_str().unwrap();
        let basic = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        // Registered for Basic, not for the body.
        refused(send(&it, "/oauth/token", &basic).await, 401, "invalid_client");
    }
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_as_rfc_7591_says_it() {
    let it = world(Backend::Sqlite, Registration::Open).await;
    let uri = "invalid_redirect_uri";
    let metadata = "invalid_client_metadata";
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA" }] });
    for (body, error) in [
        (with("redirect_uris", json!(["https://a.example/#x"])), uri),
        (with("redirect_uris", json!(["http://a.example/"])), uri),
        (with("redirect_uris", json!([])), uri),
        (with("redirect_uris", Value::Null), uri),
        (with("redirect_uris", json!("https://a.example/")), metadata),
        (with("redirect_uris", json!(vec!["https://a.example/"; 21])), uri),
        (with("grant_types", json!(["client_credentials"])), metadata),
        (with("grant_types", json!(["authorization_code", "client_credentials"])), metadata),
        (with("grant_types", json!(["refresh_token"])), metadata),
        (with("response_types", json!(["token"])), metadata),
        (with("token_endpoint_auth_method", json!("client_secret_jwt")), metadata),
        (with("token_endpoint_auth_method", json!("private_key_jwt")), metadata),
        (with("jwks_uri", json!("https://a.example/jwks")), metadata),
        (with("jwks", private), metadata),
        (with("scope", json!("keys:read")), metadata),
        (with("client_name", json!("x".repeat(101))), metadata),
        (with("client_name", json!("Note\u{202e}koob")), metadata),
        (with("client_name", json!("")), metadata),
        (with("client_uri", json!("javascript:alert(1)")), metadata),
        (with("id_token_signed_response_alg", json!("none")), metadata),
        (with("subject_type", json!("pairwise")), metadata),
        (with("application_type", json!("desktop")), metadata),
        (with("backchannel_logout_uri", json!("http://a.example/out")), metadata),
        (with("software_statement", json!("e30.e30.e30")), "invalid_software_statement"),
        (json!([1]), metadata),
    ] {
        refused(post(&it, None, &body).await, 400, error);
    }
    let own_scheme = json!({ "redirect_uris": ["com.example.app:/cb"], "application_type": "web" });
    refused(post(&it, None, &own_scheme).await, 400, uri);
    let text = TestRequest::post().uri("/oauth/register").set_payload("redirect_uris=x");
    refused(Browser::new(&it.it).send(text).await, 400, "invalid_request");
    refused(post(&it, None, &with("client_name", json!("x".repeat(70_000)))).await, 413, "invalid_request");
}

#[tokio::test]
async fn a_native_app_and_one_with_keys_need_no_secret() {
    let it = world(Backend::Sqlite, Registration::Open).await;
    let native = json!({
        "redirect_uris": ["http://127.0.0.1/callback", "com.example.app:/callback"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "application_type": "native",
        "unheard_of": { "a": [] },
    });
    let told = read(&post(&it, None, &native).await.expect(201));
    assert_eq!(told.get("client_secret"), None);
    assert_eq!(told.get("client_secret_expires_at"), None);
    assert_eq!(told.get("unheard_of"), None);
    assert_eq!((&told["application_type"], &told["client_name"]), (&json!("native"), &json!("127.0.0.1")));
    let mut by_key = with("token_endpoint_auth_method", json!("private_key_jwt"));
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    by_key["jwks"] = json!({ "keys": [key] });
    by_key["id_token_signed_response_alg"] = json!("EdDSA");
    let told = read(&post(&it, None, &by_key).await.expect(201));
    assert_eq!((&told["jwks"], told.get("client_secret")), (&by_key["jwks"], None));
    assert_eq!(told["id_token_signed_response_alg"], "EdDSA");
}

async fn about(it: &World) -> Value {
    read(&Browser::new(&it.it).get("/.well-known/oauth-authorization-server").await)
}

#[tokio::test]
async fn registration_is_off_unless_set_and_may_need_a_token() {
    let it = world(Backend::Sqlite, Registration::Off).await;
    post(&it, None, &app()).await.expect(403);
    assert_eq!(about(&it).await.get("registration_endpoint"), None);
    for backend in Backend::ALL {
        let it = world(backend, Registration::Token).await;
        assert_eq!(about(&it).await["registration_endpoint"], "http://localhost:8080/oauth/register");
        let bare = refused(post(&it, None, &app()).await, 401, "invalid_token");
        assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="keyway""#);
        let (act, brand) = (it.act(), it.it.portal.shapes.brand.clone());
        let expires_at = it.now() + Duration::days(1);
        let new = NewToken { owner: it.owner, note: "CI".into(), uses: 2, expires_at };
        let made = it.it.portal.store.write(move |tx| create_token(tx, &act, &brand, new)).await.unwrap();
        let token = made.1.expose();
        // What is refused spends no use.
        refused(post(&it, Some(token), &json!({})).await, 400, "invalid_redirect_uri");
        let told = read(&post(&it, Some(token), &app()).await.expect(201));
        let id: ClientId = told["client_id"].as_str().unwrap().parse().unwrap();
        let client = it.it.portal.store.read(move |conn| clients::find(conn, id)).await.unwrap().unwrap();
        assert_eq!(client.owner, it.owner);
        post(&it, Some(token), &app()).await.expect(201);
        let spent = refused(post(&it, Some(token), &app()).await, 401, "invalid_token");
        assert!(spent.header("www-authenticate").contains("error=\"invalid_token\""));
        refused(post(&it, Some("keyway_ra_x"), &app()).await, 401, "invalid_token");
        let act = it.act();
        assert!(it.it.portal.store.write(move |tx| revoke_token(tx, &act, made.0.id)).await.unwrap());
        refused(post(&it, Some(token), &app()).await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn a_client_reads_changes_and_deletes_its_registration() {
    for backend in Backend::ALL {
        let it = world(backend, Registration::Open).await;
        let first = read(&post(&it, None, &app()).await.expect(201));
        let id = first["client_id"].as_str().unwrap();
        let path = format!("/oauth/register/{id}");
        let token = first["registration_access_token"].as_str().unwrap();
        let seen = read(&call(&it, Method::GET, &path, Some(token), &Value::Null).await.expect(200));
        assert_eq!(seen["registration_access_token"], token);
        assert_eq!((&seen["scope"], seen.get("client_secret")), (&json!("notes:read"), None));
        let mut change = with("client_name", json!("Pad"));
        refused(call(&it, Method::PUT, &path, Some(token), &change).await, 400, "invalid_client_metadata");
        change["client_id"] = json!(id);
        for (name, value) in [
            ("client_secret", json!("keyway_cs_guess")),
            ("registration_access_token", json!(token)),
            ("client_id", json!("01a20c9b-777c-7000-8000-000000000000")),
            ("token_endpoint_auth_method", json!("none")),
        ] {
            let mut bad = change.clone();
            bad[name] = value;
            refused(call(&it, Method::PUT, &path, Some(token), &bad).await, 400, "invalid_client_metadata");
        }
        change["client_secret"] = first["client_secret"].clone();
        let changed = read(&call(&it, Method::PUT, &path, Some(token), &change).await.expect(200));
        assert_eq!((&changed["client_name"], changed.get("client_secret")), (&json!("Pad"), None));
        let next = changed["registration_access_token"].as_str().unwrap();
        assert_ne!(next, token);
        for (method, token) in
            [(Method::GET, Some(token)), (Method::DELETE, Some(token)), (Method::GET, None)]
        {
            refused(call(&it, method, &path, token, &Value::Null).await, 401, "invalid_token");
        }
        let other = read(&post(&it, None, &app()).await.expect(201));
        let theirs = other["registration_access_token"].as_str();
        refused(call(&it, Method::GET, &path, theirs, &Value::Null).await, 401, "invalid_token");
        call(&it, Method::DELETE, &path, Some(next), &Value::Null).await.expect(204);
        refused(call(&it, Method::GET, &path, Some(next), &Value::Null).await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn a_suspended_client_cannot_look_after_itself() {
    let it = world(Backend::Sqlite, Registration::Open).await;
    let told = read(&post(&it, None, &app()).await.expect(201));
    let id: ClientId = told["client_id"].as_str().unwrap().parse().unwrap();
    let act = it.act();
    let suspended = move |tx: &mut keyway_store::Tx<'_>| crate::flows::clients::suspend(tx, &act, id, true);
    it.it.portal.store.write(suspended).await.unwrap();
    let token = told["registration_access_token"].as_str();
    let path = format!("/oauth/register/{id}");
    call(&it, Method::GET, &path, token, &Value::Null).await.expect(403);
    call(&it, Method::DELETE, &path, token, &Value::Null).await.expect(403);
}

#[tokio::test]
async fn who_registers_too_often_waits() {
    let it = World::with(Backend::Sqlite, |settings| {
        settings.registration = Registration::Open;
        settings.limits.register = "60/min burst=1".parse().unwrap();
    })
    .await;
    post(&it, None, &app()).await.expect(201);
    refused(post(&it, None, &app()).await, 429, "temporarily_unavailable");
}
