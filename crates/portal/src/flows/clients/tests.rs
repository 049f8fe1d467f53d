use std::sync::Arc;

use keyway_core::audience::{Api, ScopeDefinition};
use keyway_core::clock::ManualClock;
use keyway_core::random::SeededRandom;
use keyway_core::{Clock as _, Timestamp};
use keyway_store::Store;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::client_secrets;
use keyway_store::testing::{Backend, TestDatabase};

use super::*;

fn catalogue() -> Catalogue {
    let scope = |name: &str, access| ScopeDefinition {
        name: name.into(),
        description: name.into(),
        access,
        sensitive: false,
        grant: keyway_core::audience::Grantable::Everyone,
    };
    let notes = Api {
        audience: "http://localhost:8081".parse().unwrap(),
        name: "Sample API".into(),
        base_url: "http://localhost:8081".into(),
        openapi: None,
        first_call: None,
        scopes: vec![scope("notes:read", Access::Read), scope("notes:write", Access::Write)],
    };
    Catalogue::new(vec![notes, Catalogue::management("http://localhost:8080").unwrap()])
}

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
        name: "Notebook".into(),
        auth_method: AuthMethod::ClientSecretBasic,
        redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
        post_logout_redirect_uris: vec![],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: "notes:read".parse().unwrap(),
        token_format: TokenFormat::Opaque,
        audience: None,
    }
}

#[tokio::test]
async fn a_confidential_app_gets_a_secret_and_more_up_to_five() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (client, secret) = world.register(app()).await.unwrap();
        let mut digests = vec![secret.unwrap().digest()];
        for _ in 1..MAX_SECRETS {
            let act = world.act.clone();
            let add = move |tx: &mut Tx<'_>| add_secret(tx, &act, &Brand::default(), client.owner, client.id);
            digests.push(world.store.write(add).await.unwrap().digest());
        }
        let act = world.act.clone();
        let one_more =
            move |tx: &mut Tx<'_>| add_secret(tx, &act, &Brand::default(), client.owner, client.id);
        assert!(matches!(world.store.write(one_more).await, Err(ClientError::TooManySecrets)));
        let now = world.clock.now();
        let kept = world.store.read(move |conn| client_secrets::list(conn, client.id, now)).await.unwrap();
        assert!(kept.iter().all(|secret| digests.contains(&secret.digest)));
        assert_eq!(kept.len(), MAX_SECRETS);
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
    let public = NewClient { kind: ClientKind::Public, auth_method: AuthMethod::None, ..app() };
    assert!(world.register(public.clone()).await.is_ok());
    for bad in [
        NewClient { kind: ClientKind::Public, ..app() },
        NewClient { grant_types: vec![GrantType::ClientCredentials], ..public },
        NewClient { auth_method: AuthMethod::None, ..app() },
        NewClient { auth_method: AuthMethod::PrivateKeyJwt, ..app() },
        NewClient { redirect_uris: vec![], ..app() },
        NewClient { name: "  ".into(), ..app() },
        NewClient { name: "a\u{7}".into(), ..app() },
        NewClient { scopes: ScopeSet::empty(), ..app() },
        NewClient { scopes: "nothing".parse().unwrap(), ..app() },
        NewClient { audience: Some("http://localhost:8081".parse().unwrap()), ..app() },
        NewClient { kind: ClientKind::ResourceServer, ..app() },
    ] {
        assert!(world.register(bad.clone()).await.is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn losing_a_scope_ends_what_was_issued_and_gaining_one_does_not() {
    let world = World::new(Backend::Sqlite).await;
    let (client, _) = world.register(app()).await.unwrap();
    let change = |scopes: &str| ClientChange {
        name: client.name.clone(),
        redirect_uris: client.redirect_uris.clone(),
        scopes: scopes.parse().unwrap(),
        token_format: client.token_format,
    };
    let edit_to = |scopes: &str| {
        let (act, change) = (world.act.clone(), change(scopes));
        world.store.write(move |tx| edit(tx, &act, &catalogue(), client.owner, client.id, &change))
    };
    let before = world.store.head();
    edit_to("notes:read notes:write").await.unwrap();
    assert_eq!(world.store.head(), before);
    edit_to("notes:write").await.unwrap();
    assert!(world.store.head() > before);
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
