use std::sync::Arc;

use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::random::SeededRandom;
use keyway_store::Store;
use keyway_store::testing::{Backend, START, TestDatabase};

use super::*;

struct World {
    // Held for its folder or database.
    _database: TestDatabase,
    store: Store,
    random: Arc<SeededRandom>,
    to: Destination,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let (store, _clock) = database.store_at_start();
        let random = Arc::new(SeededRandom::new(3));
        let owner = OwnerId::new(START, &*random);
        let row = Owner {
            id: owner,
            kind: OwnerKind::Person,
            name: "Ada".into(),
            suspended_at: None,
            rate: None,
            created_at: START,
        };
        store.write(move |tx| owners::insert(tx.conn(), &row)).await.unwrap();
        let session = SessionId::new(START, &*random);
        let to = Destination { owner, session, target: EntityId::new(START, &*random) };
        Self { _database: database, store, random, to }
    }

    /// What the handler of a form does: the target it leads to, and the cookie's key.
    async fn submit(&self, submission: &Submission, to: Destination) -> (EntityId, CookieKey) {
        let (submission, random) = (submission.clone(), Arc::clone(&self.random));
        self.store
            .write(move |tx| {
                if let Some(before) = sent_before(tx, to.owner, to.session, &submission)? {
                    return Ok(before);
                }
                let plain = PlainSecret::new("keyway_live_secret");
                put(tx, START, &*random, &submission, to, &plain).map(|key| (to.target, key))
            })
            .await
            .map_err(|error: StoreError| error)
            .unwrap()
    }

    async fn take(&self, now: Timestamp, from: Destination, cookie: Option<CookieKey>) -> Option<String> {
        let taken = self.store.write(move |tx| take(tx, now, from, cookie.as_ref()));
        match taken.await.map_err(|error: StoreError| error).unwrap() {
            Shown::Once(plain) => Some(plain.expose().to_owned()),
            Shown::AlreadyShown => None,
        }
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_only_with_its_cookie() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (target, cookie) = world.submit(&Submission::new(&*world.random), world.to).await;
        assert_eq!(target, world.to.target);
        assert_eq!(world.take(START, world.to, None).await, None);
        let (_, other) = world
            .submit(
                &Submission::new(&*world.random),
                Destination { target: EntityId::new(START, &*world.random), ..world.to },
            )
            .await;
        assert_eq!(world.take(START, world.to, Some(other)).await, None);
        let elsewhere = Destination { session: SessionId::new(START, &*world.random), ..world.to };
        assert_eq!(world.take(START, elsewhere, Some(cookie.clone())).await, None);
        // None of those erased it.
        let read = CookieKey::parse(cookie.value());
        assert_eq!(world.take(START, world.to, read.clone()).await.as_deref(), Some("keyway_live_secret"));
        assert_eq!(world.take(START, world.to, read).await, None);
    }
}

#[tokio::test]
async fn after_five_minutes_it_is_gone() {
    let world = World::new(Backend::Sqlite).await;
    let (_, cookie) = world.submit(&Submission::new(&*world.random), world.to).await;
    assert_eq!(world.take(START + LIFETIME, world.to, Some(cookie)).await, None);
}

#[tokio::test]
async fn a_double_submit_makes_one_thing_and_either_answer_shows_it() {
    for backend in Backend::ALL {
        let world = Arc::new(World::new(backend).await);
        let submission = Submission::parse(Submission::new(&*world.random).field()).unwrap();
        let mut at_once = Vec::new();
        for _ in 0..2 {
            let (world, submission) = (Arc::clone(&world), submission.clone());
            let target = EntityId::new(START, &*world.random);
            at_once.push(tokio::spawn(async move {
                world.submit(&submission, Destination { target, ..world.to }).await
            }));
        }
        let mut answers = Vec::new();
        for one in at_once {
            answers.push(one.await.unwrap());
        }
        assert_eq!(answers[0].0, answers[1].0);
        assert_eq!(answers[0].1.value(), answers[1].1.value());
        let from = Destination { target: answers[0].0, ..world.to };
        assert!(world.take(START, from, Some(answers[1].1.clone())).await.is_some());
    }
}

#[test]
fn what_is_no_submission_or_cookie_is_refused() {
    for bad in ["", "x", "AAAA", &"A".repeat(44)] {
        assert!(Submission::parse(bad).is_none() && CookieKey::parse(bad).is_none(), "{bad}");
    }
}
