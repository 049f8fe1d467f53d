//! Tokens of trusted issuers: the source is asked about them, and only about them.

use std::sync::atomic::Ordering;

use keyway_core::change::{Effect, EntityKind};
use keyway_core::clock::Duration;
use keyway_core::principal::CheckedBy;

use super::*;
use crate::JwtSignature;

const TRUSTED: &str = "https://login.example";

fn house(adjust: impl FnOnce(&mut Settings)) -> House {
    House::with(|settings| {
        settings.trusted_issuers = vec![TRUSTED.into(), "https://other.example".into()];
        adjust(settings);
    })
}

/// A token that claims to be of `issuer`, and is known to the source if it is to be `good`.
fn token(house: &House, issuer: &str, good: bool) -> (String, EntityId) {
    let text = house.jwt_with(0, &[], |claims| claims.iss = issuer.into());
    let mut facts = house.facts();
    let connection = house.some_id();
    facts.method = Method::Jwt;
    facts.ancestors.push(connection);
    if good {
        house.source.learn(&PlainSecret::new(text.clone()), facts);
    }
    (text, connection)
}

#[tokio::test]
async fn the_source_is_asked_about_tokens_of_trusted_issuers_alone() {
    let house = house(|_| {});
    let (good, _) = token(&house, TRUSTED, true);
    assert_eq!(caller(&house.call(&good).await).checked_by(), CheckedBy::LookUp);
    assert_eq!(caller(&house.call(&good).await).checked_by(), CheckedBy::Cache);
    assert_eq!(house.look_ups(), 1);
    let (bad, _) = token(&house, TRUSTED, false);
    assert_eq!(house.code(&bad).await, "invalid_credential");
    assert_eq!(house.look_ups(), 2);
    for issuer in ["https://login.example/", "https://login.example.evil", ""] {
        let (foreign, _) = token(&house, issuer, true);
        assert_eq!(house.code(&foreign).await, "invalid_credential", "{issuer}");
    }
    assert_eq!(house.code("a.b.c").await, "invalid_credential");
    assert_eq!(house.code(&house.jwt(0, &[])).await, "ok");
    assert_eq!(house.look_ups(), 2);
}

#[tokio::test]
async fn a_guard_that_trusts_nobody_asks_nobody() {
    let house = House::new();
    let (good, _) = token(&house, TRUSTED, true);
    assert_eq!(house.code(&good).await, "invalid_credential");
    assert_eq!(house.look_ups(), 0);
}

#[tokio::test]
async fn an_outside_token_is_asked_about_again_after_a_minute() {
    let house = house(|settings| settings.jwt_signature = JwtSignature::EveryCall);
    let (good, _) = token(&house, TRUSTED, true);
    assert_eq!(house.code(&good).await, "ok");
    house.clock.advance(Duration::seconds(60));
    assert_eq!(house.code(&good).await, "ok");
    assert_eq!(house.look_ups(), 1);
    house.clock.advance(Duration::seconds(1));
    assert_eq!(house.code(&good).await, "ok");
    assert_eq!(house.look_ups(), 2);
}

#[tokio::test]
async fn what_becomes_of_a_connection_is_heard_at_once() {
    let house = house(|_| {});
    let (good, connection) = token(&house, TRUSTED, true);
    assert_eq!(house.code(&good).await, "ok");
    house.source.forget(&PlainSecret::new(good.clone()));
    assert_eq!(house.code(&good).await, "ok", "nothing was said yet");
    house.source.publish(EntityKind::Connection, connection, Effect::Ended);
    assert_eq!(house.code(&good).await, "invalid_credential");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_holds_up_nobody_else() {
    let house = house(|settings| settings.unknown_credentials = keyway_core::rate::Limit::Off);
    let key = house.key();
    let others = house.key();
    let (of_other, _) = token(&house, "https://other.example", true);
    house.source.failing.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        let (token, _) = token(&house, TRUSTED, true);
        assert_eq!(house.code(&token).await, "cannot_tell");
    }
    assert_eq!(house.look_ups(), 5, "after some failures it is left alone");
    house.source.failing.store(false, Ordering::SeqCst);
    assert_eq!(house.code(key.expose()).await, "ok");
    assert_eq!(house.code(others.expose()).await, "ok");
    assert_eq!(house.code(&of_other).await, "ok");
}
