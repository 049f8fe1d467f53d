use std::sync::Arc;

use keyway_core::clock::ManualClock;
use keyway_core::oauth::{AuthMethod, GrantType};
use keyway_core::random::SeededRandom;
use keyway_core::scope::ScopeSet;
use keyway_core::{Clock as _, Duration, Timestamp};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::client_secrets;
use keyway_store::testing::{Backend, TestDatabase};
use keyway_store::{Store, feed};

use super::*;
use crate::testing::catalogue;

fn act(now: Timestamp) -> Act {
    Act { now, random: Arc::new(SeededRandom::new(5)), actor: Actor::command("test"), address: None }
}

struct World {
    // Held for its folder or schema.
    _database: TestDatabase,
    store: Store,
    clock: Arc<ManualClock>,
    act: Act,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let act = act(clock.now());
        let first = act.clone();
        store.write(move |tx| ensure_builtin(tx, &first, &catalogue())).await.unwrap();
        Self { _database: database, store, clock, act }
    }

    async fn register(&self, new: NewClient) -> Result<(Client, Option<PlainSecret>), ClientError> {
        let act = self.act.clone();
        self.store.write(move |tx| register(tx, &act, &catalogue(), &Brand::default(), new)).await
    }
}

fn app() -> NewClient {
    NewClient {
        owner: builtin_owner(),
        kind: ClientKind::Confidential,
        audience: None,
        registration: None,
        profile: Profile {
            name: "Notebook".into(),
            redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: "notes:read".parse().unwrap(),
            ..Profile::default()
        },
    }
}

fn app_with(change: impl FnOnce(&mut Profile)) -> NewClient {
    let mut app = app();
    change(&mut app.profile);
    app
}

#[tokio::test]
async fn a_confidential_app_gets_a_secret_and_more_up_to_five() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (client, secret) = world.register(app()).await.unwrap();
        let mut digests = vec![secret.unwrap().digest()];
        for _ in 1..MAX_SECRETS {
            let act = world.act.clone();
            let add =
                move |tx: &mut Tx<'_>| add_secret(tx, &act, &Brand::default(), client.owner, client.id, None);
            digests.push(world.store.write(add).await.unwrap().digest());
        }
        let act = world.act.clone();
        let one_more =
            move |tx: &mut Tx<'_>| add_secret(tx, &act, &Brand::default(), client.owner, client.id, None);
        assert!(matches!(world.store.write(one_more).await, Err(ClientError::TooManySecrets)));
        let now = world.clock.now();
        let kept = world.store.read(move |conn| client_secrets::list(conn, client.id, now)).await.unwrap();
        assert!(kept.iter().all(|secret| digests.contains(&secret.digest)));
        assert_eq!(kept.len(), MAX_SECRETS);
    }
}

#[tokio::test]
async fn the_secrets_before_end_after_the_overlap_and_never_later_than_they_would() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (client, _) = world.register(app()).await.unwrap();
        let add = |overlap: Duration| {
            let act = world.act.clone();
            let (owner, id) = (client.owner, client.id);
            world.store.write(move |tx| add_secret(tx, &act, &Brand::default(), owner, id, Some(overlap)))
        };
        add(Duration::hours(1)).await.unwrap();
        add(Duration::days(7)).await.unwrap();
        let now = world.clock.now();
        let ends = |at| world.store.read(move |conn| client_secrets::list(conn, client.id, at));
        // Made in one moment, they are in no order.
        let ends_of = |secrets: Vec<client_secrets::ClientSecret>| -> Vec<_> {
            let mut ends: Vec<_> =
                secrets.iter().map(|secret| secret.expires_at.map(|end| end.since(now))).collect();
            ends.sort_unstable();
            ends
        };
        let all: Result<_, StoreError> = ends(now).await;
        let expected = [None, Some(Duration::hours(1)), Some(Duration::days(7))];
        assert_eq!(ends_of(all.unwrap()), expected, "{backend:?}");
        let left: Result<_, StoreError> = ends(now + Duration::days(7)).await;
        assert_eq!(ends_of(left.unwrap()), [None], "{backend:?}");
        add(Duration::days(300)).await.unwrap();
        let capped: Result<_, StoreError> = ends(now + MAX_OVERLAP).await;
        assert_eq!(capped.unwrap().len(), 1, "{backend:?}");
    }
}

#[tokio::test]
async fn two_at_once_never_make_one_app_too_many() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let owner = OwnerId::new(world.act.now, &SeededRandom::new(77));
        let person = keyway_core::owner::Owner {
            id: owner,
            kind: keyway_core::owner::OwnerKind::Person,
            name: "Ada".into(),
            suspended_at: None,
            rate: None,
            created_at: world.act.now,
        };
        world.store.write(move |tx| owners::insert(tx.conn(), &person)).await.unwrap();
        let mine = || NewClient { owner, ..app() };
        for _ in 1..MAX_CLIENTS {
            world.register(mine()).await.unwrap();
        }
        let (a, b) = tokio::join!(world.register(mine()), world.register(mine()));
        assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{backend:?}");
    }
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let world = World::new(Backend::Sqlite).await;
    let public = |change: fn(&mut Profile)| {
        let app = app_with(|profile| {
            profile.auth_method = AuthMethod::None;
            change(profile);
        });
        NewClient { kind: ClientKind::Public, ..app }
    };
    assert!(world.register(public(|_| {})).await.is_ok());
    let keys =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let by_key = app_with(|p| {
        p.auth_method = AuthMethod::PrivateKeyJwt;
        p.jwks = Some(keys.parse().unwrap());
        p.backchannel_logout_uri = Some("https://app.example.com/out".into());
        p.website = Some("https://app.example.com".into());
    });
    let (kept, secret) = world.register(by_key.clone()).await.unwrap();
    assert!(secret.is_none());
    let found = world.store.read(move |conn| clients::find(conn, kept.id)).await.unwrap().unwrap();
    assert_eq!(found, kept);
    for bad in [
        NewClient { kind: ClientKind::Public, ..app() },
        public(|p| p.grant_types = vec![GrantType::ClientCredentials]),
        NewClient { kind: ClientKind::Public, ..by_key },
        app_with(|p| p.auth_method = AuthMethod::None),
        app_with(|p| p.auth_method = AuthMethod::PrivateKeyJwt),
        app_with(|p| p.redirect_uris.clear()),
        app_with(|p| p.grant_types = vec![GrantType::ClientCredentials]),
        app_with(|p| p.grant_types.clear()),
        app_with(|p| p.name = "  ".into()),
        app_with(|p| p.name = "a\u{7}".into()),
        app_with(|p| {
            p.scopes = ScopeSet::empty();
            p.redirect_uris.clear();
            p.grant_types = vec![GrantType::ClientCredentials];
        }),
        app_with(|p| p.scopes = "nothing".parse().unwrap()),
        app_with(|p| p.website = Some("javascript:alert(1)".into())),
        app_with(|p| p.backchannel_logout_uri = Some("http://app.example.com/out".into())),
        app_with(|p| p.backchannel_logout_uri = Some("https://app.example.com/out#x".into())),
        app_with(|p| p.post_logout_redirect_uris = vec!["https://a.example/".parse().unwrap(); 21]),
        NewClient { audience: Some("http://localhost:8081".parse().unwrap()), ..app() },
        NewClient { kind: ClientKind::ResourceServer, ..app() },
    ] {
        assert!(world.register(bad.clone()).await.is_err(), "{bad:?}");
    }
    // It may still ask users who they are.
    assert!(world.register(app_with(|p| p.scopes = ScopeSet::empty())).await.is_ok());
}

#[tokio::test]
async fn losing_a_scope_ends_what_was_issued_and_gaining_one_does_not() {
    let world = World::new(Backend::Sqlite).await;
    let (client, _) = world.register(app()).await.unwrap();
    let edit_to = |scopes: &str| {
        let profile = Profile { scopes: scopes.parse().unwrap(), ..Profile::of(&client) };
        let act = world.act.clone();
        world.store.write(move |tx| edit(tx, &act, &catalogue(), client.owner, client.id, profile))
    };
    let ended = async || {
        let now = world.act.now;
        let snapshot = world.store.read(move |conn| feed::snapshot(conn, now)).await;
        let snapshot: Result<_, StoreError> = snapshot;
        snapshot.unwrap().ended.len()
    };
    let before = world.store.head();
    edit_to("notes:read notes:write").await.unwrap();
    assert_eq!(ended().await, 0);
    assert!(world.store.head() > before, "what is remembered of it is read anew");
    edit_to("notes:write").await.unwrap();
    assert_eq!(ended().await, 1);
}

#[tokio::test]
async fn others_cannot_touch_an_app_and_nobody_the_built_in_one() {
    let world = World::new(Backend::Sqlite).await;
    let (client, _) = world.register(app()).await.unwrap();
    let stranger = OwnerId::new(world.act.now, &SeededRandom::new(9));
    for (owner, id) in [(stranger, client.id), (builtin_owner(), ClientId::CLI)] {
        let act = world.act.clone();
        let result = world.store.write(move |tx| delete(tx, &act, owner, id)).await;
        assert!(matches!(result, Err(ClientError::NotFound)));
    }
}
