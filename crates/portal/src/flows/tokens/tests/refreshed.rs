use keyway_core::Duration;
use keyway_core::facts::State;
use keyway_core::oauth::{ClientKind, ErrorCode, TokenFormat};
use keyway_store::tables::families::EndReason;
use keyway_store::tables::{grants, owners};
use keyway_store::testing::Backend;

use super::world::{World, refused};
use crate::flows::tokens::families;

#[tokio::test]
async fn a_refresh_token_rotates_and_a_lost_answer_is_given_again() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let first = it.pair(&app).await;
        it.it.clock.advance(Duration::minutes(15));
        let second = it.refresh(&app, first.refresh()).await.unwrap();
        assert_ne!(second.refresh().expose(), first.refresh().expose());
        assert_eq!(it.facts(&second.access).await.unwrap().state, State::Active);
        it.it.clock.advance(Duration::seconds(30));
        let again = it.refresh(&app, first.refresh()).await.unwrap();
        assert_eq!(again.access.expose(), second.access.expose());
        assert_eq!(again.refresh().expose(), second.refresh().expose());
        assert!(it.refresh(&app, second.refresh()).await.is_ok());
    }
}

#[tokio::test]
async fn a_spent_token_whose_successor_was_used_is_stolen() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let first = it.pair(&app).await;
        let second = it.refresh(&app, first.refresh()).await.unwrap();
        let third = it.refresh(&app, second.refresh()).await.unwrap();
        assert_eq!(it.mails().await, 0);
        assert_eq!(refused(it.refresh(&app, first.refresh()).await), ErrorCode::InvalidGrant);
        let family = it.families().await.remove(0);
        assert_eq!(family.ended_reason, Some(EndReason::Theft));
        assert_eq!(it.mails().await, 1);
        assert_eq!(it.facts(&third.access).await.unwrap().state, State::Revoked);
        for dead in [&first, &second, &third] {
            assert_eq!(refused(it.refresh(&app, dead.refresh()).await), ErrorCode::InvalidGrant);
        }
        assert_eq!(it.mails().await, 1);
    }
}

#[tokio::test]
async fn a_spent_token_that_comes_too_late_is_stolen() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Jwt).await;
        let first = it.pair(&app).await;
        it.refresh(&app, first.refresh()).await.unwrap();
        it.it.clock.advance(Duration::micros(30_000_001));
        assert_eq!(refused(it.refresh(&app, first.refresh()).await), ErrorCode::InvalidGrant);
        assert_eq!(it.families().await[0].ended_reason, Some(EndReason::Theft));
    }
}

#[tokio::test]
async fn fifty_refreshes_at_once_get_one_answer() {
    for backend in Backend::ALL {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let it = World::new(backend).await;
            let app = it.client(ClientKind::Public, format).await;
            let first = it.pair(&app).await;
            let all = (0..50).map(|_| it.refresh(&app, first.refresh()));
            let answers = futures_util::future::try_join_all(all).await.unwrap();
            for answer in &answers {
                assert_eq!(answer.access.expose(), answers[0].access.expose());
                assert_eq!(answer.refresh().expose(), answers[0].refresh().expose());
            }
            assert_eq!(it.families().await[0].ended_at, None);
            assert!(it.refresh(&app, answers[0].refresh()).await.is_ok());
        }
    }
}

#[tokio::test]
async fn another_clients_attempt_changes_nothing() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let other = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let first = it.pair(&app).await;
        assert_eq!(refused(it.refresh(&other, first.refresh()).await), ErrorCode::InvalidGrant);
        let second = it.refresh(&app, first.refresh()).await.unwrap();
        it.it.clock.advance(Duration::minutes(5));
        // Not even a spent one.
        assert_eq!(refused(it.refresh(&other, first.refresh()).await), ErrorCode::InvalidGrant);
        assert!(it.refresh(&app, second.refresh()).await.is_ok());
    }
}

#[tokio::test]
async fn scopes_can_be_narrowed_for_one_access_token_and_never_widened() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let first = it.pair(&app).await;
        let wide = it.refresh_for(&app, first.refresh(), Some("notes:read keys:read")).await;
        assert_eq!(refused(wide), ErrorCode::InvalidScope);
        let narrow = it.refresh_for(&app, first.refresh(), Some("notes:read")).await.unwrap();
        assert_eq!(narrow.scope.to_string(), "notes:read");
        let whole = it.refresh(&app, narrow.refresh()).await.unwrap();
        assert_eq!(whole.scope.len(), 3);
    }
}

#[tokio::test]
async fn a_family_ends_when_idle_when_revoked_and_with_what_it_rests_on() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let store = &it.it.portal.store;
        let (app, owner) = (it.client(ClientKind::Public, TokenFormat::Opaque).await, it.owner);
        let idle = it.pair(&app).await;
        it.it.clock.advance(Duration::days(30));
        assert_eq!(refused(it.refresh(&app, idle.refresh()).await), ErrorCode::InvalidGrant);

        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let revoked = it.pair(&app).await;
        let (act, id) = (it.act(), it.families().await[0].id);
        assert!(store.write(move |tx| families::end(tx, &act, owner, id)).await.unwrap());
        assert_eq!(refused(it.refresh(&app, revoked.refresh()).await), ErrorCode::InvalidGrant);
        assert_eq!(it.facts(&revoked.access).await.unwrap().state, State::Revoked);

        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let unwanted = it.pair(&app).await;
        let (grant, now) = (it.families().await[0].grant.unwrap(), it.now());
        store.write(move |tx| grants::revoke(tx.conn(), owner, grant, now)).await.unwrap();
        assert_eq!(refused(it.refresh(&app, unwanted.refresh()).await), ErrorCode::InvalidGrant);

        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let suspended = it.pair(&app).await;
        store.write(move |tx| owners::suspend(tx.conn(), owner, now)).await.unwrap();
        assert_eq!(refused(it.refresh(&app, suspended.refresh()).await), ErrorCode::InvalidGrant);
    }
}
