//! Clients that prove who they are with a key of their own.

use keyway_core::jwt::{Algorithm, SigningKey, generate_key};
use keyway_core::oauth::{ASSERTION_TYPE, AuthMethod, Client, ClientKeys, ClientKind, TokenFormat};
use keyway_store::tables::clients;
use keyway_store::testing::Backend;
use serde_json::{Value, json};

use super::{refused, send};
use crate::flows::tokens::tests::world::World;

const ISSUER: &str = "http://localhost:8080";

/// A confidential client with a key, and that key.
async fn client(it: &World) -> (Client, SigningKey) {
    let der = generate_key(Algorithm::Es256).unwrap();
    let key = SigningKey::from_pkcs8("mine", Algorithm::Es256, &der).unwrap();
    let keys = ClientKeys::from_json(&json!({ "keys": [key.public_jwk().unwrap()] })).unwrap();
    let plain = it.client(ClientKind::Confidential, TokenFormat::Opaque).await;
    let client = Client { auth_method: AuthMethod::PrivateKeyJwt, jwks: Some(keys), ..plain };
    let row = client.clone();
    assert!(it.it.portal.store.write(move |tx| clients::update(tx.conn(), &row)).await.unwrap());
    (client, key)
}

fn claims(it: &World, client: &Client, jti: &str) -> Value {
    let (id, now) = (client.id.to_string(), it.now().as_seconds());
    json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": jti })
}

async fn ask(it: &World, path: &str, assertion: &str) -> crate::testing::Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("token", "x"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    send(it, path, &fields).await
}

#[tokio::test]
async fn a_client_proves_itself_with_its_key_once_per_assertion() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (client, key) = client(&it).await;
        let first = key.sign_as("JWT", &claims(&it, &client, "1")).unwrap();
        ask(&it, "/oauth/token", &first).await.expect(200);
        let again = refused(ask(&it, "/oauth/token", &first).await, 401, "invalid_client");
        assert!(again.body.contains("used before"), "{}", again.body);
        assert!(again.header("www-authenticate").starts_with("Basic "));
        // Elsewhere as well.
        refused(ask(&it, "/oauth/revoke", &first).await, 401, "invalid_client");
        for (path, jti) in [("/oauth/revoke", "2"), ("/oauth/introspect", "3")] {
            let mut claims = claims(&it, &client, jti);
            claims["aud"] = json!(format!("{ISSUER}{path}"));
            ask(&it, path, &key.sign_as("JWT", &claims).unwrap()).await.expect(200);
        }
        let id = client.id;
        let used = it.it.portal.store.read(move |conn| clients::find(conn, id)).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, Some(it.now()), "{backend:?}");
    }
}

#[tokio::test]
async fn a_wrong_assertion_spends_nothing() {
    let it = World::new(Backend::Sqlite).await;
    let (client, key) = client(&it).await;
    let mut elsewhere = claims(&it, &client, "1");
    elsewhere["aud"] = json!("http://localhost:8081");
    let elsewhere = key.sign_as("JWT", &elsewhere).unwrap();
    refused(ask(&it, "/oauth/token", &elsewhere).await, 401, "invalid_client");
    let right = key.sign_as("JWT", &claims(&it, &client, "1")).unwrap();
    ask(&it, "/oauth/token", &right).await.expect(200);
}

#[tokio::test]
async fn only_the_registered_method_counts() {
    let it = World::new(Backend::Sqlite).await;
    let (by_key, key) = client(&it).await;
    let id = by_key.id.to_string();
    let fields = [("grant_type", "client_credentials"), ("client_id", id.as_str())];
    refused(send(&it, "/oauth/token", &fields).await, 401, "invalid_client");
    let other = it.client(ClientKind::Confidential, TokenFormat::Opaque).await;
    let theirs = key.sign_as("JWT", &claims(&it, &other, "1")).unwrap();
    refused(ask(&it, "/oauth/token", &theirs).await, 401, "invalid_client");
}
