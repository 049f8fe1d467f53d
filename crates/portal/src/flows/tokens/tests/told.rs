use keyway_core::Duration;
use keyway_core::oauth::{Client, ClientKind, ErrorCode, Introspection, TokenFormat};
use keyway_core::owner::Environment;
use keyway_core::quota::{Day, Drawn};
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::counted_calls;
use keyway_store::testing::Backend;

use super::world::{World, refused};
use crate::flows::tokens::introspect::{Asked, introspect};
use crate::flows::tokens::{TokenError, revoke};

async fn ask(it: &World, asker: &Client, token: &PlainSecret, explain: bool) -> Introspection {
    let asked = Asked { asker: asker.clone().into(), token: token.clone(), outside: None, explain };
    let portal = it.it.portal.clone();
    let (store, now) = (it.it.portal.store.clone(), it.now());
    let (issuance, shapes) = (portal.issuance.clone(), std::sync::Arc::clone(&portal.shapes));
    store.read(move |conn| introspect(conn, &issuance, &shapes, &asked, now)).await.unwrap()
}

async fn give_back(it: &World, client: &Client, token: &PlainSecret) -> Result<(), TokenError> {
    let portal = &it.it.portal;
    let (client, token) = (client.clone(), token.clone());
    revoke::run(&portal.store, &portal.issuance, &portal.shapes, it.act(), client, token).await
}

#[tokio::test]
async fn only_those_whom_a_token_concerns_learn_of_it() {
    for backend in Backend::ALL {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let it = World::new(backend).await;
            let app = it.client(ClientKind::Confidential, format).await;
            let other = it.client(ClientKind::Confidential, format).await;
            let public = it.client(ClientKind::Public, format).await;
            let guard = it.client(ClientKind::ResourceServer, TokenFormat::Opaque).await;
            let pair = it.pair(&app).await;

            let seen = ask(&it, &guard, &pair.access, false).await;
            assert!(seen.active);
            assert_eq!((seen.client_id, seen.sub), (Some(app.id), Some(it.owner.to_string())));
            assert_eq!(seen.aud[0].as_str(), "http://localhost:8081");
            assert_eq!(seen.keyway.as_ref().unwrap().own, it.owner);
            assert!(!serde_json::to_string(&seen.keyway).unwrap().contains("ada@"));

            let own = ask(&it, &app, &pair.access, true).await;
            assert!(own.active && own.keyway.is_none());
            for stranger in [&other, &public] {
                assert_eq!(ask(&it, stranger, &pair.access, true).await, Introspection::inactive());
            }
            assert!(ask(&it, &app, pair.refresh(), false).await.active);
            for stranger in [&other, &public, &guard] {
                assert_eq!(ask(&it, stranger, pair.refresh(), true).await, Introspection::inactive());
            }
            let unknown = PlainSecret::new("what is this");
            assert_eq!(ask(&it, &guard, &unknown, true).await, Introspection::inactive());
        }
    }
}

#[tokio::test]
async fn why_a_token_is_inactive_is_told_to_the_api_that_asks() {
    for backend in Backend::ALL {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let it = World::new(backend).await;
            let app = it.client(ClientKind::Confidential, format).await;
            let guard = it.client(ClientKind::ResourceServer, TokenFormat::Opaque).await;
            let (first, second) = (it.pair(&app).await, it.client(ClientKind::Public, format).await);
            let second = it.pair(&second).await;
            give_back(&it, &app, &first.access).await.unwrap();
            assert_eq!(ask(&it, &guard, &first.access, false).await, Introspection::inactive());
            let why = ask(&it, &guard, &first.access, true).await;
            assert_eq!((why.active, why.reason.as_deref()), (false, Some("revoked")));
            it.it.clock.advance(Duration::minutes(15));
            let why = ask(&it, &guard, &second.access, true).await;
            assert_eq!((why.active, why.reason.as_deref()), (false, Some("expired")));
        }
    }
}

#[tokio::test]
async fn a_token_is_taken_back_by_its_own_client_alone() {
    for backend in Backend::ALL {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let it = World::new(backend).await;
            let app = it.client(ClientKind::Confidential, format).await;
            let other = it.client(ClientKind::Confidential, format).await;
            let pair = it.pair(&app).await;
            for token in [&pair.access, pair.refresh()] {
                let result = give_back(&it, &other, token).await;
                assert_eq!(refused(result), ErrorCode::UnauthorizedClient);
            }
            assert!(ask(&it, &app, &pair.access, false).await.active);
            give_back(&it, &app, &pair.access).await.unwrap();
            let head = it.it.portal.store.head();
            give_back(&it, &app, &pair.access).await.unwrap();
            assert_eq!(it.it.portal.store.head(), head, "told once");
            assert!(!ask(&it, &app, &pair.access, false).await.active);
            // The family lives on: only the access token was given back.
            let next = it.refresh(&app, pair.refresh()).await.unwrap();
            give_back(&it, &app, next.refresh()).await.unwrap();
            assert!(!ask(&it, &app, &next.access, false).await.active);
            assert_eq!(refused(it.refresh(&app, next.refresh()).await), ErrorCode::InvalidGrant);
            give_back(&it, &app, &PlainSecret::new("unknown")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_guard_is_told_what_all_have_counted_of_a_quota() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Confidential, TokenFormat::Opaque).await;
        let guard = it.client(ClientKind::ResourceServer, TokenFormat::Opaque).await;
        let pair = it.pair(&app).await;
        let root = ask(&it, &guard, &pair.access, true).await.keyway.unwrap().budgets.root;
        let drawn =
            Drawn { root, owner: None, environment: Environment::Live, day: Day::of(it.now()), calls: 7 };
        let portal = it.it.portal.clone();
        let counted: Result<(), StoreError> =
            portal.store.write(move |tx| counted_calls::add(tx.conn(), &[drawn])).await;
        counted.unwrap();
        let mut issuance = portal.issuance.clone();
        issuance.limits.app_quotas.day = "100".parse().unwrap();
        let told = |explain| {
            let asked =
                Asked { asker: guard.clone().into(), token: pair.access.clone(), outside: None, explain };
            let (issuance, now) = (issuance.clone(), it.now());
            let shapes = std::sync::Arc::clone(&portal.shapes);
            portal.store.read(move |conn| introspect(conn, &issuance, &shapes, &asked, now))
        };
        let counted = told(true).await.unwrap().keyway.unwrap().counted;
        assert_eq!(counted.iter().map(|c| (c.id, c.in_day, c.in_month)).collect::<Vec<_>>(), [(root, 7, 7)]);
        assert!(told(false).await.unwrap().keyway.unwrap().counted.is_empty());
    }
}
