//! Signing keys that change while clients and APIs go on.

use std::collections::BTreeSet;

use keyway_core::jwt::{Jwks, Purpose, VerificationKeys, verify};
use keyway_core::{Clock as _, Duration, Timestamp};
use keyway_portal::flows::jwt;

use crate::harness::actors::{Actor, JwtClient, KeyClient};
use crate::harness::app::{Backend, TestApp};

/// A verifier that fetches the key set when its copy is as old as it may be, and never else.
struct Follower {
    keys: VerificationKeys,
    until: Timestamp,
}

impl Follower {
    async fn new(app: &TestApp) -> Self {
        let reply = app.anonymous.get(&app.url("/.well-known/jwks.json")).await.expect(200);
        let jwks: Jwks = serde_json::from_str(&reply.body).unwrap();
        let control = reply.header("cache-control").unwrap();
        let age = control.split_once("max-age=").unwrap().1.parse().unwrap();
        let keys = VerificationKeys::from_jwks(&jwks).unwrap();
        Self { keys, until: app.clock.now() + Duration::seconds(age) }
    }
    async fn verifies(&mut self, app: &TestApp, token: &JwtClient) {
        if app.clock.now() >= self.until {
            *self = Self::new(app).await;
        }
        verify(&token.access, &self.keys, &app.portal).unwrap();
    }
}

async fn exchanged(app: &TestApp, key: &KeyClient) -> JwtClient {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &key.key),
        ("subject_token_type", "urn:keyway:params:oauth:token-type:api-key"),
    ];
    let reply = app.anonymous.post_form(&app.url("/oauth/token"), &fields).await.expect(200);
    JwtClient::from_answer(&app.anonymous.http, &reply.json())
}

/// The first part of a JWT, which names the key.
fn signer(token: &JwtClient) -> String {
    token.access.split('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_follows_the_key_set_never_sees_a_failure() {
    for backend in Backend::ALL {
        let app = TestApp::start_with(backend, &[("KEYWAY_LIMITS__TOKEN", "off")]).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let (store, ring, url) = (&app.house.store, app.house.key_ring(), app.api("/v1/whoami"));
        let mut follower = Follower::new(&app).await;
        let mut signers = BTreeSet::new();
        let mut before = exchanged(&app, &key).await;
        for step in 1..=40 {
            app.advance(Duration::seconds(100));
            if step % 10 == 0 {
                jwt::rotate(store, &ring, app.house.command(), Purpose::AccessToken, false).await.unwrap();
            }
            let token = exchanged(&app, &key).await;
            for token in [&before, &token] {
                follower.verifies(&app, token).await;
                token.get(&url).await.expect(200);
            }
            signers.insert(signer(&token));
            before = token;
        }
        assert_eq!(signers.len(), 5);
        app.stop().await;
    }
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_refused_at_once_and_what_the_next_signs_is_not() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let (store, ring, url) = (&app.house.store, app.house.key_ring(), app.api("/v1/whoami"));
        app.advance(Duration::seconds(700));
        let old = exchanged(&app, &key).await;
        old.get(&url).await.expect(200);
        let next = jwt::rotate(store, &ring, app.house.command(), Purpose::AccessToken, false).await.unwrap();
        let current = exchanged(&app, &key).await;
        current.get(&url).await.expect(200);
        jwt::revoke(store, &ring, app.house.command(), next).await.unwrap();
        let refused = current.get(&url).await.expect(401);
        assert_eq!(refused.refusal().1, "invalid_credential");
        assert_eq!(refused.text("/detail"), "It is not signed by a key of this issuer.");
        // The key before it still verifies.
        old.get(&url).await.expect(200);
        exchanged(&app, &key).await.get(&url).await.expect(200);
        app.stop().await;
    }
}
