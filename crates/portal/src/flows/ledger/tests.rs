//! The orders of the list. What it lists is tested with its page.

use keyway_core::ids::EntityId;
use keyway_core::random::SeededRandom;
use keyway_core::record::Outcome;
use keyway_core::scope::ScopeSet;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

fn entry(random: &SeededRandom, name: &str) -> Entry {
    Entry {
        handle: Handle { kind: Kind::Key, id: EntityId::new(NOW, random) },
        name: name.into(),
        display: "keyway_live_…x7Qd".into(),
        scopes: ScopeSet::default(),
        environment: Environment::Live,
        created_at: NOW,
        last_used_at: None,
        last_used_address: None,
        ends_at: None,
        renews: false,
        status: Status::Active,
        replaced_by: None,
    }
}

#[test]
fn a_place_in_an_order_is_read_as_it_is_written() {
    let random = SeededRandom::new(1);
    for name in ["", "a_b__c", "Ärger & <b>", "😀"] {
        for order in Order::ALL {
            let cursor = order.cursor(&entry(&random, name), None);
            assert_eq!(cursor.to_string().parse().as_ref(), Ok(&cursor), "{order:?} {name}");
        }
    }
    for bad in ["", "_", "1_2_3", "x_1_0193a0c0-0000-7000-8000-000000000001_"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[test]
fn the_most_urgent_trouble_stands_first_and_what_is_over_last() {
    let random = SeededRandom::new(1);
    let place = |entry: &Entry, trouble: Option<Trouble>| Order::Trouble.cursor(entry, trouble.as_ref());
    let well = entry(&random, "well");
    let over = Entry { status: Status::Revoked, ..entry(&random, "over") };
    let test = Entry { environment: Environment::Test, ..entry(&random, "test") };
    let refused = |percent| Trouble::Refused { percent, calls: 100, most: Outcome::Limited };
    let expected = [
        place(&well, Some(Trouble::EndsSoon(NOW))),
        place(&well, Some(Trouble::InGrace(NOW + keyway_core::Duration::hours(1)))),
        place(&well, Some(Trouble::EndsSoon(NOW + keyway_core::Duration::days(1)))),
        place(&well, Some(refused(90))),
        place(&well, Some(refused(11))),
        place(&well, Some(Trouble::Disabled)),
        place(&well, Some(Trouble::Unused(NOW))),
        place(&test, Some(Trouble::EndsSoon(NOW))),
        place(&test, Some(Trouble::Unused(NOW))),
        place(&well, None),
        place(&over, None),
    ];
    assert!(expected.is_sorted(), "{expected:?}");
}

#[test]
fn names_are_found_whatever_their_case_and_in_any_alphabet() {
    let random = SeededRandom::new(1);
    let found = |search: &str| {
        let query = Query { search: Some(search.to_owned()), ..Query::default() };
        query.lets_through(&entry(&random, "Ärger_100%"), None)
    };
    assert!(found("ärger") && found("_100%") && found("x7Qd") && !found("%r") && !found("argh"));
}
