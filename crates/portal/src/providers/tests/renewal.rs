use std::sync::Arc;

use futures_util::future::join_all;
use keyway_core::Duration;
use keyway_core::ids::{ConnectionId, EntityId, OwnerId};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::connections::{self, Connection};
use keyway_store::tables::owners;
use keyway_store::testing::Backend;

use super::*;
use crate::flows::Act;
use crate::flows::connections::{open, seal};
use crate::providers::renewal::{RenewalError, Renewed, forget_unkept, refresh, refresh_due};
use crate::state::Portal;
use crate::testing::TestPortal;

/// A portal at which somebody has connected an account of the provider's, whose tokens end in four minutes.
struct World {
    it: TestPortal,
    op: Op,
    provider: Arc<Provider>,
    connection: Connection,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let (it, op) = (TestPortal::new(backend, |_| {}), Op::new().await);
        let provider = Provider::new(Definition { keep_tokens: true, ..op.definition(Kind::Oidc) }).unwrap();
        let (portal, now) = (&it.portal, it.portal.now());
        let owner: OwnerId = EntityId::new(now, &*portal.random).to_string().parse().unwrap();
        let id = ConnectionId::new(now, &*portal.random);
        let tokens = Tokens {
            access: PlainSecret::new("access-1"),
            refresh: Some(PlainSecret::new("refresh-1")),
            expires_at: Some(now + Duration::minutes(4)),
            scopes: vec!["openid".into()],
        };
        let act = portal.act(Actor::person(owner, "ada@example.com"), "192.0.2.1".parse().unwrap());
        let connection = Connection {
            id,
            owner,
            provider: "work".into(),
            issuer: op.uri(),
            subject: "ada-1".into(),
            account: "ada".into(),
            demo: false,
            scopes: tokens.scopes.clone(),
            connected_at: now,
            last_sign_in_at: None,
            tokens: Some(seal(&tokens, &portal.master_key, &act, id).unwrap()),
            refreshed_at: None,
            broken_at: None,
        };
        let (row, name) = (connection.clone(), "Ada".to_owned());
        let ada = Owner {
            id: owner,
            kind: OwnerKind::Person,
            name,
            suspended_at: None,
            rate: None,
            created_at: now,
        };
        let inserted: Result<(), StoreError> = portal
            .store
            .write(move |tx| {
                owners::insert(tx.conn(), &ada)?;
                connections::insert(tx.conn(), &row)
            })
            .await;
        inserted.unwrap();
        Self { it, op, provider: Arc::new(provider), connection }
    }

    fn portal(&self) -> Arc<Portal> {
        self.it.portal.clone().into_inner()
    }

    fn act(&self) -> Act {
        self.portal()
            .act(Actor::person(self.connection.owner, "ada@example.com"), "192.0.2.1".parse().unwrap())
    }

    async fn now_stored(&self) -> Connection {
        let id = self.connection.id;
        let found: Result<_, StoreError> =
            self.portal().store.read(move |conn| connections::find(conn, id)).await;
        found.unwrap().unwrap()
    }

    async fn by_hand(&self) -> Result<Renewed, RenewalError> {
        refresh(self.portal(), Arc::clone(&self.provider), self.act(), self.connection.clone()).await
    }

    async fn by_itself(&self) -> usize {
        refresh_due(&self.portal(), std::slice::from_ref(&self.provider)).await.unwrap()
    }

    async fn anew(&self) {
        let body = json!({ "access_token": "access-2", "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "refresh-2", "scope": "openid email" });
        self.op.answers("/token", body).await;
    }
}

#[tokio::test]
async fn of_twenty_at_once_one_asks_the_provider() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        world.anew().await;
        let all = join_all((0..20).map(|_| world.by_hand())).await;
        let done = all.iter().filter(|done| matches!(done, Ok(Renewed::Done))).count();
        let later = all.iter().filter(|done| matches!(done, Ok(Renewed::NotNow))).count();
        assert_eq!((done, later, world.op.asked("/token").await), (1, 19, 1), "{backend:?}");
        let stored = world.now_stored().await;
        let tokens = open(&stored, &world.portal().master_key).unwrap().unwrap();
        assert_eq!((tokens.access.expose(), tokens.refresh.unwrap().expose()), ("access-2", "refresh-2"));
        assert_eq!(stored.scopes, ["openid", "email"]);
        assert_eq!(stored.refreshed_at, Some(world.portal().now()));
    }
}

#[tokio::test]
async fn tokens_are_refreshed_shortly_before_they_end_and_not_again() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        world.anew().await;
        assert_eq!(world.by_itself().await, 1, "{backend:?}");
        assert_eq!(world.by_itself().await, 0, "{backend:?}");
        world.it.clock.advance(Duration::minutes(54));
        assert_eq!(world.by_itself().await, 0, "{backend:?}");
        world.it.clock.advance(Duration::minutes(1));
        assert_eq!(world.by_itself().await, 1, "{backend:?}");
    }
}

#[tokio::test]
async fn a_dead_grant_is_marked_and_not_asked_about_again() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let dead = ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" }));
        world.op.responds("/token", dead).await;
        assert_eq!(world.by_itself().await, 0, "{backend:?}");
        let stored = world.now_stored().await;
        assert_eq!((stored.tokens, stored.broken_at), (None, Some(world.portal().now())), "{backend:?}");
        world.it.clock.advance(Duration::minutes(10));
        assert_eq!(world.by_itself().await, 0, "{backend:?}");
        assert_eq!(world.op.asked("/token").await, 1, "{backend:?}");
    }
}

#[tokio::test]
async fn a_provider_in_trouble_is_left_alone_for_five_minutes() {
    let world = World::new(Backend::Sqlite).await;
    world.op.responds("/token", ResponseTemplate::new(503)).await;
    for _ in 0..3 {
        assert_eq!(world.by_itself().await, 0);
    }
    assert_eq!(world.op.asked("/token").await, 1);
    world.it.clock.advance(Duration::minutes(5));
    world.by_itself().await;
    assert_eq!(world.op.asked("/token").await, 2);
}

#[tokio::test]
async fn somebody_who_asks_may_ask_again_at_once() {
    let world = World::new(Backend::Sqlite).await;
    let trouble = ResponseTemplate::new(503);
    Mock::given(path("/token")).respond_with(trouble).up_to_n_times(1).mount(&world.op.server).await;
    world.anew().await;
    let down = world.by_hand().await;
    assert!(matches!(down, Err(RenewalError::Provider(ProviderError::Down))));
    assert!(matches!(world.by_hand().await, Ok(Renewed::Done)));
}

#[tokio::test]
async fn a_connection_without_a_provider_waits_behind_the_others() {
    let world = World::new(Backend::Sqlite).await;
    let nobody = || async { refresh_due(&world.portal(), &[]).await.unwrap() };
    assert_eq!(nobody().await, 0);
    world.anew().await;
    assert_eq!(world.by_itself().await, 0);
    world.it.clock.advance(Duration::minutes(5));
    assert_eq!(world.by_itself().await, 1);
}

#[tokio::test]
async fn what_comes_for_a_connection_that_is_gone_is_revoked() {
    let world = World::new(Backend::Sqlite).await;
    let asked = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&asked);
    let body = json!({ "access_token": "access-2", "token_type": "Bearer", "refresh_token": "refresh-2" });
    // Time to disconnect in.
    let slow =
        ResponseTemplate::new(200).set_body_json(body).set_delay(std::time::Duration::from_millis(500));
    let respond = move |_: &wiremock::Request| {
        told.notify_one();
        slow.clone()
    };
    Mock::given(path("/token")).respond_with(respond).mount(&world.op.server).await;
    world.op.responds("/revoke", ResponseTemplate::new(200)).await;
    let id = world.connection.id;
    let disconnect = async {
        asked.notified().await;
        let gone: Result<bool, StoreError> =
            world.portal().store.write(move |tx| connections::delete(tx.conn(), id)).await;
        assert!(gone.unwrap());
    };
    let (renewed, ()) = tokio::join!(world.by_hand(), disconnect);
    assert!(matches!(renewed, Ok(Renewed::NotNow)));
    assert!(world.op.form("/revoke").await.contains(&("token".into(), "refresh-2".into())));
}

#[tokio::test]
async fn tokens_are_not_shown_to_who_has_taken_the_providers_name() {
    let world = World::new(Backend::Sqlite).await;
    let other = Op::new().await;
    other.answers("/token", json!({ "access_token": "access-2", "token_type": "Bearer" })).await;
    other.responds("/revoke", ResponseTemplate::new(200)).await;
    let renewed =
        refresh(world.portal(), Arc::new(other.provider()), world.act(), world.connection.clone()).await;
    assert!(matches!(renewed, Err(RenewalError::Provider(ProviderError::Replaced))));
    let tokens = open(&world.connection, &world.portal().master_key).unwrap().unwrap();
    let (provider, issuer) = (other.provider(), &world.connection.issuer);
    let revoked = provider.revoke(&other.outgoing, &other.clock, issuer, &tokens).await;
    assert_eq!(revoked, Err(ProviderError::Replaced));
    assert_eq!(other.asked("/token").await + other.asked("/revoke").await, 0);
}

#[tokio::test]
async fn what_the_settings_no_longer_ask_for_is_forgotten() {
    let world = World::new(Backend::Sqlite).await;
    let forget = |providers: Vec<Arc<Provider>>| {
        let portal = world.portal();
        async move { forget_unkept(&portal, &providers).await.unwrap() }
    };
    assert_eq!(forget(vec![Arc::clone(&world.provider)]).await, 0);
    assert_eq!(forget(Vec::new()).await, 0);
    assert!(world.now_stored().await.tokens.is_some());
    assert_eq!(forget(vec![Arc::new(world.op.provider())]).await, 1);
    assert!(world.now_stored().await.tokens.is_none());
}
