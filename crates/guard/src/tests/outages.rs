//! A portal that is away, silent, or back again.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration as Span;

use keyway_core::change::Effect;
use keyway_core::clock::Duration;
use keyway_core::facts::State;

use super::*;

#[tokio::test]
async fn a_source_that_fails_is_left_alone_and_asked_by_one_again() {
    let house = House::new();
    let keys: Vec<_> = (0..20).map(|_| house.key()).collect();
    let known = house.key();
    assert_eq!(house.code(known.expose()).await, "ok");
    house.source.failing.store(true, Ordering::SeqCst);
    for key in &keys {
        let verdict = house.call(key.expose()).await;
        assert_eq!(code(&verdict), "cannot_tell");
        assert!(verdict.refusal().unwrap().retry_after() >= Some(1));
    }
    assert_eq!(house.look_ups(), 1 + 5, "the others were not even asked for");
    assert_eq!(house.code(known.expose()).await, "ok", "what is known goes on");
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.code(keys[0].expose()).await, "cannot_tell");
    assert_eq!(house.code(keys[1].expose()).await, "cannot_tell");
    assert_eq!(house.look_ups(), 1 + 6, "one tried again");
    house.source.failing.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(3));
    for key in &keys {
        assert_eq!(house.code(key.expose()).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_portal_the_cache_serves_until_max_staleness_and_then_nobody() {
    let house = House::new();
    let (key, jwt) = (house.key(), house.jwt(0, &[]));
    for credential in [key.expose(), &jwt] {
        assert_eq!(house.code(credential).await, "ok");
    }
    house.source.feed_failing.store(true, Ordering::SeqCst);
    house.source.failing.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(3));
    for credential in [key.expose(), &jwt] {
        assert_eq!(house.code(credential).await, "ok");
    }
    house.clock.advance(Duration::millis(1));
    for credential in [key.expose(), &jwt] {
        let verdict = house.call(credential).await;
        assert_eq!(code(&verdict), "cannot_tell");
        assert!(verdict.refusal().unwrap().retry_after() >= Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_holds_up_the_first_caller_and_no_other() {
    let house = House::new();
    let key = house.key();
    assert_eq!(house.code(key.expose()).await, "ok");
    house.source.feed_silent.store(true, Ordering::SeqCst);
    house.source.change(&key, Effect::Ended, |facts| facts.state = State::Revoked);
    house.clock.advance(Duration::seconds(4));
    let began = tokio::time::Instant::now();
    assert_eq!(house.code(key.expose()).await, "revoked");
    assert!(began.elapsed() <= Span::from_secs(2));
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(house.code(key.expose()).await, "revoked");
    }
    assert_eq!(began.elapsed(), Span::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_follower_gives_a_silent_feed_up_and_asks_anew() {
    let house = House::new();
    let key = house.key();
    let running = house.guard.start();
    assert_eq!(house.code(key.expose()).await, "ok");
    house.source.feed_silent.store(true, Ordering::SeqCst);
    tokio::time::sleep(Span::from_secs(3)).await;
    house.source.feed_silent.store(false, Ordering::SeqCst);
    house.source.known.lock().get_mut(&key.digest()).unwrap().state = State::Revoked;
    let id = house.source.known.lock()[&key.digest()].id;
    house.source.publish_unseen(EntityKind::ApiKey, id, Effect::Ended);
    tokio::time::sleep(Span::from_secs(4)).await;
    assert_eq!(house.code(key.expose()).await, "revoked");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn twenty_guards_do_not_come_back_as_one() {
    let house = House::new();
    house.source.feed_failing.store(true, Ordering::SeqCst);
    let guards: Vec<_> = (0..20)
        .map(|seed| {
            let settings = house.guard.settings().clone();
            let (source, clock) = (Arc::clone(&house.source), Arc::clone(&house.clock));
            Guard::new(settings, source, None, clock, Arc::new(SeededRandom::new(seed)))
        })
        .collect();
    // They have followed for a while when it fails, as one.
    house.source.feed_failing.store(false, Ordering::SeqCst);
    let running: Vec<_> = guards.iter().map(Guard::start).collect();
    tokio::time::sleep(Span::from_secs(2)).await;
    house.source.feed_failing.store(true, Ordering::SeqCst);
    tokio::time::sleep(Span::from_secs(10)).await;
    house.source.feed_asked.lock().clear();
    tokio::time::sleep(Span::from_secs(10)).await;
    let asked = house.source.feed_asked.lock().clone();
    assert!(asked.len() < 20 * 10 * 2, "{} questions in ten seconds", asked.len());
    house.source.feed_failing.store(false, Ordering::SeqCst);
    house.source.feed_asked.lock().clear();
    let back = tokio::time::Instant::now();
    tokio::time::sleep(Span::from_secs(1)).await;
    let first = house.source.feed_asked.lock().iter().take(20).copied().collect::<Vec<_>>();
    let slots: HashSet<_> = first.iter().map(|at| at.duration_since(back).as_millis() / 25).collect();
    assert!(first.len() == 20 && slots.len() >= 8, "{slots:?}");
    for guard in running {
        guard.stop().await;
    }
}

#[tokio::test]
async fn unknown_signing_keys_cost_the_portal_nothing() {
    let house = House::new();
    assert_eq!(house.code(&house.jwt(0, &[])).await, "ok");
    let read = house.source.keys_read.load(Ordering::SeqCst);
    let der = generate_key(Algorithm::Es256).unwrap();
    let foreign =
        House { signer: SigningKey::from_pkcs8("key-9", Algorithm::Es256, &der).unwrap(), ..House::new() };
    for _ in 0..100 {
        assert_eq!(house.code(&foreign.jwt(0, &[])).await, "invalid_credential");
    }
    assert_eq!(house.source.keys_read.load(Ordering::SeqCst), read);
    assert_eq!(house.look_ups(), 0);
}
