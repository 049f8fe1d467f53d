//! What is called trouble, and what is not.

use super::*;
use crate::random::SeededRandom;

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

fn entry() -> Entry {
    Entry {
        handle: Handle { kind: Kind::Key, id: EntityId::new(NOW, &SeededRandom::new(1)) },
        name: "Billing".into(),
        display: "keyway_live_…x7Qd".into(),
        scopes: ScopeSet::default(),
        environment: Environment::Live,
        created_at: NOW - Duration::days(30),
        last_used_at: Some(NOW - Duration::days(1)),
        last_used_address: None,
        ends_at: Some(NOW + Duration::days(60)),
        renews: false,
        status: Status::Active,
        replaced_by: None,
    }
}

fn calls(ok: u64, limited: u64, forbidden: u64) -> Tally {
    Tally { ok, limited, forbidden, ..Tally::default() }
}

#[test]
fn a_handle_is_read_as_it_is_written() {
    let handle = entry().handle;
    assert_eq!(handle.to_string().parse(), Ok(handle));
    for bad in ["", "key", "key:", "key:x", "cow:0193a0c0-0000-7000-8000-000000000001"] {
        assert!(bad.parse::<Handle>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_used_and_let_through_is_no_trouble() {
    assert_eq!(entry().trouble(&Tally::default(), NOW), None);
    assert_eq!(entry().trouble(&calls(90, 5, 5), NOW), None, "a tenth is not more than a tenth");
    assert_eq!(entry().trouble(&calls(0, 9, 0), NOW), None, "nine calls say nothing");
}

#[test]
fn the_most_urgent_trouble_is_named() {
    let mut key = entry();
    let refused = Trouble::Refused { percent: 11, calls: 100, most: Outcome::Limited };
    assert_eq!(key.trouble(&calls(89, 6, 5), NOW), Some(refused));
    (key.status, key.ends_at) = (Status::EndsSoon, Some(NOW + Duration::days(2)));
    assert_eq!(key.trouble(&calls(89, 6, 5), NOW), Some(refused));
    assert_eq!(key.trouble(&Tally::default(), NOW), Some(Trouble::EndsSoon(NOW + Duration::days(2))));
    key.status = Status::InGrace;
    assert_eq!(key.trouble(&Tally::default(), NOW), Some(Trouble::InGrace(NOW + Duration::days(2))));
    key.status = Status::Disabled;
    assert_eq!(key.trouble(&calls(0, 0, 99), NOW), Some(Trouble::Disabled));
    for over in [Status::Expired, Status::Revoked, Status::Stolen] {
        key.status = over;
        assert_eq!(key.trouble(&calls(0, 0, 99), NOW), None);
    }
}

#[test]
fn what_nobody_uses_is_named_from_its_last_use_or_its_making() {
    let mut key = entry();
    (key.created_at, key.last_used_at) = (NOW - Duration::days(200), Some(NOW - Duration::days(90)));
    assert_eq!(key.trouble(&Tally::default(), NOW), Some(Trouble::Unused(NOW - Duration::days(90))));
    key.last_used_at = Some(NOW - Duration::days(89));
    assert_eq!(key.trouble(&Tally::default(), NOW), None);
    key.last_used_at = None;
    assert_eq!(key.trouble(&Tally::default(), NOW), Some(Trouble::Unused(NOW - Duration::days(200))));
}

#[test]
fn what_was_made_for_days_does_not_end_soon() {
    let soon =
        |made: i64, left: i64| ends_soon(NOW - Duration::days(made), Some(NOW + Duration::days(left)), NOW);
    assert!(soon(83, 6) && !soon(83, 7) && !soon(0, 1) && !soon(1, 6));
    assert!(!ends_soon(NOW, None, NOW));
}
