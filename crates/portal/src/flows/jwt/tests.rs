use std::sync::Arc;

use keyway_core::clock::ManualClock;
use keyway_core::jwt::{Algorithm, KeyState, Purpose};
use keyway_core::random::SeededRandom;
use keyway_core::{Clock as _, Duration};
use keyway_store::seal::MasterKey;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::signing_keys;
use keyway_store::testing::{Backend, TestDatabase};
use keyway_store::{Store, StoreError};

use super::*;
use crate::flows::Act;

const PURPOSE: Purpose = Purpose::AccessToken;

struct Ring {
    _database: TestDatabase,
    store: Store,
    clock: Arc<ManualClock>,
    ring: KeyRing,
    random: Arc<SeededRandom>,
}

impl Ring {
    fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let master = MasterKey::from_slice(&[7; 32]).unwrap();
        let ring = KeyRing::new(master, Algorithm::Es256);
        Self { _database: database, store, clock, ring, random: Arc::new(SeededRandom::new(1)) }
    }
    fn act(&self) -> Act {
        let random = Arc::clone(&self.random) as _;
        Act { now: self.clock.now(), random, actor: Actor::system(), address: None }
    }
    async fn ensure(&self) {
        ensure(&self.store, &self.ring, self.act(), &[PURPOSE]).await.unwrap();
    }
    async fn states(&self) -> Vec<(String, KeyState)> {
        let keys = self.store.read(|conn| signing_keys::list(conn, 10)).await.unwrap();
        keys.iter().map(|key| (key.kid().to_owned(), key.state)).collect()
    }
    async fn kid_of(&self, state: KeyState) -> String {
        self.states().await.into_iter().find(|(_, s)| *s == state).unwrap().0
    }
    async fn signing(&self) -> String {
        let ring = self.ring.clone();
        let key = self.store.read::<_, RingError, _>(move |conn| ring.current(conn, PURPOSE)).await.unwrap();
        key.kid().to_owned()
    }
    async fn published(&self) -> usize {
        self.store.read::<_, StoreError, _>(jwks).await.unwrap().keys.len()
    }
}

#[tokio::test]
async fn the_first_start_makes_one_key_that_signs_and_one_that_will() {
    for backend in Backend::ALL {
        let it = Ring::new(backend);
        it.ensure().await;
        it.ensure().await;
        assert_eq!(it.states().await.len(), 2);
        assert_eq!(it.signing().await, it.kid_of(KeyState::Current).await);
        assert_eq!(it.published().await, 2);
    }
}

#[tokio::test]
async fn two_processes_that_start_at_once_agree_on_one_key() {
    for backend in Backend::ALL {
        let it = Ring::new(backend);
        tokio::join!(it.ensure(), it.ensure());
        let current = it.states().await.into_iter().filter(|(_, s)| *s == KeyState::Current).count();
        assert_eq!(current, 1);
    }
}

#[tokio::test]
async fn a_key_signs_for_thirty_days_and_verifies_an_hour_longer() {
    let it = Ring::new(Backend::Sqlite);
    it.ensure().await;
    let (first, next) = (it.kid_of(KeyState::Current).await, it.kid_of(KeyState::Next).await);
    it.clock.advance(ROTATION_PERIOD);
    it.ensure().await;
    assert_eq!(it.signing().await, next);
    assert_eq!(it.kid_of(KeyState::Retiring).await, first);
    assert_eq!(it.published().await, 3);
    it.clock.advance(Duration::minutes(61));
    it.ensure().await;
    assert_eq!(it.kid_of(KeyState::Retired).await, first);
    assert_eq!(it.published().await, 2);
}

#[tokio::test]
async fn a_next_key_signs_by_hand_once_every_verifier_can_have_it() {
    let it = Ring::new(Backend::Sqlite);
    it.ensure().await;
    let next = it.kid_of(KeyState::Next).await;
    let refused = rotate(&it.store, &it.ring, it.act(), PURPOSE, false).await;
    assert!(matches!(refused, Err(RotationError::TooSoon(_))));
    it.clock.advance(PUBLISHED_AHEAD);
    assert_eq!(rotate(&it.store, &it.ring, it.act(), PURPOSE, false).await.unwrap(), next);
    assert_eq!(it.signing().await, next);
    let again = it.kid_of(KeyState::Next).await;
    assert_eq!(rotate(&it.store, &it.ring, it.act(), PURPOSE, true).await.unwrap(), again);
}

#[tokio::test]
async fn a_revoked_key_signs_no_more_and_is_not_published() {
    for backend in Backend::ALL {
        let it = Ring::new(backend);
        it.ensure().await;
        let (first, next) = (it.signing().await, it.kid_of(KeyState::Next).await);
        let head = it.store.head();
        assert_eq!(revoke(&it.store, &it.ring, it.act(), first.clone()).await.unwrap(), next);
        assert!(it.store.head() > head);
        assert_eq!(it.signing().await, next);
        let jwks = it.store.read::<_, StoreError, _>(jwks).await.unwrap();
        assert!(jwks.keys.iter().all(|key| key.kid != first));
        let again = revoke(&it.store, &it.ring, it.act(), first).await;
        assert!(matches!(again, Err(RotationError::AlreadyRevoked(_))));
        let unknown = revoke(&it.store, &it.ring, it.act(), "x".into()).await;
        assert!(matches!(unknown, Err(RotationError::Unknown(_))));
    }
}

#[tokio::test]
async fn an_imported_key_is_the_next_one() {
    let it = Ring::new(Backend::Sqlite);
    it.ensure().await;
    // RFC 8037 appendix A.1.
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","kid":"own","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(import(&it.store, &it.ring, it.act(), jwk, None).await.unwrap(), "own");
    assert!(matches!(
        import(&it.store, &it.ring, it.act(), jwk, None).await,
        Err(RotationError::Taken(kid)) if kid == "own"
    ));
    it.clock.advance(PUBLISHED_AHEAD);
    assert_eq!(rotate(&it.store, &it.ring, it.act(), PURPOSE, false).await.unwrap(), "own");
    assert_eq!(it.signing().await, "own");
}

#[tokio::test]
async fn id_tokens_have_a_line_of_keys_for_each_algorithm() {
    for backend in Backend::ALL {
        let it = Ring::new(backend);
        ensure(&it.store, &it.ring, it.act(), &Purpose::ALL).await.unwrap();
        assert_eq!(it.published().await, 8);
        for purpose in Purpose::ALL {
            let ring = it.ring.clone();
            let current =
                it.store.read::<_, RingError, _>(move |conn| ring.current(conn, purpose)).await.unwrap();
            assert_eq!(current.algorithm(), it.ring.algorithm(purpose));
        }
        // What one line does is nothing to the others.
        let purpose = Purpose::IdToken(Algorithm::EdDsa);
        let before = it.signing().await;
        rotate(&it.store, &it.ring, it.act(), purpose, true).await.unwrap();
        assert_eq!(it.signing().await, before);
        assert_eq!(it.published().await, 9);
    }
}

#[tokio::test]
async fn an_imported_rsa_key_is_for_id_tokens_unless_told_otherwise() {
    let it = Ring::new(Backend::Sqlite);
    it.ensure().await;
    let jwk = include_str!("tests/rsa.jwk");
    assert_eq!(import(&it.store, &it.ring, it.act(), jwk, None).await.unwrap(), "rsa-for-tests");
    let next = it
        .store
        .read(|conn| signing_keys::in_state(conn, Purpose::IdToken(Algorithm::Rs256), KeyState::Next))
        .await
        .unwrap();
    assert_eq!(next.len(), 1);
    // The line of access tokens keeps its own next key.
    assert_eq!(it.published().await, 3);
}
