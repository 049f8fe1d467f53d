//! Every check refuses what it is there for, in the order of the checks.

use keyway_core::change::Effect;
use keyway_core::clock::Duration;
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::facts::State;
use keyway_core::principal::CheckedBy;
use keyway_core::refusal::{Check, Refusal, SpentLimit};

use super::*;

#[tokio::test]
async fn a_good_key_is_looked_up_once() {
    let house = House::new();
    let key = house.key();
    assert_eq!(caller(&house.call(key.expose()).await).checked_by(), CheckedBy::LookUp);
    assert_eq!(caller(&house.call(key.expose()).await).checked_by(), CheckedBy::Cache);
    assert_eq!(house.look_ups(), 1);
}

#[tokio::test]
async fn typos_and_what_is_no_credential_cost_no_look_up() {
    let house = House::new();
    let mut typo = house.key().expose().to_owned();
    typo.replace_range(14..15, if &typo[14..15] == "a" { "b" } else { "a" });
    let refusal = |verdict: &Verdict| verdict.refusal().cloned();
    assert_eq!(refusal(&house.call(&typo).await), Some(Refusal::InvalidCredential(Check::Checksum)));
    assert_eq!(refusal(&house.call("nonsense").await), Some(Refusal::InvalidCredential(Check::Parsed)));
    assert_eq!(house.look_ups(), 0);
}

#[tokio::test]
async fn an_unknown_key_is_remembered_for_a_moment() {
    let house = House::new();
    let unknown = generate(&Brand::default(), Kind::LiveKey, &house.random);
    for _ in 0..3 {
        assert_eq!(house.code(unknown.expose()).await, "invalid_credential");
    }
    assert_eq!(house.look_ups(), 1);
    house.clock.advance(Duration::seconds(3));
    house.code(unknown.expose()).await;
    assert_eq!(house.look_ups(), 2);
}

#[tokio::test]
async fn each_state_has_its_code() {
    let house = House::new();
    for (state, expected) in [
        (State::Revoked, "revoked"),
        (State::Disabled, "disabled"),
        (State::OwnerSuspended, "owner_suspended"),
        (State::Active, "ok"),
    ] {
        let key = house.key_with(|facts| facts.state = state);
        assert_eq!(house.code(key.expose()).await, expected);
    }
}

#[tokio::test]
async fn a_credential_works_in_its_time_alone() {
    let house = House::new();
    let key = house.key_with(|facts| {
        facts.not_before = START + Duration::seconds(1);
        facts.expires_at = Some(START + Duration::seconds(3));
    });
    assert_eq!(house.code(key.expose()).await, "not_yet_valid");
    house.clock.advance(Duration::seconds(1));
    assert_eq!(house.code(key.expose()).await, "ok");
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.code(key.expose()).await, "expired");
}

#[tokio::test]
async fn a_credential_for_another_api_is_refused_before_anything_else_is_told() {
    let house = House::new();
    let key = house.key_with(|facts| {
        facts.audiences = smallvec!["http://other.example".parse().unwrap()];
        facts.state = State::Revoked;
    });
    assert_eq!(house.code(key.expose()).await, "wrong_audience");
}

#[tokio::test]
async fn a_key_works_from_its_networks_alone() {
    let house = House::new();
    let key = house.key_with(|facts| facts.addresses = "198.51.100.0/24".parse().unwrap());
    assert_eq!(house.code(key.expose()).await, "address_not_allowed");
    let verdict = house.call_from(key.expose(), "::ffff:198.51.100.7".parse().unwrap()).await;
    assert_eq!(code(&verdict), "ok");
}

#[tokio::test]
async fn a_refusal_before_the_limit_costs_nothing_and_one_after_it_does() {
    let house = House::new();
    let key = house.key();
    house.call(key.expose()).await;
    house.source.change(&key, Effect::Changed, |facts| facts.state = State::Disabled);
    let refused = house.call(key.expose()).await;
    assert_eq!((code(&refused), refused.allowance()), ("disabled", None));
    house.source.change(&key, Effect::Changed, |facts| facts.state = State::Active);
    let verdict = house.call(key.expose()).await;
    assert_eq!(verdict.allowance().unwrap().own.unwrap().1.calls, 98);
    let refusal = verdict.require(&["notes:read", "notes:write"]).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::InsufficientScope {
            required: "notes:read notes:write".into(),
            missing: "notes:write".into()
        }
    );
    assert_eq!(house.call(key.expose()).await.allowance().unwrap().own.unwrap().1.calls, 97);
}

#[tokio::test]
async fn a_spent_limit_says_which_and_for_how_long() {
    let house = House::new();
    let key = house.key_with(|facts| facts.budgets.own = "60/min burst=2".parse().unwrap());
    house.call(key.expose()).await;
    house.call(key.expose()).await;
    let verdict = house.call(key.expose()).await;
    assert_eq!(
        verdict.refusal(),
        Some(&Refusal::LimitExceeded {
            limit: SpentLimit::Own,
            measure: keyway_core::quota::Measure::Rate("60/min burst=2".parse().unwrap()),
            retry_after: 1
        })
    );
    house.clock.advance(Duration::seconds(1));
    assert_eq!(house.code(key.expose()).await, "ok");
}

#[tokio::test]
async fn all_keys_of_an_owner_share_one_budget_and_other_owners_do_not() {
    let house = House::new();
    let facts = house.facts();
    let owner = facts.owner;
    let shared = |facts: &mut Facts| {
        facts.owner = owner;
        facts.budgets.owner = Some(owner);
        facts.budgets.shared = "60/min burst=2".parse().unwrap();
    };
    let (a, b) = (house.key_with(shared), house.key_with(shared));
    assert_eq!(house.code(a.expose()).await, "ok");
    assert_eq!(house.code(b.expose()).await, "ok");
    assert_eq!(house.code(a.expose()).await, "limit_exceeded");
    assert_eq!(house.code(house.key().expose()).await, "ok");
}

#[tokio::test]
async fn a_limit_is_not_refilled_by_forgetting_the_credential() {
    let house = House::with(|settings| settings.known = 1);
    let key = house.key_with(|facts| facts.budgets.own = "1/h burst=1".parse().unwrap());
    assert_eq!(house.code(key.expose()).await, "ok");
    for _ in 0..20 {
        house.code(house.key().expose()).await;
    }
    assert_eq!(house.code(key.expose()).await, "limit_exceeded");
}

#[tokio::test]
async fn a_neighbours_guesses_hold_up_look_ups_and_nothing_that_is_known() {
    let house = House::with(|settings| settings.unknown_credentials = "60/min burst=2".parse().unwrap());
    let key = house.key();
    house.call(key.expose()).await;
    for _ in 0..2 {
        let guess = generate(&Brand::default(), Kind::LiveKey, &house.random);
        assert_eq!(house.code(guess.expose()).await, "invalid_credential");
    }
    let guess = generate(&Brand::default(), Kind::LiveKey, &house.random);
    assert_eq!(house.code(guess.expose()).await, "limit_exceeded");
    assert_eq!(house.code(key.expose()).await, "ok");
    let elsewhere = house.call_from(guess.expose(), [192, 0, 2, 2].into()).await;
    assert_eq!(code(&elsewhere), "invalid_credential");
}
