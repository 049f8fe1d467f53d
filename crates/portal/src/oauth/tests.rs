//! The endpoints over HTTP, as clients meet them.

mod assertions;
mod registration;
mod remembered;
mod userinfo;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::TestRequest;
use keyway_core::Duration;
use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_core::secret::PlainSecret;
use keyway_store::testing::Backend;
use serde_json::Value;

use crate::flows::tokens::tests::world::{CALLBACK, VERIFIER, World};
use crate::testing::{Answer, Browser};

/// Sends a form, without cookies.
async fn send(it: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
    Browser::new(&it.it).post_raw(path, fields).await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}

#[track_caller]
fn refused(answer: Answer, status: u16, error: &str) -> Answer {
    let answer = answer.expect(status);
    assert_eq!(json(&answer)["error"], error, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn code_fields(it: &World, app: &Client) -> Vec<(&'static str, String)> {
    let code = it.code(app, it.grant(app).await).await;
    vec![
        ("grant_type", "authorization_code".into()),
        ("code", code.expose().into()),
        ("redirect_uri", CALLBACK.into()),
        ("code_verifier", VERIFIER.into()),
        ("client_id", app.id.to_string()),
    ]
}

fn borrowed<'f>(fields: &'f [(&'static str, String)]) -> Vec<(&'f str, &'f str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn a_code_becomes_tokens_that_refresh_and_are_given_back() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let id = app.id.to_string();
        let fields = code_fields(&it, &app).await;
        let given = send(&it, "/oauth/token", &borrowed(&fields)).await.expect(200);
        assert_eq!(given.header("cache-control"), "no-store");
        assert_eq!(given.header("pragma"), "no-cache");
        assert_eq!(given.header("access-control-allow-origin"), "*");
        let tokens = json(&given);
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&"Bearer".into(), &900.into()));
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &id)];
        let next = json(&send(&it, "/oauth/token", &fields).await.expect(200));
        let access = next["access_token"].as_str().unwrap();
        let back = send(&it, "/oauth/revoke", &[("token", access), ("client_id", &id)]).await.expect(200);
        assert_eq!(back.body, "");
        let facts = it.facts(&PlainSecret::new(access)).await.unwrap();
        assert_eq!(facts.state, keyway_core::facts::State::Revoked);
        send(&it, "/oauth/revoke", &[("token", "unknown"), ("client_id", &id)]).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_token_request_is_said_as_rfc_6749_says_it() {
    let it = World::new(Backend::Sqlite).await;
    let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    let id = app.id.to_string();
    let to = "/oauth/token";
    refused(send(&it, to, &[]).await, 400, "invalid_request");
    refused(send(&it, to, &[("grant_type", "password")]).await, 400, "unsupported_grant_type");
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    refused(send(&it, to, &twice).await, 400, "invalid_request");
    let nobody = refused(send(&it, to, &[("grant_type", "refresh_token")]).await, 401, "invalid_client");
    assert!(nobody.header("www-authenticate").starts_with("Basic "));
    let unknown = [("grant_type", "refresh_token"), ("client_id", "nobody"), ("refresh_token", "x")];
    refused(send(&it, to, &unknown).await, 401, "invalid_client");
    let no_code = [("grant_type", "authorization_code"), ("client_id", id.as_str())];
    refused(send(&it, to, &no_code).await, 400, "invalid_request");
    let bad = [("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", "x")];
    refused(send(&it, to, &bad).await, 400, "invalid_grant");
    let public = [("grant_type", "client_credentials"), ("client_id", id.as_str())];
    refused(send(&it, to, &public).await, 400, "unauthorized_client");
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    refused(send(&it, to, &[("grant_type", exchange)]).await, 400, "invalid_request");
    let kind = "urn:keyway:params:oauth:token-type:api-key";
    let fields = [("grant_type", exchange), ("subject_token_type", kind), ("subject_token", "x")];
    refused(send(&it, to, &fields).await, 400, "invalid_request");
    let by_app = [("grant_type", exchange), ("client_id", id.as_str()), ("subject_token_type", kind)];
    refused(send(&it, to, &by_app).await, 400, "unauthorized_client");
    let large = "x".repeat(70_000);
    refused(send(&it, to, &[("grant_type", &large)]).await, 413, "invalid_request");
    let mut browser = Browser::new(&it.it);
    let text =
        TestRequest::post().uri(to).insert_header((CONTENT_TYPE, "application/json")).set_payload("{}");
    refused(browser.send(text).await, 400, "invalid_request");
    browser.get(to).await.expect(405);
}

#[tokio::test]
async fn scripts_of_any_origin_may_ask_for_tokens_but_not_introspect() {
    let it = World::new(Backend::Sqlite).await;
    for path in [
        "/oauth/token",
        "/oauth/par",
        "/oauth/device_authorization",
        "/oauth/revoke",
        "/.well-known/jwks.json",
    ] {
        let asked = TestRequest::default()
            .method(Method::OPTIONS)
            .uri(path)
            .insert_header(("origin", "https://elsewhere.example"))
            .insert_header(("access-control-request-method", "POST"));
        let answer = Browser::new(&it.it).send(asked).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.header("access-control-allow-headers").contains("Authorization"));
    }
    let introspection = send(&it, "/oauth/introspect", &[("token", "x")]).await;
    assert_eq!(introspection.header("access-control-allow-origin"), "");
    refused(introspection, 401, "invalid_client");
}

/// Every endpoint, and what it serves.
const ENDPOINTS: [(&str, &[&str]); 12] = [
    ("/oauth/authorize", &["GET", "POST"]),
    ("/oauth/token", &["POST"]),
    ("/oauth/par", &["POST"]),
    ("/oauth/device_authorization", &["POST"]),
    ("/oauth/revoke", &["POST"]),
    ("/oauth/introspect", &["POST"]),
    ("/oauth/register", &["POST"]),
    ("/oauth/userinfo", &["GET", "POST"]),
    ("/oauth/consent", &["POST"]),
    ("/.well-known/jwks.json", &["GET"]),
    ("/.well-known/openid-configuration", &["GET"]),
    ("/.well-known/oauth-authorization-server", &["GET"]),
];

#[tokio::test]
async fn what_an_endpoint_does_not_serve_is_405_and_says_what_it_does() {
    let it = World::new(Backend::Sqlite).await;
    for (path, serves) in ENDPOINTS {
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::GET, Method::POST] {
            if serves.contains(&method.as_str()) {
                continue;
            }
            let asked = TestRequest::default().method(method.clone()).uri(path);
            let answer = Browser::new(&it.it).send(asked).await;
            assert_eq!(answer.status.as_u16(), 405, "{method} {path}");
            let allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            assert!(serves.iter().all(|method| allowed.contains(method)), "{method} {path}: {allowed:?}");
        }
    }
    // Asking about a code would spend it.
    let asked = TestRequest::default().method(Method::HEAD).uri("/oauth/authorize");
    Browser::new(&it.it).send(asked).await.expect(405);
}

#[tokio::test]
async fn the_documents_say_what_works_and_which_keys_verify() {
    let it = World::new(Backend::Sqlite).await;
    let mut browser = Browser::new(&it.it);
    let keys = browser.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    let set = json(&keys);
    let set = set["keys"].as_array().unwrap();
    assert_eq!(set.len(), 2);
    assert!(set.iter().all(|key| key["alg"] == "ES256" && key["kid"].is_string() && key.get("d").is_none()));
    let about = json(&browser.get("/.well-known/oauth-authorization-server").await.expect(200));
    assert_eq!(about["issuer"], "http://localhost:8080");
    assert_eq!(about["token_endpoint"], "http://localhost:8080/oauth/token");
    let api = json(&browser.get("/.well-known/oauth-protected-resource/api/v1").await.expect(200));
    assert_eq!(api["resource"], "http://localhost:8080/api/v1");
    assert_eq!(api["authorization_servers"], serde_json::json!(["http://localhost:8080"]));
    assert!(api["scopes_supported"].as_array().unwrap().contains(&"keys:read".into()));
    assert_eq!(about["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    for (name, value) in about.as_object().unwrap() {
        let Some(path) = value.as_str().and_then(|url| url.strip_prefix("http://localhost:8080/")) else {
            continue;
        };
        let answer = browser.get(&format!("/{path}")).await;
        assert_ne!(answer.status.as_u16(), 404, "{name} is nowhere");
    }
}

#[tokio::test]
async fn who_asks_for_too_many_tokens_waits() {
    let it = World::with(Backend::Sqlite, |settings| {
        settings.limits.token = "60/min burst=2".parse().unwrap();
    })
    .await;
    let ask = || send(&it, "/oauth/token", &[]);
    refused(ask().await, 400, "invalid_request");
    refused(ask().await, 400, "invalid_request");
    let over = refused(ask().await, 429, "temporarily_unavailable");
    let wait: i64 = over.header("retry-after").parse().unwrap();
    it.it.clock.advance(Duration::seconds(wait));
    refused(ask().await, 400, "invalid_request");
}

#[tokio::test]
async fn strangers_who_push_requests_do_not_hold_a_public_client_up() {
    let it = World::with(Backend::Sqlite, |settings| {
        settings.limits.par = "60/min burst=1".parse().unwrap();
        settings.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    let id = it.client(ClientKind::Public, TokenFormat::Opaque).await.id.to_string();
    let push = async |from: &str| {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("client_id", &id).finish();
        let request = TestRequest::post()
            .uri("/oauth/par")
            .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
            .insert_header(("x-forwarded-for", from))
            .set_payload(body);
        Browser::new(&it.it).send(request).await
    };
    refused(push("198.51.100.7").await, 400, "invalid_request");
    refused(push("198.51.100.7").await, 429, "temporarily_unavailable");
    refused(push("203.0.113.9").await, 400, "invalid_request");
}
