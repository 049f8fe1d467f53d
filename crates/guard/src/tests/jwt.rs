//! JWTs: verified once, ended by whatever they descend from.

use std::sync::atomic::Ordering;

use keyway_core::change::{Effect, EntityKind};
use keyway_core::clock::Duration;
use keyway_core::jwt::key_entity;
use keyway_core::principal::CheckedBy;

use super::*;
use crate::JwtSignature;

#[tokio::test]
async fn a_jwt_needs_no_look_up() {
    let house = House::new();
    let jwt = house.jwt(0, &[house.some_id()]);
    assert_eq!(caller(&house.call(&jwt).await).checked_by(), CheckedBy::Signature);
    assert_eq!(caller(&house.call(&jwt).await).checked_by(), CheckedBy::Cache);
    assert_eq!(house.look_ups(), 0);
}

#[tokio::test]
async fn with_every_call_the_signature_is_verified_every_time() {
    let house = House::with(|settings| settings.jwt_signature = JwtSignature::EveryCall);
    let jwt = house.jwt(0, &[]);
    for _ in 0..3 {
        assert_eq!(caller(&house.call(&jwt).await).checked_by(), CheckedBy::Signature);
    }
}

#[tokio::test]
async fn what_an_ancestor_loses_ends_what_was_issued_until_then() {
    let house = House::new();
    let parent = house.some_id();
    let before = house.jwt(0, &[parent]);
    assert_eq!(house.code(&before).await, "ok");
    house.source.publish(EntityKind::ApiKey, parent, Effect::Ended);
    assert_eq!(house.code(&before).await, "revoked");
    // Seen for the first time after the change, too.
    assert_eq!(house.code(&house.jwt(0, &[parent])).await, "revoked");
    assert_eq!(house.code(&house.jwt(1, &[parent])).await, "ok", "issued after its parent was cut");
    assert_eq!(house.code(&house.jwt(0, &[house.some_id()])).await, "ok");
}

#[tokio::test]
async fn a_jwt_of_a_key_that_was_cut_stays_dead_until_its_own_end() {
    let house = House::new();
    let key = house.some_id();
    let jwt = house.jwt(0, &[key]);
    house.source.publish(EntityKind::ApiKey, key, Effect::Ended);
    for _ in 0..14 {
        assert_eq!(house.code(&jwt).await, "revoked");
        house.clock.advance(Duration::minutes(1));
        house.guard.inner().follower.tidy().await;
    }
}

#[tokio::test]
async fn a_guard_that_starts_late_knows_what_was_ended() {
    let house = House::new();
    let parent = house.some_id();
    house.source.publish(EntityKind::Family, parent, Effect::Ended);
    assert_eq!(house.code(&house.jwt(0, &[parent])).await, "revoked");
}

#[tokio::test]
async fn one_token_can_be_ended_by_its_own_id() {
    let house = House::new();
    let mut id = None;
    let jwt = house.jwt_with(0, &[], |claims| id = Some(claims.jti.entity()));
    assert_eq!(house.code(&jwt).await, "ok");
    house.source.publish(EntityKind::Token, id.unwrap(), Effect::Ended);
    assert_eq!(house.code(&jwt).await, "revoked");
}

#[tokio::test]
async fn a_revoked_signing_key_takes_its_tokens_along() {
    let house = House::new();
    let jwt = house.jwt(0, &[]);
    assert_eq!(house.code(&jwt).await, "ok");
    house.source.jwks.lock().keys.clear();
    house.source.publish(EntityKind::SigningKey, key_entity("key-1"), Effect::Ended);
    assert_eq!(house.code(&jwt).await, "invalid_credential");
    assert_eq!(house.code(&house.jwt(9, &[])).await, "invalid_credential");
}

#[tokio::test]
async fn a_token_of_another_issuer_api_or_time_is_refused() {
    let house = House::new();
    let other_api = house.jwt_with(0, &[], |c| c.aud = "http://other.example".parse().unwrap());
    assert_eq!(house.code(&other_api).await, "wrong_audience");
    let other_issuer = house.jwt_with(0, &[], |c| c.iss = "http://evil.example".into());
    assert_eq!(house.code(&other_issuer).await, "invalid_credential");
    let jwt = house.jwt(0, &[]);
    assert_eq!(house.code(&jwt).await, "ok");
    house.clock.advance(Duration::minutes(15));
    assert_eq!(house.code(&jwt).await, "expired", "from the cache as well");
    let future = house.jwt_with(0, &[], |c| c.iat += 120);
    assert_eq!(house.code(&future).await, "not_yet_valid");
}

#[tokio::test]
async fn a_changed_byte_is_another_token() {
    let house = House::new();
    let jwt = house.jwt(0, &[]);
    house.call(&jwt).await;
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    assert_eq!(house.code(&forged).await, "invalid_credential");
}

#[tokio::test]
async fn where_the_set_is_full_a_jwt_is_looked_up() {
    let house = House::with(|settings| settings.ended = 1);
    let parents = [house.some_id(), house.some_id(), house.some_id()];
    for parent in &parents[..2] {
        house.source.publish(EntityKind::ApiKey, *parent, Effect::Ended);
    }
    assert_eq!(house.code(&house.jwt(0, &parents[..1])).await, "revoked");
    assert_eq!(house.code(&house.jwt(0, &parents[1..2])).await, "revoked");
    assert_eq!(house.code(&house.jwt(0, &parents[2..])).await, "ok");
    assert!(house.look_ups() >= 2);
}

#[tokio::test]
async fn without_the_feed_a_jwt_is_looked_up_or_not_told_about() {
    let house = House::new();
    let parent = house.some_id();
    let jwt = house.jwt(0, &[parent]);
    assert_eq!(house.code(&jwt).await, "ok");
    house.source.feed_failing.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(4));
    assert_eq!(house.code(&jwt).await, "ok");
    assert_eq!(house.look_ups(), 1);
    house.source.publish_unseen(EntityKind::ApiKey, parent, Effect::Ended);
    house.clock.advance(Duration::millis(1));
    assert_eq!(house.code(&jwt).await, "revoked");
    house.source.failing.store(true, Ordering::SeqCst);
    house.clock.advance(Duration::millis(1));
    assert_eq!(house.code(&jwt).await, "cannot_tell");
}

#[tokio::test]
async fn before_anything_is_known_of_the_feed_nobody_is_let_in() {
    let house = House::new();
    house.source.feed_failing.store(true, Ordering::SeqCst);
    assert_eq!(house.code(&house.jwt(0, &[])).await, "cannot_tell");
}

#[tokio::test]
async fn a_full_set_of_what_was_ended_lets_nothing_through_and_neither_does_a_clock_set_back() {
    let house = House::with(|settings| settings.ended = 100);
    let families: Vec<_> = (0..10_000).map(|_| house.some_id()).collect();
    let good = house.some_id();
    let jwts: Vec<_> = families.iter().step_by(97).map(|family| house.jwt(0, &[*family])).collect();
    for family in &families {
        house.source.publish(EntityKind::Family, *family, Effect::Ended);
    }
    for jwt in &jwts {
        assert_eq!(house.code(jwt).await, "revoked");
    }
    assert_eq!(house.code(&house.jwt(10_000, &[good])).await, "ok");
    let ended = house.guard.sizes().into_iter().find(|size| size.what == "ended").unwrap();
    assert_eq!((ended.held, ended.most), (100, 100));
    house.clock.set_wall(now(&house) - Duration::hours(1));
    house.guard.inner().follower.tidy().await;
    for family in families.iter().step_by(97) {
        assert_eq!(house.code(&house.jwt(0, &[*family])).await, "revoked");
    }
}

#[tokio::test]
async fn a_clock_set_back_revives_nothing_that_was_forgotten_meanwhile() {
    let house = House::new();
    let family = house.some_id();
    let jwt = house.jwt(0, &[family]);
    house.source.publish(EntityKind::Family, family, Effect::Ended);
    assert_eq!(house.code(&jwt).await, "revoked");
    house.clock.advance(keyway_core::change::NewChange::RELEVANCE);
    house.guard.inner().follower.tidy().await;
    assert_eq!(house.guard.inner().freshness.held().1, 0);
    house.clock.set_wall(now(&house) - keyway_core::change::NewChange::RELEVANCE);
    // One that is in no cache.
    let other = house.jwt(0, &[family]);
    assert_eq!(house.code(&other).await, "revoked");
    assert_eq!(house.code(&jwt).await, "revoked");
}
