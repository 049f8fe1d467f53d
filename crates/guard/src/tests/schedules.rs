//! Every interleaving, or many: callers, a revocation and the feed, on the guard itself, one step at a time.
//!
//! `KEYWAY_SOAK_SCHEDULES` says how many are tried. Two ways to get it wrong are kept: they must be found.

use std::sync::OnceLock;

use keyway_core::clock::Monotonic;
use keyway_core::record::RecordBatch;
use shuttle::rand::Rng as _;
use shuttle::sync::atomic::AtomicBool as Tried;

use super::*;
use crate::freshness::{Freshness, Stamp};
use crate::sync::Fault;

/// How many schedules are tried, unless `KEYWAY_SOAK_SCHEDULES` says otherwise.
const SCHEDULES: usize = 1_000;

/// The source, whose answers are old by the time they arrive: others run between the reading and the answer.
struct Slow {
    source: Arc<Source>,
    /// For how many steps of others an answer is on its way at most.
    slow: usize,
    /// Told of every change before the guard applies it: see [`Fault::Removed`].
    on_change: OnceLock<Box<dyn Fn(EntityId) + Send + Sync>>,
}

impl CredentialSource for Slow {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(async move {
            others(1).await;
            let found = self.source.api_key(presented).await;
            others(self.slow).await;
            found
        })
    }
    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        self.api_key(presented)
    }
    fn jwt_ended<'a>(
        &'a self,
        presented: Presented<'a>,
        ids: &'a [EntityId],
        since: Position,
    ) -> Pending<'a, bool> {
        self.source.jwt_ended(presented, ids, since)
    }
    fn counted<'a>(
        &'a self,
        presented: Presented<'a>,
        facts: &'a Facts,
        at: Timestamp,
    ) -> Pending<'a, Vec<Counted>> {
        self.source.counted(presented, facts, at)
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        self.source.verification_keys()
    }
    fn changes<'a>(&'a self, epoch: &'a Epoch, after: Position, wait: Duration) -> Pending<'a, FeedPage> {
        Box::pin(async move {
            let page = self.source.changes(epoch, after, wait).await?;
            shuttle::future::yield_now().await;
            if let Some(tell) = self.on_change.get() {
                page.changes.iter().for_each(|change| tell(change.id));
            }
            Ok(page)
        })
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        self.source.snapshot()
    }
    fn head(&self) -> Position {
        shuttle::thread::yield_now();
        self.source.head()
    }
}

impl RecordSink for Slow {
    fn store<'a>(&'a self, batch: &'a RecordBatch) -> Pending<'a, Vec<Counted>> {
        RecordSink::store(&*self.source, batch)
    }
}

/// Lets others run, for up to `most` steps.
async fn others(most: usize) {
    for _ in 0..shuttle::rand::thread_rng().gen_range(0..=most) {
        shuttle::future::yield_now().await;
    }
}

/// What is presented, and how it is taken away.
#[derive(Clone, Copy)]
enum What {
    Key,
    Jwt,
}

/// One schedule: three callers, one of whom revokes between two calls. Answers whether a call that began after the
/// revocation was answered got through.
fn one_schedule(what: What, fault: Option<Fault>) -> bool {
    let mut slow = None;
    // Races between look-ups take long ones, races between applying and reading short ones.
    let steps = if shuttle::rand::thread_rng().gen_bool(0.5) { 60 } else { 1 };
    let house = House::around(
        |source| Arc::clone(slow.insert(Arc::new(Slow { source, slow: steps, on_change: OnceLock::new() }))),
        |settings| (settings.known, settings.unknown) = (8, 8),
    );
    let house = Arc::new(house);
    if let Some(fault) = fault {
        house.guard.inner().freshness.fault.set(fault).unwrap();
    }
    if fault == Some(Fault::Removed) {
        // Weak, or the guard would hold itself.
        let guard = Arc::downgrade(&house);
        let remove = move |id| {
            if let Some(house) = guard.upgrade() {
                house.guard.inner().cache.remove(id);
            }
        };
        assert!(slow.unwrap().on_change.set(Box::new(remove)).is_ok());
    }
    let key = house.key();
    let family = house.some_id();
    let credential = match what {
        What::Key => key.expose().to_owned(),
        What::Jwt => house.jwt(0, &[family]),
    };
    // The feed's position is known before anybody calls.
    let arrived = house.guard.arrive().moment.mono;
    shuttle::future::block_on(house.guard.inner().follower.keep_up(arrived));
    let revoked = Arc::new(Tried::new(false));
    let got_through = Arc::new(AtomicBool::new(false));
    let caller = |calls: usize| {
        let (house, credential) = (Arc::clone(&house), credential.clone());
        let (revoked, got_through) = (Arc::clone(&revoked), Arc::clone(&got_through));
        shuttle::future::spawn(async move {
            for _ in 0..calls {
                let after = revoked.load(Ordering::SeqCst);
                if house.code(&credential).await == "ok" && after {
                    got_through.store(true, Ordering::SeqCst);
                }
            }
        })
    };
    let callers = [caller(3), caller(2)];
    // The callers may be anywhere when it happens.
    shuttle::future::block_on(others(80));
    match what {
        What::Key => house.source.change(&key, Effect::Ended, |facts| facts.state = State::Revoked),
        What::Jwt => house.source.publish(EntityKind::Family, family, Effect::Ended),
    }
    revoked.store(true, Ordering::SeqCst);
    shuttle::future::block_on(async {
        for caller in callers.into_iter().chain([caller(1)]) {
            caller.await.unwrap();
        }
    });
    got_through.load(Ordering::SeqCst)
}

/// In how many schedules a call got through after the revocation.
fn wrong(what: What, fault: Option<Fault>) -> usize {
    let asked = std::env::var("KEYWAY_SOAK_SCHEDULES").ok().and_then(|n| n.parse().ok());
    let schedules = asked.unwrap_or(SCHEDULES);
    let wrong = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wrong);
    shuttle::check_random(
        move || {
            let got_through = one_schedule(what, fault);
            counted.fetch_add(usize::from(got_through), Ordering::SeqCst);
            // Fails here, so that the schedule is printed and can be replayed.
            assert!(fault.is_some() || !got_through, "a call got through after the revocation");
        },
        schedules,
    );
    let found = wrong.load(Ordering::SeqCst);
    println!("{found} of {schedules} schedules wrong");
    found
}

#[test]
fn no_schedule_lets_a_revoked_key_through() {
    assert_eq!(wrong(What::Key, None), 0);
}

#[test]
fn no_schedule_lets_a_jwt_of_an_ended_family_through() {
    assert_eq!(wrong(What::Jwt, None), 0);
}

#[test]
fn a_stamp_taken_after_the_look_up_is_found_wrong() {
    assert!(wrong(What::Key, Some(Fault::StampedAfter)) > 0);
}

#[test]
fn removal_in_place_of_stamps_is_found_wrong() {
    assert!(wrong(What::Key, Some(Fault::Removed)) > 0);
}

#[test]
fn who_sees_a_position_sees_its_change() {
    let one = || {
        let id = EntityId::new(START, &SeededRandom::new(1));
        let at = |head| FeedHead { epoch: Epoch("one".into()), head: Position(head), tail: Position(0) };
        let change = Change {
            position: Position(1),
            kind: EntityKind::ApiKey,
            id,
            effect: Effect::Ended,
            relevant_until: START + NewChange::RELEVANCE,
        };
        let freshness = Arc::new(Freshness::new(8, 8));
        freshness.start_over(&FeedSnapshot { at: at(0), ended: Vec::new() }, Monotonic(0));
        let before = Stamp::at(freshness.now());
        let page = FeedPage { at: at(1), changes: vec![change] };
        let applying = shuttle::thread::spawn({
            let freshness = Arc::clone(&freshness);
            move || freshness.apply(&page, Position(0), Monotonic(1)).unwrap()
        });
        if freshness.position() == Position(1) {
            assert!(!freshness.is_good(&before, [id]));
        }
        applying.join().unwrap();
    };
    shuttle::check_random(one, SCHEDULES);
}
