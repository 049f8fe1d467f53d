use keyway_core::Timestamp;
use keyway_core::clock::Moment;
use keyway_core::facts::Budgets as Drawn;
use keyway_core::ids::OwnerId;
use keyway_core::quota::Quotas;
use keyway_core::random::SeededRandom;
use keyway_core::refusal::SpentLimit;
use proptest::prelude::*;

use super::*;

mod properties;

const SECOND: u64 = 1_000_000_000;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn ids() -> (EntityId, OwnerId) {
    let random = SeededRandom::new(3);
    (EntityId::new(Timestamp::default(), &random), OwnerId::new(Timestamp::default(), &random))
}

fn drawn(own: &str, shared: &str) -> Drawn {
    let (root, owner) = ids();
    Drawn {
        root,
        own: own.parse().unwrap(),
        owner: Some(owner),
        shared: shared.parse().unwrap(),
        own_quotas: Quotas::OFF,
        shared_quotas: Quotas::OFF,
    }
}

/// A moment by the monotonic clock.
fn at(mono: Monotonic) -> Moment {
    Moment { wall: Timestamp::default(), mono }
}

impl Limiters {
    /// What is left, with what was spent where something was.
    fn take(&self, now: Moment) -> Result<Allowance, Box<(Spent, Allowance)>> {
        let mut allowance = Allowance::default();
        match self.spend(now, &mut allowance) {
            Ok(()) => Ok(allowance),
            Err(spent) => Err(Box::new((spent, allowance))),
        }
    }
}

fn limiters(budgets: &Budgets, own: &str, shared: &str) -> Limiters {
    budgets.limiters(&drawn(own, shared), Environment::Live, Monotonic(0))
}

#[test]
fn what_is_left_is_told_exactly() {
    let limiter = Limiter::new(rate("600/min burst=100"), Arrival::default());
    let start = Monotonic(5 * SECOND);
    let left = limiter.spend(start).unwrap();
    assert_eq!(left, Left { calls: 99, full_in: 1, next_in: 0 });
    for _ in 0..99 {
        limiter.spend(start).unwrap();
    }
    let left = limiter.spend(start).unwrap_err();
    assert_eq!(left, Left { calls: 0, full_in: 10, next_in: 1 });
    // 600 a minute: one more after a tenth of a second, all after ten.
    assert!(limiter.spend(Monotonic(start.0 + SECOND / 10 - 1)).is_err());
    assert!(limiter.spend(Monotonic(start.0 + SECOND / 10)).is_ok());
    assert_eq!(limiter.peek(Monotonic(start.0 + 11 * SECOND)).unwrap().calls, 100);
}

#[test]
fn a_slow_limit_knows_how_long_it_takes() {
    let limiter = Limiter::new(rate("10/h burst=2"), Arrival::default());
    let now = Monotonic(1);
    limiter.spend(now).unwrap();
    limiter.spend(now).unwrap();
    assert_eq!(limiter.spend(now).unwrap_err(), Left { calls: 0, full_in: 720, next_in: 360 });
}

#[test]
fn a_call_refused_by_the_one_costs_the_other_nothing() {
    let budgets = Budgets::new(1_000);
    let both = limiters(&budgets, "60/min burst=3", "60/min burst=2");
    let now = Monotonic(SECOND);
    both.take(at(now)).unwrap();
    both.take(at(now)).unwrap();
    let (spent, allowance) = *both.take(at(now)).unwrap_err();
    assert_eq!(spent.limit, SpentLimit::Shared);
    assert_eq!(allowance.own.unwrap().1.calls, 1);

    let narrow = limiters(&Budgets::new(1_000), "60/min burst=1", "60/min burst=5");
    narrow.take(at(now)).unwrap();
    for _ in 0..10 {
        assert_eq!(narrow.take(at(now)).unwrap_err().0.limit, SpentLimit::Own);
    }
    assert_eq!(narrow.look(at(now)).shared.unwrap().1.calls, 4);
}

#[test]
fn the_tightest_limit_is_the_one_that_is_shown() {
    let both = limiters(&Budgets::new(1_000), "600/min burst=100", "600/min burst=50");
    let allowance = both.take(at(Monotonic(SECOND))).unwrap();
    let (limit, _, left) = allowance.tightest().unwrap();
    assert_eq!((limit, left.calls), (SpentLimit::Shared, 49));
}

#[test]
fn a_budget_outlives_whoever_held_it_and_goes_when_it_is_full() {
    let budgets = Budgets::new(1_000);
    let now = Monotonic(SECOND);
    limiters(&budgets, "60/min burst=1", "off").take(at(now)).unwrap();
    budgets.prune(now);
    assert!(limiters(&budgets, "60/min burst=1", "off").take(at(now)).is_err());
    budgets.prune(Monotonic(now.0 + 2 * SECOND));
    assert!(budgets.held() == 0);
}

#[test]
fn test_and_live_are_apart() {
    let budgets = Budgets::new(1_000);
    let now = Monotonic(SECOND);
    budgets.limiters(&drawn("60/min burst=1", "off"), Environment::Live, now).take(at(now)).unwrap();
    assert!(budgets.limiters(&drawn("60/min burst=1", "off"), Environment::Test, now).take(at(now)).is_ok());
}

#[test]
fn a_new_rate_keeps_the_debt_but_none_beyond_its_own_burst() {
    let budgets = Budgets::new(1_000);
    let now = Monotonic(SECOND);
    let slow = limiters(&budgets, "1/h burst=5", "off");
    for _ in 0..5 {
        slow.take(at(now)).unwrap();
    }
    let fast = limiters(&budgets, "60/min burst=1", "off");
    assert!(fast.take(at(now)).is_err());
    assert!(fast.take(at(Monotonic(now.0 + SECOND))).is_ok());
}

#[test]
fn several_threads_never_get_more_than_there_is() {
    let budgets = Budgets::new(1_000);
    let both = limiters(&budgets, "1/h burst=100", "1/h burst=60");
    let passed: usize = std::thread::scope(|scope| {
        let spend = || (0..50).filter(|_| both.take(at(Monotonic(SECOND))).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(spend)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(passed, 60);
    // Whoever lost a race was given its own call back.
    assert_eq!(both.look(at(Monotonic(SECOND))).own.unwrap().1.calls, 40);
}

#[test]
fn too_many_budgets_lose_those_that_nobody_holds() {
    let budgets = Budgets::new(10);
    let random = SeededRandom::new(1);
    let drawn = || {
        let id = EntityId::new(Timestamp::default(), &random);
        Drawn {
            root: id,
            own: "1/h burst=1".parse().unwrap(),
            owner: None,
            shared: Limit::Off,
            own_quotas: Quotas::OFF,
            shared_quotas: Quotas::OFF,
        }
    };
    let now = Monotonic(1);
    let held = budgets.limiters(&drawn(), Environment::Live, now);
    held.take(at(now)).unwrap();
    for _ in 0..1_000 {
        budgets.limiters(&drawn(), Environment::Live, now).take(at(now)).unwrap();
        assert!(budgets.held() <= 10);
    }
    assert!(held.take(at(now)).is_err());
}
