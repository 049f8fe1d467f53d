//! What is remembered of clients and credentials is forgotten by the request after the change.

use keyway_core::Duration;
use keyway_core::credential::Brand;
use keyway_core::oauth::{AuthMethod, Client, ClientKind, TokenFormat};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::client_secrets;
use keyway_store::testing::Backend;

use super::{json, refused, send};
use crate::flows::clients::{self, ClientError};
use crate::flows::tokens::tests::world::World;
use crate::testing::Answer;

async fn by_secret(it: &World, kind: ClientKind) -> (Client, PlainSecret) {
    let with_secret = |client: &mut Client| client.auth_method = AuthMethod::ClientSecretPost;
    let client = it.client_with(kind, TokenFormat::Opaque, with_secret).await;
    let secret = add_secret(it, &client, None).await;
    (client, secret)
}

async fn add_secret(it: &World, client: &Client, overlap: Option<Duration>) -> PlainSecret {
    let (act, brand, owner, id) = (it.act(), Brand::default(), client.owner, client.id);
    let added =
        it.it.portal.store.write(move |tx| clients::add_secret(tx, &act, &brand, owner, id, overlap)).await;
    added.unwrap()
}

async fn ask(it: &World, path: &str, client: &Client, secret: &PlainSecret, token: &str) -> Answer {
    let id = client.id.to_string();
    let fields = [
        ("grant_type", "client_credentials"),
        ("token", token),
        ("client_id", &id),
        ("client_secret", secret.expose()),
    ];
    send(it, path, &fields).await
}

#[tokio::test]
async fn what_a_client_loses_it_has_lost_by_its_next_request() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (client, first) = by_secret(&it, ClientKind::Confidential).await;
        let token = |secret: PlainSecret| {
            let (it, client) = (&it, &client);
            async move { ask(it, "/oauth/token", client, &secret, "").await }
        };
        for _ in 0..2 {
            token(first.clone()).await.expect(200);
        }
        refused(token(PlainSecret::new("keyway_cs_guess")).await, 401, "invalid_client");
        // The new secret works at once, and the old one until its overlap ends.
        let second = add_secret(&it, &client, Some(Duration::minutes(5))).await;
        token(second.clone()).await.expect(200);
        token(first.clone()).await.expect(200);
        it.it.clock.advance(Duration::minutes(5));
        refused(token(first).await, 401, "invalid_client");
        token(second.clone()).await.expect(200);
        // Revoked.
        let third = add_secret(&it, &client, None).await;
        let (act, owner, id, digest) = (it.act(), client.owner, client.id, second.digest());
        let revoked: Result<(), ClientError> = it
            .it
            .portal
            .store
            .write(move |tx| {
                let secrets = client_secrets::list(tx.conn(), id, act.now)?;
                let secret = secrets.iter().find(|secret| secret.digest == digest).unwrap().id;
                clients::revoke_secret(tx, &act, owner, id, secret)
            })
            .await;
        revoked.unwrap();
        refused(token(second).await, 401, "invalid_client");
        token(third.clone()).await.expect(200);
        // Suspended, and let go on.
        for (suspended, status) in [(true, 401), (false, 200)] {
            let act = it.act();
            let done = it.it.portal.store.write(move |tx| clients::suspend(tx, &act, id, suspended)).await;
            done.unwrap();
            token(third.clone()).await.expect(status);
        }
    }
}

#[tokio::test]
async fn introspection_tells_of_an_end_at_once() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (client, secret) = by_secret(&it, ClientKind::Confidential).await;
        let (server, proof) = by_secret(&it, ClientKind::ResourceServer).await;
        let given = ask(&it, "/oauth/token", &client, &secret, "").await.expect(200);
        let token = json(&given)["access_token"].as_str().unwrap().to_owned();
        let told = |token: String| {
            let (it, server, proof) = (&it, &server, &proof);
            async move { json(&ask(it, "/oauth/introspect", server, proof, &token).await.expect(200)) }
        };
        for _ in 0..2 {
            let told = told(token.clone()).await;
            assert_eq!(told["active"], true, "{backend:?}: {told}");
        }
        assert_eq!(told(format!("{token}x")).await["active"], false);
        ask(&it, "/oauth/revoke", &client, &secret, &token).await.expect(200);
        assert_eq!(told(token).await["active"], false, "{backend:?}");
        // What it rests on counts as well.
        let given = ask(&it, "/oauth/token", &client, &secret, "").await.expect(200);
        let token = json(&given)["access_token"].as_str().unwrap().to_owned();
        assert_eq!(told(token.clone()).await["active"], true, "{backend:?}");
        let (act, id) = (it.act(), client.id);
        it.it.portal.store.write(move |tx| clients::suspend(tx, &act, id, true)).await.unwrap();
        assert_eq!(told(token).await["active"], false, "{backend:?}");
    }
}

#[tokio::test]
async fn time_ends_what_is_remembered() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (client, secret) = by_secret(&it, ClientKind::Confidential).await;
        let given = json(&ask(&it, "/oauth/token", &client, &secret, "").await.expect(200));
        let (token, life) = (given["access_token"].as_str().unwrap(), given["expires_in"].as_i64().unwrap());
        for (passed, active) in [(0, true), (life - 1, true), (1, false)] {
            it.it.clock.advance(Duration::seconds(passed));
            let told = json(&ask(&it, "/oauth/introspect", &client, &secret, token).await.expect(200));
            assert_eq!(told["active"], active, "{backend:?}: {passed}");
        }
    }
}
