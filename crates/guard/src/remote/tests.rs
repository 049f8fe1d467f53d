use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use keyway_core::facts::State;
use keyway_core::secret::SecretDigest;
use keyway_core::source::SourceError;

use super::*;

fn source(url: &str) -> Result<RemoteSource, UnusablePortal> {
    RemoteSource::new(url, "client", PlainSecret::new("secret"))
}

/// A portal that answers every question with `status` and `body`.
fn portal(status: u16, body: &'static str) -> (RemoteSource, actix_web::dev::ServerHandle) {
    let answer = move || async move {
        HttpResponse::build(StatusCode::from_u16(status).unwrap()).content_type("application/json").body(body)
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer)))
        .workers(1)
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (source(&format!("http://{address}/")).unwrap(), handle)
}

async fn key(source: &RemoteSource) -> Result<Option<Facts>, SourceError> {
    source.api_key(Presented { digest: SecretDigest::of(b"x"), plain: "keyway_live_x" }).await
}

#[test]
fn the_secret_crosses_no_network_in_the_clear() {
    assert_eq!(source("http://portal.example").unwrap_err(), UnusablePortal::Unencrypted);
    assert_eq!(source("http://localhost.example").unwrap_err(), UnusablePortal::Unencrypted);
    assert_eq!(source("ftp://localhost").unwrap_err(), UnusablePortal::NotAUrl);
    for good in ["https://portal.example", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:8080"]
    {
        assert!(source(good).is_ok(), "{good}");
    }
    assert!(!format!("{:?}", source("https://portal.example").unwrap()).contains("secret"));
}

#[actix_web::test]
async fn what_the_portal_does_not_know_is_unknown() {
    let (source, server) = portal(200, r#"{"active":false}"#);
    assert_eq!(key(&source).await, Ok(None));
    server.stop(false).await;
}

#[actix_web::test]
async fn what_no_longer_works_comes_with_its_reason() {
    let (source, server) = portal(
        200,
        r#"{"active":false,"reason":"revoked","keyway":{"method":"api_key",
        "id":"01980000-0000-7000-8000-000000000001","own":"01980000-0000-7000-8000-000000000002",
        "sub":{"owner":"01980000-0000-7000-8000-000000000002"},"env":"live","aud":["http://api.example"],
        "scope":"notes:read","nbf":0,"state":"revoked","anc":[],"pos":7,
        "budgets":{"root":"01980000-0000-7000-8000-000000000001","own":"600/min burst=100","owner":null,
        "shared":"off"}}}"#,
    );
    assert_eq!(key(&source).await.unwrap().unwrap().state, State::Revoked);
    let presented = Presented { digest: SecretDigest::of(b"x"), plain: "a.b.c" };
    assert_eq!(source.jwt_ended(presented, &[], Position(0)).await, Ok(true));
    server.stop(false).await;
}

#[actix_web::test]
async fn a_portal_that_does_not_answer_properly_is_no_answer() {
    for (status, body) in [(500, ""), (503, ""), (429, ""), (302, ""), (404, "")] {
        let (source, server) = portal(status, body);
        assert!(matches!(key(&source).await, Err(SourceError::Unavailable(_))), "{status}");
        server.stop(false).await;
    }
    for (status, body) in [(200, "<html>"), (200, r#"{"active":true}"#), (400, "")] {
        let (source, server) = portal(status, body);
        assert!(matches!(key(&source).await, Err(SourceError::Inconsistent(_))), "{status} {body}");
        server.stop(false).await;
    }
    let (source, server) = portal(401, "");
    assert!(matches!(key(&source).await, Err(SourceError::Refused(_))));
    server.stop(false).await;
    assert!(matches!(key(&source).await, Err(SourceError::Unavailable(_))), "nobody listens any more");
}

#[actix_web::test]
async fn keys_for_other_purposes_are_passed_over() {
    let (source, server) =
        portal(200, r#"{"keys":[{"kty":"RSA","kid":"id","alg":"PS512","use":"sig","n":"AQ","e":"AQAB"}]}"#);
    assert!(source.verification_keys().await.unwrap().find("id").is_none());
    server.stop(false).await;
}
