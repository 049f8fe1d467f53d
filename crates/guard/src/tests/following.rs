//! Changes reach every read; what cannot be told is 503, never a yes and never a no.

use std::sync::atomic::Ordering;

use keyway_core::change::Effect;
use keyway_core::clock::Duration;
use keyway_core::facts::State;

use super::*;

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_call() {
    let house = House::new();
    let key = house.key();
    assert_eq!(house.code(key.expose()).await, "ok");
    house.source.change(&key, Effect::Ended, |facts| facts.state = State::Revoked);
    assert_eq!(house.code(key.expose()).await, "revoked");
}

#[tokio::test]
async fn a_suspended_owner_is_noticed_by_all_of_its_keys() {
    let house = House::new();
    let key = house.key();
    house.call(key.expose()).await;
    let owner = caller(&house.call(key.expose()).await).owner();
    house.source.known.lock().get_mut(&key.digest()).unwrap().state = State::OwnerSuspended;
    house.source.publish(EntityKind::Owner, owner.entity(), Effect::Ended);
    assert_eq!(house.code(key.expose()).await, "owner_suspended");
}

#[tokio::test]
async fn a_change_that_has_nothing_to_do_with_a_key_costs_no_look_up() {
    let house = House::new();
    let (one, other) = (house.key(), house.key());
    house.call(one.expose()).await;
    house.call(other.expose()).await;
    house.source.change(&other, Effect::Changed, |_| {});
    assert_eq!(house.code(one.expose()).await, "ok");
    assert_eq!(house.look_ups(), 2);
}

#[tokio::test]
async fn an_answer_read_before_a_revocation_is_not_honoured_after_it() {
    let house = Arc::new(House::new());
    let key = house.key();
    house.guard.inner().follower.keep_up(house.guard.arrive().moment.mono).await;
    let gate = Arc::new(Notify::new());
    *house.source.gate.lock() = Some(Arc::clone(&gate));
    let call = tokio::spawn({
        let (house, key) = (Arc::clone(&house), key.clone());
        async move { house.code(key.expose()).await }
    });
    // The look-up has read that the key is good, and is held up.
    house.source.at_gate.notified().await;
    house.source.change(&key, Effect::Ended, |facts| facts.state = State::Revoked);
    *house.source.gate.lock() = None;
    // Another call applies the change while the look-up is still out.
    house.guard.inner().follower.keep_up(house.guard.arrive().moment.mono).await;
    gate.notify_one();
    assert_eq!(call.await.unwrap(), "revoked");
    assert_eq!(house.code(key.expose()).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_share_one_failure() {
    let house = Arc::new(House::new());
    let key = house.key();
    house.guard.inner().follower.keep_up(house.guard.arrive().moment.mono).await;
    house.source.failing.store(true, Ordering::SeqCst);
    house.source.slow_ms.store(100, Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (house, key) = (Arc::clone(&house), key.clone());
            tokio::spawn(async move { house.code(key.expose()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "cannot_tell");
    }
    assert!(began.elapsed() < std::time::Duration::from_millis(250));
    assert_eq!(house.look_ups(), 1);
    // And is over a second later.
    house.source.failing.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.code(key.expose()).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_share_one_look_up() {
    let house = Arc::new(House::new());
    let key = house.key();
    house.source.slow_ms.store(100, Ordering::SeqCst);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (house, key) = (Arc::clone(&house), key.clone());
            tokio::spawn(async move { house.code(key.expose()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "ok");
    }
    assert_eq!(house.look_ups(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_does_not_end_counts_as_failed() {
    let house = House::new();
    let key = house.key();
    house.source.slow_ms.store(60_000, Ordering::SeqCst);
    assert_eq!(house.code(key.expose()).await, "cannot_tell");
}

#[tokio::test(start_paused = true)]
async fn without_the_feed_nothing_cached_is_believed_for_longer_than_max_staleness() {
    let house = House::new();
    let key = house.key();
    assert_eq!(house.code(key.expose()).await, "ok");
    house.source.feed_failing.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.code(key.expose()).await, "ok");
    assert_eq!(house.look_ups(), 1);
    // From here on the feed has been out of sight for too long: each call asks.
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.code(key.expose()).await, "ok");
    assert_eq!(house.code(key.expose()).await, "ok");
    assert_eq!(house.look_ups(), 2, "the clock stands still: the second answer is as new as the call");
    house.clock.advance(Duration::millis(1));
    house.source.known.lock().get_mut(&key.digest()).unwrap().state = State::Revoked;
    assert_eq!(house.code(key.expose()).await, "revoked");
    assert_eq!(house.look_ups(), 3);
    // And where it cannot ask, it does not know.
    house.source.failing.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::millis(1));
    assert_eq!(house.code(key.expose()).await, "cannot_tell");
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_of_changes_made_elsewhere() {
    let house = House::new();
    let key = house.key();
    let running = house.guard.start();
    assert_eq!(house.code(key.expose()).await, "ok");
    {
        let mut known = house.source.known.lock();
        let facts = known.get_mut(&key.digest()).unwrap();
        facts.state = State::Revoked;
        house.source.publish_unseen(EntityKind::ApiKey, facts.id, Effect::Ended);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(house.code(key.expose()).await, "revoked");
    running.stop().await;
}

#[tokio::test]
async fn an_entry_does_not_live_for_ever() {
    let house = House::new();
    let key = house.key();
    house.call(key.expose()).await;
    house.clock.advance(Duration::minutes(6));
    assert_eq!(house.code(key.expose()).await, "ok");
    assert_eq!(house.look_ups(), 2);
}

/// Revocations, unless `KEYWAY_SOAK_REVOCATIONS` says otherwise.
const REVOCATIONS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_that_begins_after_a_revocation_was_answered_gets_through() {
    let rounds =
        std::env::var("KEYWAY_SOAK_REVOCATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(REVOCATIONS);
    let house = Arc::new(House::new());
    for round in 0..rounds {
        let key = house.key_with(|facts| {
            facts.budgets.own = keyway_core::rate::Limit::Off;
            facts.budgets.owner = None;
        });
        let revoked = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..6)
            .map(|_| {
                let (house, key, revoked) = (Arc::clone(&house), key.clone(), Arc::clone(&revoked));
                tokio::spawn(async move {
                    loop {
                        let after = revoked.load(Ordering::SeqCst);
                        let code = house.code(key.expose()).await;
                        if after {
                            return code;
                        }
                        assert!(code == "ok" || code == "revoked", "{code}");
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        house.source.change(&key, Effect::Ended, |facts| facts.state = State::Revoked);
        revoked.store(true, Ordering::SeqCst);
        for caller in callers {
            assert_eq!(caller.await.unwrap(), "revoked", "round {round}");
        }
    }
}
