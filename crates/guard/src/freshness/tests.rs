use keyway_core::change::{EntityKind, FeedHead};
use keyway_core::random::SeededRandom;

use super::*;

const HOUR: Timestamp = Timestamp::from_seconds(3_600);

fn id(n: u64) -> EntityId {
    EntityId::new(Timestamp::default(), &SeededRandom::new(n))
}

fn change(position: u64, id: EntityId, effect: Effect) -> Change {
    Change { position: Position(position), kind: EntityKind::ApiKey, id, effect, relevant_until: HOUR }
}

fn head(position: u64) -> FeedHead {
    FeedHead { epoch: Epoch("a".into()), head: Position(position), tail: Position(0) }
}

fn page(position: u64, changes: Vec<Change>) -> FeedPage {
    FeedPage { at: head(position), changes }
}

fn started(recent: usize, ended: usize) -> Freshness {
    let freshness = Freshness::new(recent, ended);
    freshness.start_over(&FeedSnapshot { at: head(10), ended: Vec::new() }, Monotonic(0));
    freshness
}

#[test]
fn a_change_makes_what_was_known_before_stale_and_nothing_else() {
    let freshness = started(100, 100);
    let before = Stamp::at(freshness.now());
    freshness.apply(&page(11, vec![change(11, id(1), Effect::Changed)]), Position(10), Monotonic(1)).unwrap();
    assert!(!freshness.is_good(&before, [id(1)]));
    assert!(freshness.is_good(&before, [id(2)]));
    assert!(freshness.is_good(&Stamp::at(freshness.now()), [id(1)]));
}

#[test]
fn an_answer_asked_for_before_a_change_is_not_believed_after_it() {
    let freshness = started(100, 100);
    // The look-up begins, the key is revoked, the old answer arrives.
    let stamp = Stamp::at(freshness.now());
    freshness.apply(&page(11, vec![change(11, id(1), Effect::Ended)]), Position(10), Monotonic(1)).unwrap();
    assert!(!freshness.is_good(&stamp, [id(1)]));
}

#[test]
fn dropping_a_row_makes_stale_what_it_could_have_told_about() {
    let freshness = started(1, 100);
    let before = Stamp::at(freshness.now());
    for (position, who) in [(11, id(1)), (12, id(2))] {
        let page = page(position, vec![change(position, who, Effect::Changed)]);
        freshness.apply(&page, Position(position - 1), Monotonic(1)).unwrap();
    }
    assert!(!freshness.is_good(&before, [id(1)]), "the row about it is gone, so it cannot be known");
    assert!(!freshness.is_good(&before, [id(3)]));
}

#[test]
fn the_thread_is_lost_at_a_gap_another_epoch_and_behind_the_tail() {
    let freshness = started(100, 100);
    let apply = |page: &FeedPage| freshness.apply(page, Position(10), Monotonic(1));
    assert_eq!(apply(&page(12, vec![change(12, id(1), Effect::Ended)])), Err(StartOver));
    let mut other = page(10, vec![]);
    other.at.epoch = Epoch("b".into());
    assert_eq!(apply(&other), Err(StartOver));
    let mut cut = page(20, vec![]);
    cut.at.tail = Position(15);
    assert_eq!(apply(&cut), Err(StartOver));
    assert_eq!(apply(&page(9, vec![])), Err(StartOver));
}

#[test]
fn a_page_that_comes_late_is_no_reason_to_start_over() {
    let freshness = started(100, 100);
    let late = page(11, vec![change(11, id(1), Effect::Ended)]);
    freshness
        .apply(
            &page(12, vec![change(11, id(1), Effect::Ended), change(12, id(2), Effect::Ended)]),
            Position(10),
            Monotonic(2),
        )
        .unwrap();
    assert_eq!(freshness.apply(&late, Position(10), Monotonic(1)), Ok(()));
    assert_eq!(freshness.position(), Position(12));
}

#[test]
fn starting_over_believes_nothing_from_before() {
    let freshness = started(100, 100);
    let before = Stamp::at(freshness.now());
    freshness.start_over(&FeedSnapshot { at: head(3), ended: Vec::new() }, Monotonic(1));
    assert!(!freshness.is_good(&before, [id(1)]));
}

#[test]
fn what_was_ended_ends_what_was_issued_until_then() {
    let freshness = started(100, 100);
    freshness.apply(&page(11, vec![change(11, id(1), Effect::Ended)]), Position(10), Monotonic(1)).unwrap();
    assert_eq!(freshness.ended([id(1)], Position(10)), Ended::Yes);
    assert_eq!(freshness.ended([id(1)], Position(11)), Ended::No, "issued after it was cut");
    assert_eq!(freshness.ended([id(2)], Position(10)), Ended::No);
}

#[test]
fn a_full_set_forgets_nothing_and_says_that_it_is_not_whole() {
    let freshness = started(100, 1);
    freshness.apply(&page(11, vec![change(11, id(1), Effect::Ended)]), Position(10), Monotonic(1)).unwrap();
    freshness.apply(&page(12, vec![change(12, id(2), Effect::Ended)]), Position(11), Monotonic(1)).unwrap();
    assert_eq!(freshness.ended([id(1)], Position(1)), Ended::Yes);
    assert_eq!(freshness.ended([id(2)], Position(1)), Ended::Unknown);
    assert!(!freshness.prune(Timestamp::default()));
}

#[test]
fn what_can_no_longer_matter_is_forgotten() {
    let freshness = started(100, 100);
    freshness.apply(&page(11, vec![change(11, id(1), Effect::Ended)]), Position(10), Monotonic(1)).unwrap();
    freshness.prune(Timestamp::from_seconds(3_599));
    assert_eq!(freshness.ended([id(1)], Position(1)), Ended::Yes);
    freshness.prune(HOUR);
    assert_eq!(freshness.held().1, 0);
    assert_eq!(freshness.ended([id(1)], Position(11)), Ended::No);
    assert_eq!(
        freshness.ended([id(1)], Position(1)),
        Ended::Unknown,
        "past its time, unless a clock went back"
    );
}

#[test]
fn the_head_counts_as_seen_only_where_it_is_our_own_position() {
    let freshness = started(100, 100);
    let at = |second: u64| Monotonic(second * 1_000_000_000);
    let limit = Duration::seconds(3);
    assert!(freshness.is_current(at(3), limit));
    assert!(!freshness.is_current(at(4), limit));
    freshness.apply(&page(10, vec![]), Position(10), at(4)).unwrap();
    assert!(freshness.is_current(at(7), limit));
    // More is there than was read: the guard is behind.
    freshness.apply(&page(20, vec![change(11, id(1), Effect::Ended)]), Position(10), at(7)).unwrap();
    assert!(!freshness.is_current(at(8), limit));
}
