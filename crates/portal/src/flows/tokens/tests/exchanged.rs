use keyway_core::Duration;
use keyway_core::address::AddressList;
use keyway_core::api_key::{ApiKey, Lifetime};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::facts::LimitDefaults;
use keyway_core::ids::ClientId;
use keyway_core::oauth::ErrorCode;
use keyway_core::owner::Environment;
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::testing::Backend;

use super::world::{HERE, Pair, World, refused};
use crate::flows::keys::{self, By, KeyDraft, KeyRules};
use crate::flows::tokens::TokenError;
use crate::flows::tokens::exchange::{self, Asked};

async fn key(it: &World, lifetime: Option<Lifetime>, addresses: &str) -> (ApiKey, PlainSecret) {
    let portal = &it.it.portal;
    let rules = KeyRules {
        catalogue: std::sync::Arc::clone(&portal.catalogue),
        limits: LimitDefaults::default(),
        live_needs_verified: false,
    };
    let secret = keys::new_secret(&portal.shapes.brand, Environment::Test, &*portal.random);
    let draft = KeyDraft {
        name: "server".into(),
        note: String::new(),
        environment: Environment::Test,
        audiences: vec![],
        scopes: "notes:read notes:write".parse().unwrap(),
        lifetime,
        rate: Some("50/min burst=20".parse().unwrap()),
        addresses: addresses.parse::<AddressList>().unwrap(),
    };
    let (act, owner, plain) = (it.act(), it.owner, secret.clone());
    let key = portal
        .store
        .write(move |tx| keys::create(tx, &act, &rules, &By::Operator, owner, draft, &secret))
        .await
        .unwrap();
    (key, plain)
}

fn asked(key: &PlainSecret) -> Asked {
    Asked {
        key: key.clone(),
        client: None,
        scope: None,
        audience: None,
        address: HERE.parse().unwrap(),
        proven: None,
    }
}

async fn run(it: &World, asked: Asked) -> Result<Pair, TokenError> {
    let portal = &it.it.portal;
    let answer = exchange::run(&portal.store, &portal.issuance, &it.act(), asked).await?;
    assert!(answer.expose().contains(exchange::ACCESS_TOKEN_TYPE));
    Ok(Pair::of(&answer))
}

#[tokio::test]
async fn a_jwt_exchanged_from_a_key_has_at_most_what_the_key_has() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (key, secret) = key(&it, None, "192.0.2.0/24").await;
        let pair = run(&it, Asked { scope: Some("notes:read keys:read".parse().unwrap()), ..asked(&secret) });
        let pair = pair.await.unwrap();
        assert!(pair.refresh.is_none());
        let verified = it.verified(&pair.access).await;
        let facts = verified.facts;
        assert_eq!(verified.claims.client_id, ClientId::CLI);
        assert_eq!(facts.scopes.to_string(), "notes:read");
        assert_eq!((facts.environment, facts.owner), (Environment::Test, it.owner));
        assert_eq!(facts.addresses.to_string(), "192.0.2.0/24");
        for id in [key.id.entity(), it.owner.entity(), ClientId::CLI.entity()] {
            assert!(facts.ancestors.contains(&id));
        }
        let (digest, limits) = (secret.digest(), it.it.portal.issuance.limits);
        let find = move |conn: &mut keyway_store::Conn| keyway_store::facts::api_key(conn, digest, &limits);
        let of_key = it.it.portal.store.read(find).await.unwrap().unwrap();
        assert_eq!(facts.budgets, of_key.budgets);
    }
}

#[tokio::test]
async fn a_jwt_never_outlives_the_key_that_it_came_from() {
    let it = World::new(Backend::Sqlite).await;
    let (_, secret) = key(&it, Some(Lifetime::Until(it.now() + Duration::seconds(90))), "").await;
    assert_eq!(run(&it, asked(&secret)).await.unwrap().expires_in, 90);
    it.it.clock.advance(Duration::seconds(90));
    assert_eq!(refused(run(&it, asked(&secret)).await), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_key_that_does_not_work_here_is_not_exchanged() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (key, secret) = key(&it, None, "192.0.2.0/24").await;
        let elsewhere = Asked { address: "198.51.100.1".parse().unwrap(), ..asked(&secret) };
        assert_eq!(refused(run(&it, elsewhere).await), ErrorCode::InvalidRequest);
        let audience = Some("http://elsewhere".to_owned());
        assert_eq!(refused(run(&it, Asked { audience, ..asked(&secret) }).await), ErrorCode::InvalidTarget);
        let scope = Some("keys:write".parse().unwrap());
        assert_eq!(refused(run(&it, Asked { scope, ..asked(&secret) }).await), ErrorCode::InvalidScope);
        let unknown = PlainSecret::new("keyway_test_unknown");
        assert_eq!(refused(run(&it, asked(&unknown)).await), ErrorCode::InvalidRequest);

        let jwt = run(&it, asked(&secret)).await.unwrap();
        let (now, id) = (it.now(), key.id);
        let position = it.verified(&jwt.access).await.position;
        it.it
            .portal
            .store
            .write::<_, StoreError, _>(move |tx| {
                tx.publish(NewChange::ended(EntityKind::ApiKey, id, now));
                keyway_store::tables::api_keys::revoke(tx.conn(), id, "test", now)
            })
            .await
            .unwrap();
        assert_eq!(refused(run(&it, asked(&secret)).await), ErrorCode::InvalidRequest);
        let ended = move |conn: &mut keyway_store::Conn| {
            keyway_store::feed::ended_after(conn, &[id.entity()], position)
        };
        assert!(it.it.portal.store.read(ended).await.unwrap());
    }
}
