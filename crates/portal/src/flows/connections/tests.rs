//! Whose an identity is, on both databases.

use std::sync::Arc;

use keyway_core::change::EntityKind;
use keyway_core::facts::LimitDefaults;
use keyway_core::ids::OwnerId;
use keyway_core::outside::OutsideToken;
use keyway_core::random::SeededRandom;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::{Random, change::Position};
use keyway_store::seal::MasterKey;
use keyway_store::tables::accounts as rows;
use keyway_store::tables::accounts::StoredPassword;
use keyway_store::tables::audit::Actor;
use keyway_store::testing::{Backend, START, TestDatabase};
use keyway_store::{Store, feed};

use super::*;
use crate::flows::Act;
use crate::flows::accounts::{self, Also, NewAccount, SignInError};
use crate::flows::inputs::Email;
use crate::flows::tokens::outside;
use crate::outside::Verified;
use crate::providers::{ClaimNames, Kind, Provider, ProviderEmail, Tokens};
use crate::render::Mail;
use crate::settings::VerifyEmail;
use crate::testing::silent;

struct World {
    backend: Backend,
    _database: TestDatabase,
    store: Store,
    random: Arc<SeededRandom>,
    master_key: MasterKey,
}

fn worlds() -> impl Iterator<Item = World> {
    Backend::ALL.into_iter().map(|backend| {
        let database = TestDatabase::new(backend);
        let (store, _clock) = database.store_at_start();
        let (random, master_key) = (Arc::new(SeededRandom::new(1)), MasterKey::from_slice(&[7; 32]).unwrap());
        World { backend, _database: database, store, random, master_key }
    })
}

fn provider(id: &str, demo: bool) -> Arc<Provider> {
    let definition = Definition {
        id: id.parse().unwrap(),
        kind: Kind::Oidc,
        label: None,
        issuer: Some(format!("https://{id}.example")),
        client_id: "keyway".into(),
        client_secret: None,
        scopes: Vec::new(),
        sign_up: true,
        email_domains: Vec::new(),
        keep_tokens: true,
        tenants: Vec::new(),
        endpoints: None,
        claims: ClaimNames::default(),
        demo,
    };
    Arc::new(Provider::new(definition).unwrap())
}

fn letter() -> Mail {
    Mail { subject: "Subject".into(), text: "text".into(), html: "html".into() }
}

impl World {
    fn act(&self) -> Act {
        let random: Arc<dyn Random> = self.random.clone();
        Act { now: START, random, actor: Actor::system(), address: None }
    }

    fn keeping(&self, provider: &Arc<Provider>, subject: &str, verified: bool) -> Keeping {
        let identity = Identity {
            issuer: provider.definition().issuer.clone().unwrap(),
            subject: subject.into(),
            account: "ada".into(),
            name: Some("Ada".into()),
            email: Some(ProviderEmail { address: Email::parse("ada@example.com").unwrap(), verified }),
            auth_time: None,
            scopes: vec!["openid".into()],
            tokens: Some(Tokens {
                access: PlainSecret::new("access"),
                refresh: None,
                expires_at: None,
                scopes: Vec::new(),
            }),
        };
        Keeping { provider: Arc::clone(provider), identity, master_key: self.master_key.clone() }
    }

    fn account(&self, email: &str, password: bool, verified: bool) -> NewAccount {
        NewAccount {
            id: OwnerId::new(START, &*self.random),
            email: Email::parse(email).unwrap(),
            name: "Ada".into(),
            password: password.then(|| StoredPassword::new("hash".into())),
            verified,
            is_admin: false,
        }
    }

    async fn make(&self, email: &str, verified: bool) -> OwnerId {
        let (act, new) = (self.act(), self.account(email, true, verified));
        let id = new.id;
        self.store.write(move |tx| accounts::create(tx, &act, &new)).await.unwrap();
        id
    }

    async fn sign_up(&self, keeping: &Keeping) -> Result<OwnerId, SignUpThereError> {
        let (act, keeping) = (self.act(), keeping.clone());
        let verified = keeping.identity.email.as_ref().unwrap().verified;
        let new = self.account("ada@example.com", false, verified);
        let id = new.id;
        self.store
            .write(move |tx| sign_up(tx, &act, VerifyEmail::BeforeLiveKey, &new, &keeping))
            .await
            .map(|()| id)
    }

    async fn connect(&self, owner: OwnerId, keeping: &Keeping) -> Result<Connected, ConnectError> {
        let (act, keeping) = (self.act(), keeping.clone());
        self.store.write(move |tx| connect(tx, &act, owner, &keeping, &letter())).await
    }

    async fn disconnect(&self, owner: OwnerId, provider: &str) -> Result<Connection, DisconnectError> {
        let id = self.of(owner).await.into_iter().find(|one| one.provider == provider).unwrap().id;
        let (act, demo) = (self.act(), DemoIdentities::Ignored);
        let works = |id: &str| id != "gone";
        self.store.write(move |tx| disconnect(tx, &act, owner, id, demo, works, &letter())).await
    }

    async fn of(&self, owner: OwnerId) -> Vec<Connection> {
        let demo = DemoIdentities::Counted;
        let all: Result<_, StoreError> =
            self.store.read(move |conn| connections::of_owner(conn, owner, demo)).await;
        all.unwrap()
    }

    async fn find(&self, keeping: &Keeping) -> Found {
        let keeping = keeping.clone();
        let found: Result<_, StoreError> = self
            .store
            .read(move |conn| find(conn, keeping.definition(), VerifyEmail::BeforeLiveKey, &keeping.identity))
            .await;
        found.unwrap()
    }
}

#[actix_web::test]
async fn an_account_made_by_a_provider_is_found_by_issuer_and_subject() {
    for world in worlds() {
        let there = provider("there", false);
        let ada = world.keeping(&there, "1", true);
        assert!(matches!(world.find(&ada).await, Found::Nobody), "{:?}", world.backend);
        let owner = world.sign_up(&ada).await.unwrap();
        let Found::Connected(found) = world.find(&ada).await else { panic!("{:?}", world.backend) };
        assert_eq!((found.0.owner, found.0.account.as_str()), (owner, "ada"));
        assert!(found.0.tokens.is_some_and(|tokens| tokens.sealed.len() > 20), "kept, and sealed");
        // The same address with another subject is another person, who clashes with the first.
        assert!(matches!(world.find(&world.keeping(&there, "2", true)).await, Found::Clash));
        assert!(matches!(world.find(&world.keeping(&there, "2", false)).await, Found::Nobody));
        let again = world.sign_up(&world.keeping(&there, "2", true)).await;
        assert!(matches!(again, Err(SignUpThereError::Taken)), "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn an_unverified_account_makes_room_for_who_verified_the_address_elsewhere() {
    for world in worlds() {
        let squatter = world.make("ada@example.com", false).await;
        let ada = world.keeping(&provider("there", false), "1", true);
        assert!(matches!(world.find(&ada).await, Found::Nobody), "{:?}", world.backend);
        let owner = world.sign_up(&ada).await.unwrap();
        assert_ne!(owner, squatter);
        let gone: Result<_, StoreError> = world.store.read(move |conn| rows::find(conn, squatter)).await;
        assert_eq!(gone.unwrap(), None, "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn an_address_that_nobody_verified_takes_no_account_over() {
    for world in worlds() {
        world.make("ada@example.com", false).await;
        let ada = world.keeping(&provider("there", false), "1", false);
        let made = world.sign_up(&ada).await;
        assert!(matches!(made, Err(SignUpThereError::Taken)), "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn a_suspended_account_lets_nobody_in_by_a_provider() {
    for world in worlds() {
        let ada = world.keeping(&provider("there", false), "1", true);
        let owner = world.sign_up(&ada).await.unwrap();
        let act = world.act();
        world.store.write(move |tx| accounts::suspend(tx, &act, owner)).await.unwrap();
        let connection = world.of(owner).await.remove(0).id;
        let (act, who) = (world.act(), SignedInThere { connection, keeping: ada, notice: None });
        let result = world.store.write(move |tx| sign_in(tx, &act, VerifyEmail::Never, &who)).await;
        assert!(matches!(result, Err(SignInError::Suspended)), "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn an_identity_belongs_to_one_account_and_an_account_has_one_at_a_provider() {
    for world in worlds() {
        let there = provider("there", false);
        let (ada, grace) =
            (world.make("ada@example.com", true).await, world.make("grace@example.com", true).await);
        let first = world.keeping(&there, "1", true);
        assert_eq!(world.connect(ada, &first).await.unwrap(), Connected::Now, "{:?}", world.backend);
        assert_eq!(world.connect(ada, &first).await.unwrap(), Connected::Again, "{:?}", world.backend);
        assert!(matches!(world.connect(grace, &first).await, Err(ConnectError::Elsewhere)));
        let second = world.keeping(&there, "2", true);
        assert!(matches!(world.connect(ada, &second).await, Err(ConnectError::Another)));
        assert_eq!(world.of(ada).await.len(), 1);
    }
}

#[actix_web::test]
async fn the_last_way_in_stays_whoever_asks_at_once() {
    for world in worlds() {
        let (here, there) = (provider("here", false), provider("there", false));
        let owner = world.sign_up(&world.keeping(&here, "1", true)).await.unwrap();
        let alone = world.disconnect(owner, "here").await;
        assert!(matches!(alone, Err(DisconnectError::LastWayIn)), "{:?}", world.backend);
        world.connect(owner, &world.keeping(&there, "1", true)).await.unwrap();
        let (a, b) = futures_util::join!(world.disconnect(owner, "here"), world.disconnect(owner, "there"));
        assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|done| **done).count(), 1, "{:?}", world.backend);
        assert_eq!(world.of(owner).await.len(), 1, "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn a_provider_that_is_not_set_up_and_a_demo_identity_are_no_way_in() {
    for world in worlds() {
        let owner = world.sign_up(&world.keeping(&provider("here", false), "1", true)).await.unwrap();
        for other in [provider("gone", false), provider("demo", true)] {
            world.connect(owner, &world.keeping(&other, "1", true)).await.unwrap();
            let result = world.disconnect(owner, "here").await;
            assert!(matches!(result, Err(DisconnectError::LastWayIn)), "{:?}", world.backend);
        }
    }
}

#[actix_web::test]
async fn disconnecting_is_told_to_the_guards() {
    for world in worlds() {
        let ada = world.make("ada@example.com", true).await;
        world.connect(ada, &world.keeping(&provider("there", false), "1", true)).await.unwrap();
        let before = world.store.head();
        let ended = world.disconnect(ada, "there").await.unwrap();
        let page: Result<_, StoreError> = world
            .store
            .read(move |conn| {
                let epoch = feed::head(conn)?.epoch;
                feed::page_after(conn, &epoch, Position(before.0), feed::MAX_PAGE)
            })
            .await;
        let told = page.unwrap().changes;
        let is_it = |kind, id| kind == EntityKind::Connection && id == ended.id.entity();
        assert!(told.iter().any(|change| is_it(change.kind, change.id)), "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn an_outside_token_speaks_for_nobody_who_has_yet_to_show_their_address() {
    for world in worlds() {
        let owner = world.make("ada@example.com", false).await;
        let ada = world.keeping(&provider("there", false), "1", false);
        world.connect(owner, &ada).await.unwrap();
        let calls = async |verify_email| {
            let verified = Verified {
                issuer: ada.identity.issuer.as_str().into(),
                api: "https://api.example.com".parse().unwrap(),
                demo: DemoIdentities::Ignored,
                verify_email,
                digest: SecretDigest::of(b"token"),
                token: OutsideToken {
                    subject: ada.identity.subject.clone(),
                    scopes: ScopeSet::empty(),
                    not_before: START,
                    expires_at: START + Duration::minutes(5),
                    bound_to: None,
                },
            };
            let read = move |conn: &mut Conn| outside::facts(conn, &LimitDefaults::default(), &verified);
            let found: Result<_, StoreError> = world.store.read(read).await;
            found.unwrap().is_some()
        };
        assert!(!calls(VerifyEmail::BeforeLiveKey).await, "{:?}", world.backend);
        assert!(!calls(VerifyEmail::BeforeSignIn).await, "{:?}", world.backend);
        assert!(calls(VerifyEmail::Never).await, "{:?}", world.backend);
        let shown =
            world.store.write(move |tx| rows::verify_email(tx.conn(), owner, "ada@example.com", START));
        let shown: Result<bool, StoreError> = shown.await;
        assert!(shown.unwrap() && calls(VerifyEmail::BeforeLiveKey).await, "{:?}", world.backend);
    }
}

#[actix_web::test]
async fn a_new_password_disconnects_what_an_intruder_connected_if_asked() {
    for world in worlds() {
        let owner = world.make("ada@example.com", true).await;
        world.connect(owner, &world.keeping(&provider("there", false), "1", true)).await.unwrap();
        for (connections, left) in [(false, 1), (true, 0)] {
            let (act, also) = (world.act(), Also { connections, ..Also::default() });
            let (password, here) = (StoredPassword::new("new".into()), SessionId::new(START, &*world.random));
            world
                .store
                .write(move |tx| accounts::change_password(tx, &act, owner, &password, here, also, &silent()))
                .await
                .unwrap();
            assert_eq!(world.of(owner).await.len(), left, "{:?}", world.backend);
        }
    }
}
