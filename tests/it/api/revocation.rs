//! What is taken away is refused on the next call.

use keyway_core::Duration;
use keyway_portal::flows::accounts;
use keyway_portal::flows::keys::{self, By, KeyPatch};

use crate::harness::actors::{Actor, JwtClient, KeyClient};
use crate::harness::app::{Backend, TestApp};

/// The JWT that a key is exchanged for (RFC 8693).
async fn exchanged(app: &TestApp, key: &KeyClient) -> JwtClient {
    let reply = app
        .anonymous
        .post_form(
            &app.url("/oauth/token"),
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", &key.key),
                ("subject_token_type", "urn:keyway:params:oauth:token-type:api-key"),
            ],
        )
        .await
        .expect(200);
    JwtClient::from_answer(&app.anonymous.http, &reply.json())
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_call_and_its_jwt_with_it() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let token = exchanged(&app, &key).await;
        let url = app.api("/v1/whoami");
        key.get(&url).await.expect(200);
        token.get(&url).await.expect(200);
        let (act, id) = (app.house.command(), key.id.parse().unwrap());
        let revoke = app.house.store.write(move |tx| keys::revoke(tx, &act, &By::Operator, ada, id, "lost"));
        revoke.await.unwrap();
        assert_eq!(key.get(&url).await.refusal(), (401, "revoked".into()));
        assert_eq!(token.get(&url).await.refusal(), (401, "revoked".into()));
        app.stop().await;
    }
}

#[tokio::test]
async fn a_jwt_of_a_key_whose_end_was_drawn_near_stays_refused_after_that_end() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let token = exchanged(&app, &key).await;
        let url = app.api("/v1/whoami");
        token.get(&url).await.expect(200);
        let (act, rules, id) = (app.house.command(), app.key_rules(), key.id.parse().unwrap());
        let end = keyway_core::api_key::Lifetime::Until(act.now + Duration::seconds(1));
        let patch = KeyPatch { lifetime: Some(end), ..KeyPatch::default() };
        app.house
            .store
            .write(move |tx| keys::edit(tx, &act, &rules, &By::Operator, ada, id, patch))
            .await
            .unwrap();
        assert_eq!(token.get(&url).await.status, 401);
        // Until its own end, fifteen minutes after it was issued.
        for seconds in [2, 60, 600, 230] {
            app.advance(Duration::seconds(seconds));
            let reply = token.get(&url).await;
            assert_eq!(reply.status, 401, "{}", reply.body);
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn nothing_of_a_suspended_person_works_and_keys_come_back_with_them() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let ada = app.person("ada@example.com", false).await;
        let (key, token) = (app.key(ada, "notes:read").await, app.pair(ada, "notes:read").await);
        let url = app.api("/v1/whoami");
        key.get(&url).await.expect(200);
        token.get(&url).await.expect(200);
        let act = app.house.command();
        app.house.store.write(move |tx| accounts::suspend(tx, &act, ada)).await.unwrap();
        assert_eq!(key.get(&url).await.status, 401);
        assert_eq!(token.get(&url).await.status, 401);
        let act = app.house.command();
        app.house.store.write(move |tx| accounts::resume(tx, &act, ada)).await.unwrap();
        key.get(&url).await.expect(200);
        assert_eq!(token.get(&url).await.status, 401);
        app.stop().await;
    }
}
