//! Calls counted by the calendar, in one guard and in several over one source.

use keyway_core::quota::{Measure, Quotas};
use keyway_core::refusal::SpentLimit;
use proptest::prelude::*;

use super::*;

fn quotas(day: &str, month: &str) -> Quotas {
    Quotas { day: day.parse().unwrap(), month: month.parse().unwrap() }
}

/// Rates that hold nobody up.
fn by_the_calendar(facts: &mut Facts) {
    facts.budgets.own = "off".parse().unwrap();
    facts.budgets.shared = "off".parse().unwrap();
}

impl House {
    fn key_of(&self, day: &str, month: &str) -> PlainSecret {
        self.key_with(|facts| {
            by_the_calendar(facts);
            facts.budgets.own_quotas = quotas(day, month);
        })
    }

    /// Another guard over the same source, as in another process.
    fn another(&self, seed: u64) -> Guard {
        Guard::new(
            self.guard.settings().clone(),
            Arc::<Source>::clone(&self.source),
            Some(Arc::<Source>::clone(&self.source)),
            Arc::<ManualClock>::clone(&self.clock),
            Arc::new(SeededRandom::new(seed)),
        )
    }

    async fn accepted(&self, guard: &Guard, key: &PlainSecret, calls: usize) -> usize {
        let mut accepted = 0;
        for _ in 0..calls {
            accepted += usize::from(call_at(guard, key).await.refusal().is_none());
        }
        accepted
    }

    fn midnight(&self) {
        let now = now(self);
        self.clock.advance(Day::of(now).end().since(now));
    }
}

async fn call_at(guard: &Guard, key: &PlainSecret) -> Verdict {
    let arrival = guard.arrive();
    let header = format!("Bearer {}", key.expose());
    let parts = RequestParts {
        authorization: smallvec![header.as_bytes()],
        api_key: smallvec![],
        proofs: smallvec![],
        method: "GET",
        path: "/v1/notes",
        query: "",
        address: Some([192, 0, 2, 1].into()),
        request: arrival.request,
        arrived: arrival.moment,
    };
    guard.check(&parts).await
}

#[tokio::test]
async fn a_day_lets_so_many_calls_through_and_the_next_as_many_again() {
    let house = House::new();
    let key = house.key_of("3", "off");
    assert_eq!(house.accepted(&house.guard, &key, 3).await, 3);
    let refused = house.call(key.expose()).await;
    let left = Day::of(now(&house)).end().since(now(&house)).as_seconds_ceil();
    let Some(Refusal::LimitExceeded { limit, measure, retry_after }) = refused.refusal() else {
        panic!("{refused:?}")
    };
    assert_eq!((*limit, measure.to_string().as_str()), (SpentLimit::Own, "3 calls a day"));
    assert_eq!((*retry_after, code(&refused)), (left, "quota_exceeded"));
    house.midnight();
    assert_eq!(house.accepted(&house.guard, &key, 5).await, 3);
}

#[tokio::test]
async fn a_month_outlasts_its_days() {
    let house = House::new();
    let key = house.key_of("3", "5");
    assert_eq!(house.accepted(&house.guard, &key, 5).await, 3);
    house.midnight();
    assert_eq!(house.accepted(&house.guard, &key, 5).await, 2);
    let refused = house.call(key.expose()).await;
    let end = Day::of(now(&house)).month().end().since(now(&house)).as_seconds_ceil();
    assert_eq!(refused.refusal().and_then(Refusal::retry_after), Some(end));
}

#[tokio::test]
async fn a_clock_set_back_refills_nothing() {
    let house = House::new();
    let key = house.key_of("3", "off");
    let today = now(&house);
    assert_eq!(house.accepted(&house.guard, &key, 3).await, 3);
    house.clock.set_wall(today - Duration::days(1));
    assert_eq!(house.accepted(&house.guard, &key, 3).await, 0);
    assert!(house.guard.flush().await);
    // Nor does a start after it.
    assert_eq!(house.accepted(&house.another(9), &key, 3).await, 0);
}

#[tokio::test]
async fn another_guard_begins_with_what_was_counted() {
    let house = House::new();
    let key = house.key_of("5", "off");
    assert_eq!(house.accepted(&house.guard, &key, 3).await, 3);
    assert!(house.guard.flush().await);
    let second = house.another(9);
    assert_eq!(house.accepted(&second, &key, 4).await, 2);
    assert!(second.flush().await);
    // The first learns of it when it tells of its next call.
    assert_eq!(house.accepted(&house.guard, &key, 1).await, 1);
    assert!(house.guard.flush().await);
    assert_eq!(house.accepted(&house.guard, &key, 1).await, 0);
}

#[tokio::test]
async fn the_owners_quota_is_shared_and_each_environment_has_its_own() {
    let house = House::new();
    let owner = OwnerId::new(START, &house.random);
    let key = |environment| {
        house.key_with(|facts| {
            by_the_calendar(facts);
            facts.owner = owner;
            facts.environment = environment;
            facts.budgets.owner = Some(owner);
            facts.budgets.shared_quotas = quotas("4", "off");
        })
    };
    let (first, second, test) = (key(Environment::Live), key(Environment::Live), key(Environment::Test));
    assert_eq!(house.accepted(&house.guard, &first, 3).await, 3);
    assert_eq!(house.accepted(&house.guard, &second, 3).await, 1);
    assert_eq!(house.accepted(&house.guard, &test, 3).await, 3);
    let refused = house.call(first.expose()).await;
    assert!(
        matches!(refused.refusal(), Some(Refusal::LimitExceeded { limit: SpentLimit::Shared, .. })),
        "{refused:?}"
    );
    assert!(house.guard.flush().await);
    assert_eq!(house.source.calls_on(owner.entity(), Day::of(now(&house))), 4);
}

#[tokio::test]
async fn calls_before_midnight_are_told_as_that_days() {
    let house = House::new();
    let key = house.key_of("10", "off");
    let yesterday = Day::of(now(&house));
    house.accepted(&house.guard, &key, 3).await;
    house.midnight();
    house.accepted(&house.guard, &key, 2).await;
    assert!(house.guard.flush().await);
    let root = caller(&house.call(key.expose()).await).facts().budgets.root;
    let days = [yesterday, Day::of(now(&house))].map(|day| house.source.calls_on(root, day));
    assert_eq!(days, [3, 2]);
}

#[tokio::test]
async fn without_the_stored_counts_nobody_can_tell() {
    let house = House::new();
    house.source.failing.store(true, Ordering::SeqCst);
    let token = house.jwt_with(0, &[], |claims| claims.keyway.quotas = quotas("5", "off"));
    let refused = house.call(&token).await;
    assert_eq!(code(&refused), "cannot_tell");
    house.source.failing.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(10));
    assert_eq!(house.code(&token).await, "ok");
}

#[tokio::test]
async fn a_call_refused_by_a_rate_costs_no_quota_and_the_other_way_round() {
    let house = House::new();
    let key = house.key_with(|facts| {
        facts.budgets.own = "60/min burst=2".parse().unwrap();
        facts.budgets.own_quotas = quotas("3", "off");
    });
    assert_eq!(house.accepted(&house.guard, &key, 9).await, 2);
    house.clock.advance(Duration::seconds(2));
    assert_eq!(house.accepted(&house.guard, &key, 9).await, 1);
    let refused = house.call(key.expose()).await;
    let allowance = refused.allowance().unwrap();
    assert_eq!(allowance.own.unwrap().1.calls, 1, "the quota's refusals cost no rate");
    // Of the two the one that lasts is named, once both are spent.
    assert!(matches!(refused.refusal(), Some(Refusal::LimitExceeded { measure: Measure::Quota(..), .. })));
}

#[tokio::test]
async fn counters_that_nobody_holds_are_let_go_of_and_their_counts_come_back() {
    let house = House::with(|settings| {
        settings.known = 8;
        settings.quotas = 32;
    });
    let keys: Vec<_> = (0..200).map(|_| house.key_of("2", "off")).collect();
    for key in &keys {
        assert_eq!(house.accepted(&house.guard, key, 2).await, 2);
        assert!(house.guard.flush().await);
        let size = house.guard.sizes().into_iter().find(|size| size.what == "quotas").unwrap();
        assert!(size.held <= size.most, "{size:?}");
    }
    for key in &keys {
        assert_eq!(house.accepted(&house.guard, key, 1).await, 0);
    }
}

#[tokio::test]
async fn what_was_counted_and_not_yet_told_is_never_let_go_of() {
    let house = House::with(|settings| {
        settings.known = 8;
        settings.quotas = 32;
    });
    let keys: Vec<_> = (0..60).map(|_| house.key_of("2", "off")).collect();
    house.source.store_failing.store(true, Ordering::SeqCst);
    let mut passed = 0;
    for key in &keys {
        passed += house.accepted(&house.guard, key, 1).await;
        assert!(!house.guard.flush().await || passed == 0);
    }
    // Rather than forgetting, the guard says that it cannot tell.
    assert_eq!(passed, 32);
    assert_eq!(house.code(keys[59].expose()).await, "cannot_tell");
    house.source.store_failing.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::seconds(10));
    assert!(house.guard.flush().await);
    for key in &keys {
        passed += house.accepted(&house.guard, key, 2).await;
        assert!(house.guard.flush().await);
    }
    assert_eq!(passed, 2 * keys.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Several processes: what is let through beyond the quota is at most what one flush interval let through.
    #[test]
    fn several_guards_exceed_a_quota_by_one_interval_at_most(
        quota in 1_u64..40,
        intervals in proptest::collection::vec(proptest::collection::vec(0_usize..12, 3), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let key = house.key_of(&quota.to_string(), "off");
            let guards = [house.guard.clone(), house.another(8), house.another(9)];
            let (mut passed, mut in_interval) = (0, 0);
            for interval in intervals {
                in_interval = 0;
                for (guard, calls) in guards.iter().zip(interval) {
                    in_interval += house.accepted(guard, &key, calls).await as u64;
                }
                passed += in_interval;
                for guard in &guards {
                    assert!(guard.flush().await);
                }
                if passed > quota {
                    break;
                }
            }
            assert!(passed <= quota + in_interval, "{passed} of {quota}, {in_interval} in the last interval");
            // Whoever has told of a call since knows, and lets none through.
            if passed >= quota {
                for guard in &guards {
                    house.accepted(guard, &key, 1).await;
                    assert!(guard.flush().await);
                    assert_eq!(house.accepted(guard, &key, 1).await, 0);
                }
            }
        });
    }
}
