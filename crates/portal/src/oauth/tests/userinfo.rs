use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use keyway_core::jwt::{Algorithm, Purpose};
use keyway_core::oauth::{ClientKind, TokenFormat};
use keyway_store::testing::Backend;

use super::{json, refused, send};
use crate::flows::jwt;
use crate::flows::tokens::tests::world::{Pair, World};
use crate::testing::{Answer, Browser};

const PATH: &str = "/oauth/userinfo";

async fn pair(it: &World, format: TokenFormat, scopes: &str) -> Pair {
    let portal = &it.it.portal;
    let purpose = Purpose::IdToken(Algorithm::Es256);
    jwt::ensure(&portal.store, &portal.issuance.ring, it.act(), &[purpose]).await.unwrap();
    let change = |client: &mut keyway_core::oauth::Client| client.id_token_algorithm = Algorithm::Es256;
    let client = it.client_with(ClientKind::Public, format, change).await;
    let grant = it.grant(&client).await;
    let code = it.code_for(&client, grant, scopes).await;
    it.redeem(&client, &code).await.unwrap()
}

async fn ask(it: &World, authorization: &str) -> Answer {
    let request = TestRequest::get().uri(PATH).insert_header((AUTHORIZATION, authorization));
    Browser::new(&it.it).send(request).await
}

#[tokio::test]
async fn each_claim_is_told_where_its_scope_was_granted() {
    for (backend, format) in [(Backend::Sqlite, TokenFormat::Opaque), (Backend::Postgres, TokenFormat::Jwt)] {
        let it = World::new(backend).await;
        let sub = it.owner.to_string();
        let all = pair(&it, format, "email notes:read openid profile").await;
        let answer = ask(&it, &format!("Bearer {}", all.access.expose())).await.expect(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let expected = serde_json::json!({
            "sub": sub, "name": "Ada", "email": "ada@example.com", "email_verified": false,
        });
        assert_eq!(json(&answer), expected);
        let posted = send(&it, PATH, &[("access_token", all.access.expose())]).await.expect(200);
        assert_eq!(json(&posted), expected);
        let least = pair(&it, format, "openid").await;
        let answer = ask(&it, &format!("Bearer {}", least.access.expose())).await.expect(200);
        assert_eq!(json(&answer), serde_json::json!({ "sub": sub }));
    }
}

#[tokio::test]
async fn what_is_no_living_token_with_openid_learns_nothing() {
    let it = World::new(Backend::Sqlite).await;
    let none = ask(&it, "Basic YTpi").await.expect(401);
    assert_eq!(none.header("www-authenticate"), r#"Bearer realm="keyway""#);
    let unknown = refused(ask(&it, "Bearer nothing").await, 401, "invalid_token");
    assert!(unknown.header("www-authenticate").contains(r#"error="invalid_token""#));
    let without = pair(&it, TokenFormat::Opaque, "notes:read").await;
    let answer = ask(&it, &format!("Bearer {}", without.access.expose())).await;
    let answer = refused(answer, 403, "insufficient_scope");
    assert!(answer.header("www-authenticate").contains(r#"scope="openid""#));
    let good = pair(&it, TokenFormat::Jwt, "openid").await;
    // An ID token is no access token, and an unbound token is no DPoP token.
    refused(ask(&it, &format!("Bearer {}", good.id_token.unwrap().expose())).await, 401, "invalid_token");
    refused(ask(&it, &format!("DPoP {}", good.access.expose())).await, 401, "invalid_token");
    let twice = TestRequest::post()
        .uri(PATH)
        .insert_header(("authorization", "Bearer a"))
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload("access_token=b");
    let twice = refused(Browser::new(&it.it).send(twice).await, 400, "invalid_request");
    assert_eq!(twice.header("www-authenticate"), r#"Bearer realm="keyway", error="invalid_request""#);
    Browser::new(&it.it).get(&format!("{PATH}?access_token={}", good.access.expose())).await.expect(401);
    it.it.clock.advance(keyway_core::Duration::minutes(16));
    refused(ask(&it, &format!("Bearer {}", good.access.expose())).await, 401, "invalid_token");
}
