//! Every way of being refused, as it goes over the wire.

use keyway_core::Duration;
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::random::SeededRandom;
use keyway_portal::flows::keys::{self, By};

use crate::harness::actors::Actor;
use crate::harness::app::{Backend, TestApp};
use crate::harness::reply::Reply;

/// Status, headers and body, without what differs from run to run.
fn shown(app: &TestApp, reply: &Reply) -> String {
    reply.snapshot(&[(&app.api, "[api]"), (&app.portal, "[portal]")])
}

#[tokio::test]
async fn a_good_key_is_answered() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    let reply = key.get(&app.api("/v1/whoami")).await.expect(200);
    assert_eq!((reply.text("/method"), reply.text("/checked_by")), ("api_key".into(), "look-up".into()));
    let reply = key.get(&app.api("/v1/whoami")).await.expect(200);
    assert_eq!(reply.text("/checked_by"), "cache");
    insta::assert_snapshot!(
        reply.snapshot(&[(&key.id, "[key]"), (&ada.to_string(), "[ada]"), (&app.portal, "[portal]")]), @r#"
    200 OK
    cache-control: no-store
    content-type: application/json
    ratelimit: "credential";r=98;t=1
    ratelimit-limit: 100
    ratelimit-policy: "credential";q=100;w=10, "owner";q=200;w=10
    ratelimit-remaining: 98
    ratelimit-reset: 1
    vary: Origin
    x-request-id: [request id]

    {
      "checked_by": "cache",
      "client": null,
      "credential": "[key]",
      "environment": "live",
      "expires_at": "2027-02-22T09:00:00Z",
      "limits": {
        "credential": {
          "rate": "600/min burst=100",
          "remaining": 98,
          "reset": 1
        },
        "owner": {
          "rate": "1200/min burst=200",
          "remaining": 198,
          "reset": 1
        }
      },
      "method": "api_key",
      "owner": "[ada]",
      "scopes": [
        "notes:read"
      ],
      "subject": "[ada]"
    }
    "#);
}

#[tokio::test]
async fn no_credential() {
    let app = TestApp::start(Backend::Sqlite).await;
    insta::assert_snapshot!(shown(&app, &app.anonymous.get(&app.api("/v1/whoami")).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "parsed",
      "code": "missing_credential",
      "detail": "Neither an Authorization header nor an X-API-Key header was sent.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Send `Authorization: Bearer <API key, JWT or access token>`, or an API key as `X-API-Key`.",
      "request_id": "[request id]",
      "status": 401,
      "title": "This call carries no credential",
      "type": "urn:keyway:problem:missing_credential"
    }
    "#);
}

#[tokio::test]
async fn two_credentials() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    let request = key.http().get(app.api("/v1/whoami")).bearer_auth(&key.key);
    insta::assert_snapshot!(shown(&app, &key.send(request).await), @r#"
    400 Bad Request
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_request", error_description="This call carries more than one credential", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_request", error_description="This call carries more than one credential", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "parsed",
      "code": "several_credentials",
      "detail": "Authorization and X-API-Key were both sent, or one of them more than once.",
      "remedy": "Send exactly one: `Authorization` or `X-API-Key`, once.",
      "request_id": "[request id]",
      "status": 400,
      "title": "This call carries more than one credential",
      "type": "urn:keyway:problem:several_credentials"
    }
    "#);
}

#[tokio::test]
async fn a_wrong_scheme() {
    let app = TestApp::start(Backend::Sqlite).await;
    let request = app.anonymous.http().get(app.api("/v1/whoami")).basic_auth("ada", Some("password"));
    insta::assert_snapshot!(shown(&app, &app.anonymous.send(request).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "parsed",
      "code": "unsupported_scheme",
      "detail": "Only the schemes Bearer and DPoP are accepted here.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Send `Authorization: Bearer <API key, JWT or access token>`, or an API key as `X-API-Key`.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The Authorization scheme is not supported",
      "type": "urn:keyway:problem:unsupported_scheme"
    }
    "#);
}

#[tokio::test]
async fn a_bad_checksum() {
    let app = TestApp::start(Backend::Sqlite).await;
    let request = app
        .anonymous
        .http()
        .get(app.api("/v1/whoami"))
        .bearer_auth("keyway_live_00000000000000000000000000000000000000");
    insta::assert_snapshot!(shown(&app, &app.anonymous.send(request).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_token", error_description="The credential is not valid", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential is not valid", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "checksum",
      "code": "invalid_credential",
      "detail": "Its checksum does not fit the rest of it.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "The checksum does not fit: the credential was cut off or mistyped. Copy it again.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential is not valid",
      "type": "urn:keyway:problem:invalid_credential"
    }
    "#);
}

#[tokio::test]
async fn an_unknown_key() {
    let app = TestApp::start(Backend::Sqlite).await;
    let key = generate(&Brand::default(), Kind::LiveKey, &SeededRandom::new(1));
    let request = app.anonymous.http().get(app.api("/v1/whoami")).bearer_auth(key.expose());
    insta::assert_snapshot!(shown(&app, &app.anonymous.send(request).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_token", error_description="The credential is not valid", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential is not valid", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "found",
      "code": "invalid_credential",
      "detail": "It is not known.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Check that it was copied whole, or create a new one.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential is not valid",
      "type": "urn:keyway:problem:invalid_credential"
    }
    "#);
}

#[tokio::test]
async fn an_expired_key() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key_with(ada, "notes:read", |raw| raw.expires = "1h".into()).await;
    key.get(&app.api("/v1/whoami")).await.expect(200);
    app.advance(Duration::hours(1));
    insta::assert_snapshot!(shown(&app, &key.get(&app.api("/v1/whoami")).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_token", error_description="The credential has expired", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential has expired", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "in_time",
      "code": "expired",
      "detail": "Its time is over.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Create or refresh it.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential has expired",
      "type": "urn:keyway:problem:expired"
    }
    "#);
}

#[tokio::test]
async fn a_disabled_key() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    key.get(&app.api("/v1/whoami")).await.expect(200);
    app.enable(ada, &key, false).await;
    insta::assert_snapshot!(shown(&app, &key.get(&app.api("/v1/whoami")).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_token", error_description="The credential is disabled", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential is disabled", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "enabled",
      "code": "disabled",
      "detail": "It, or something that it descends from, is switched off.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Enable it in the portal.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential is disabled",
      "type": "urn:keyway:problem:disabled"
    }
    "#);
    app.enable(ada, &key, true).await;
    key.get(&app.api("/v1/whoami")).await.expect(200);
}

#[tokio::test]
async fn a_revoked_key() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    key.get(&app.api("/v1/whoami")).await.expect(200);
    let (act, id) = (app.house.command(), key.id.parse().unwrap());
    let revoke = app.house.store.write(move |tx| keys::revoke(tx, &act, &By::Operator, ada, id, "lost"));
    revoke.await.unwrap();
    insta::assert_snapshot!(shown(&app, &key.get(&app.api("/v1/whoami")).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_token", error_description="The credential was revoked", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential was revoked", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "not_revoked",
      "code": "revoked",
      "detail": "It, or something that it descends from, was taken back.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Create a new one; a revoked credential does not come back.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential was revoked",
      "type": "urn:keyway:problem:revoked"
    }
    "#);
}

#[tokio::test]
async fn a_missing_scope() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    let note = serde_json::json!({ "title": "A note", "body": "" });
    insta::assert_snapshot!(shown(&app, &key.post_json(&app.api("/v1/notes"), &note).await), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/problem+json
    ratelimit: "credential";r=99;t=1
    ratelimit-limit: 100
    ratelimit-policy: "credential";q=100;w=10, "owner";q=200;w=10
    ratelimit-remaining: 99
    ratelimit-reset: 1
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="insufficient_scope", error_description="The credential lacks a scope", scope="notes:write", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="insufficient_scope", error_description="The credential lacks a scope", scope="notes:write", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "scope",
      "code": "insufficient_scope",
      "detail": "This route needs notes:write; notes:write is missing.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Use a credential with the scope `notes:write`.",
      "request_id": "[request id]",
      "scope": "notes:write",
      "status": 403,
      "title": "The credential lacks a scope",
      "type": "urn:keyway:problem:insufficient_scope"
    }
    "#);
}

#[tokio::test]
async fn a_token_for_another_api() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let token = app.pair(ada, "notes:read").await;
    token.get(&app.api("/v1/whoami")).await.expect(200);
    insta::assert_snapshot!(shown(&app, &token.get(&app.url("/api/v1/keys")).await), @r#"
    401 Unauthorized
    cache-control: no-store
    content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; connect-src 'self'; form-action 'self'
    content-type: application/problem+json
    referrer-policy: no-referrer
    www-authenticate: Bearer realm="[portal]/api/v1", error="invalid_token", error_description="The credential is for another API", resource_metadata="[portal]/.well-known/oauth-protected-resource/api/v1"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_token", error_description="The credential is for another API", resource_metadata="[portal]/.well-known/oauth-protected-resource/api/v1"
    x-content-type-options: nosniff
    x-request-id: [request id]

    {
      "check": "issuer_and_audience",
      "code": "wrong_audience",
      "detail": "Its audience is another API than this one.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Use a credential whose audience is this API.",
      "request_id": "[request id]",
      "status": 401,
      "title": "The credential is for another API",
      "type": "urn:keyway:problem:wrong_audience"
    }
    "#);
}

#[tokio::test]
async fn an_address_that_is_not_allowed() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key_with(ada, "notes:read", |raw| raw.addresses = "192.0.2.0/24".into()).await;
    insta::assert_snapshot!(shown(&app, &key.get(&app.api("/v1/whoami")).await), @r#"
    403 Forbidden
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    x-request-id: [request id]

    {
      "check": "address",
      "code": "address_not_allowed",
      "detail": "Its list of networks does not contain the address of this call.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Call from an allowed network, or change the list in the portal.",
      "request_id": "[request id]",
      "status": 403,
      "title": "The credential may not be used from this address",
      "type": "urn:keyway:problem:address_not_allowed"
    }
    "#);
}

#[tokio::test]
async fn a_credential_in_the_query_string() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key(ada, "notes:read").await;
    let url = app.api(&format!("/v1/whoami?access_token={}", key.key));
    let reply = app.anonymous.get(&url).await;
    assert!(!reply.body.contains(&key.key));
    insta::assert_snapshot!(shown(&app, &reply), @r#"
    400 Bad Request
    cache-control: no-store
    content-type: application/problem+json
    vary: Origin
    www-authenticate: Bearer realm="[api]", error="invalid_request", error_description="A credential stands in the query string", resource_metadata="[api]/.well-known/oauth-protected-resource"
    www-authenticate: DPoP algs="ES256 EdDSA Ed25519 RS256 PS256", error="invalid_request", error_description="A credential stands in the query string", resource_metadata="[api]/.well-known/oauth-protected-resource"
    x-request-id: [request id]

    {
      "check": "parsed",
      "code": "credential_in_query",
      "detail": "Addresses are logged and shared, so a credential in one is not accepted.",
      "remedy": "Send it in the `Authorization` header, and replace it: addresses end up in logs.",
      "request_id": "[request id]",
      "status": 400,
      "title": "A credential stands in the query string",
      "type": "urn:keyway:problem:credential_in_query"
    }
    "#);
}
