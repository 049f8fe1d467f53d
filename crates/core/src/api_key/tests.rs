use super::*;
use crate::ids::EntityId;
use crate::owner::{Environment, OwnerKind};
use crate::quota::{Quotas, Window};
use crate::random::SeededRandom;
use crate::rate::{Limit, Rate};

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn terms(scopes: &str) -> Terms {
    Terms {
        environment: Environment::Live,
        audiences: std::iter::once("https://api.example.com".parse().unwrap()).collect(),
        scopes: scopes.parse().unwrap(),
        addresses: "".parse().unwrap(),
        rate: None,
        quotas: Quotas::OFF,
        expires_at: Some(NOW + Duration::days(90)),
    }
}

fn key(seed: u64, scopes: &str) -> ApiKey {
    let random = SeededRandom::new(seed);
    let owner = OwnerId::new(NOW, &SeededRandom::new(99));
    ApiKey {
        id: ApiKeyId::new(NOW + Duration::seconds(i64::try_from(seed).unwrap()), &random),
        owner,
        creator: owner,
        prefix: "keyway_live_abcd".into(),
        last4: "wxyz".into(),
        name: "Key".into(),
        note: String::new(),
        terms: terms(scopes),
        ancestors: Ancestors::new(),
        created_at: NOW + Duration::seconds(i64::try_from(seed).unwrap()),
        disabled_at: None,
        revoked_at: None,
        revoked_reason: None,
        replaced_by: None,
        grace_ends_at: None,
        replaces: None,
        imported: false,
        last_used_at: None,
        last_used_address: None,
        version: 0,
    }
}

fn owner_of(key: &ApiKey) -> Owner {
    Owner {
        id: key.owner,
        kind: OwnerKind::Person,
        name: "Ada".into(),
        suspended_at: None,
        rate: None,
        created_at: NOW,
    }
}

const fn at(per: Rate) -> Limit {
    Limit::At(per)
}

#[test]
fn a_life_in_order() {
    let mut key = key(1, "notes:read");
    assert_eq!(key.status(NOW), KeyStatus::Active);
    assert_eq!(key.status(NOW + Duration::days(84)), KeyStatus::ExpiringSoon);
    assert_eq!(key.status(NOW + Duration::days(90)), KeyStatus::Expired);
    key.replaced_by = Some(key.id);
    key.grace_ends_at = Some(NOW + Duration::hours(1));
    assert_eq!(key.status(NOW), KeyStatus::InGrace);
    assert_eq!(key.status(NOW + Duration::hours(1)), KeyStatus::Expired);
    key.disabled_at = Some(NOW);
    assert_eq!(key.status(NOW), KeyStatus::Disabled);
    key.revoked_at = Some(NOW);
    assert_eq!(key.status(NOW), KeyStatus::Revoked);
}

#[test]
fn a_grace_ends_by_the_keys_own_end_and_within_a_week() {
    let day = Duration::days(1);
    assert_eq!(Grace::Hours24.end(NOW, None, NOW), NOW + day);
    assert_eq!(Grace::Hours24.end(NOW, Some(NOW + Duration::hours(2)), NOW), NOW + Duration::hours(2));
    // Extended on the fifth day by another week: still only a week in all.
    assert_eq!(Grace::Days7.end(NOW, None, NOW + Duration::days(5)), NOW + Duration::days(7));
}

#[test]
fn lifetimes_are_read() {
    let end = |text: &str| text.parse::<Lifetime>().and_then(|l| l.end(NOW));
    assert_eq!(end("90d"), Ok(Some(NOW + Duration::days(90))));
    assert_eq!(end("never"), Ok(None));
    assert_eq!(end("1s"), Ok(Some(NOW + Duration::seconds(1))));
    assert_eq!(end("2026-11-19"), Ok(Timestamp::parse_rfc3339("2026-11-20T00:00:00Z")));
    assert_eq!(end("2020-01-01"), Err(InvalidLifetime::Past));
    assert_eq!(end("0d"), Err(InvalidLifetime::Past));
    assert_eq!(end("4000d"), Err(InvalidLifetime::TooFar));
    for bad in ["", "90", "d", "-1d", "90 d", "99999999999d", "2026-13-01", "soon"] {
        assert_eq!(end(bad), Err(InvalidLifetime::Text), "{bad}");
    }
}

#[test]
fn nothing_grants_what_it_does_not_have() {
    let maker = Terms { addresses: "192.0.2.0/24".parse().unwrap(), ..terms("keys:write notes:read") };
    let default = at(rate("600/min"));
    let given = |change: fn(&mut Terms)| {
        let mut new = Terms { addresses: "192.0.2.7".parse().unwrap(), ..terms("notes:read") };
        change(&mut new);
        new.first_excess(&maker, default, Quotas::OFF)
    };
    assert_eq!(given(|_| ()), None);
    assert_eq!(given(|t| t.environment = Environment::Test), Some(Excess::Environment));
    assert_eq!(
        given(|t| t.scopes = "notes:write".parse().unwrap()),
        Some(Excess::Scope("notes:write".into()))
    );
    assert_eq!(
        given(|t| t.audiences.push("https://other.example".parse().unwrap())),
        Some(Excess::Audience("https://other.example".into()))
    );
    assert_eq!(given(|t| t.addresses = "".parse().unwrap()), Some(Excess::Addresses));
    assert_eq!(given(|t| t.rate = Some(rate("601/min"))), Some(Excess::Rate));
    assert_eq!(given(|t| t.expires_at = None), Some(Excess::Expiry));
    assert_eq!(given(|t| t.expires_at = Some(NOW + Duration::days(91))), Some(Excess::Expiry));
}

#[test]
fn a_limit_given_up_is_an_excess_over_every_limit() {
    let limited = Terms { rate: Some(rate("1/s")), ..terms("a") };
    assert_eq!(terms("a").first_excess(&limited, Limit::Off, Quotas::OFF), Some(Excess::Rate));
    assert_eq!(limited.first_excess(&terms("a"), Limit::Off, Quotas::OFF), None);
    let few = Terms { quotas: Quotas { month: "5".parse().unwrap(), ..Quotas::OFF }, ..terms("a") };
    let excess = |default| terms("a").first_excess(&few, Limit::Off, default);
    assert_eq!(excess(Quotas::OFF), Some(Excess::Quota(Window::Month)));
    assert_eq!(excess(Quotas { month: "4".parse().unwrap(), ..Quotas::OFF }), None);
}

#[test]
fn a_key_made_by_a_key_has_what_both_have() {
    let mut maker = key(1, "keys:write notes:read notes:write");
    maker.terms.rate = Some(rate("60/min"));
    maker.terms.quotas.day = "100".parse().unwrap();
    let mut child = key(2, "notes:read notes:write");
    let (bounds, line) = ApiKey::bounds_of(&maker.facts(&[], &owner_of(&maker), &LimitDefaults::default()));
    assert_eq!(child.terms.first_excess(&bounds, Limit::Off, Quotas::OFF), None);
    assert_eq!(line.as_slice(), [maker.id.entity()]);
    child.ancestors = line;

    // What the maker loses afterwards, the child loses too.
    maker.terms.scopes = "notes:read".parse().unwrap();
    maker.terms.expires_at = Some(NOW + Duration::days(1));
    let facts = child.facts(&[maker.clone()], &owner_of(&child), &LimitDefaults::default());
    assert_eq!(facts.scopes.to_string(), "notes:read");
    assert_eq!(facts.expires_at, maker.terms.expires_at);
    assert_eq!(facts.budgets.root, maker.id.entity());
    assert_eq!(facts.budgets.own, at(rate("60/min")));
    assert_eq!(facts.budgets.own_quotas.day.to_string(), "100");
    let expected: Vec<EntityId> = vec![maker.id.entity(), child.owner.entity()];
    assert_eq!(facts.ancestors.to_vec(), expected);

    maker.disabled_at = Some(NOW);
    let state = |maker: &ApiKey| {
        child.facts(std::slice::from_ref(maker), &owner_of(&child), &LimitDefaults::default()).state
    };
    assert_eq!(state(&maker), State::Disabled);
    maker.revoked_at = Some(NOW);
    assert_eq!(state(&maker), State::Revoked);
}

#[test]
fn networks_that_no_longer_meet_leave_nowhere() {
    let mut maker = key(1, "a");
    let mut child = key(2, "a");
    child.terms.addresses = "192.0.2.7".parse().unwrap();
    maker.terms.addresses = "10.0.0.0/8".parse().unwrap();
    let facts = child.facts(&[maker], &owner_of(&child), &LimitDefaults::default());
    assert_eq!(facts.state, State::Disabled);
}

#[test]
fn a_suspended_owner_has_no_working_key() {
    let key = key(1, "a");
    let owner = Owner { suspended_at: Some(NOW), ..owner_of(&key) };
    assert_eq!(key.facts(&[], &owner, &LimitDefaults::default()).state, State::OwnerSuspended);
}
