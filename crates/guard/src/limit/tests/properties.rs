//! What holds of all limits together, by rate and by the calendar, whatever they are and whenever calls come.

use keyway_core::quota::{Day, Quota};

use super::*;

/// 2026-11-24 09:00 UTC: a month ends within the time that these calls take.
const START: Timestamp = Timestamp::from_seconds(1_795_510_800);

fn after(nanos: u64) -> Moment {
    let micros = i64::try_from(nanos / 1_000).unwrap();
    Moment { wall: START + keyway_core::Duration::micros(micros), mono: Monotonic(7 * SECOND + nanos) }
}

fn limit() -> impl Strategy<Value = Limit> {
    let at = (1_u32..5_000, 1_u32..50)
        .prop_map(|(count, burst)| format!("{count}/h burst={burst}").parse().unwrap());
    prop_oneof![1 => Just(Limit::Off), 3 => at]
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = |most: u64| {
        let calls = (1..most).prop_map(|calls| calls.to_string().parse::<Quota>().unwrap());
        prop_oneof![1 => Just(Quota::Off), 2 => calls]
    };
    (quota(40), quota(120)).prop_map(|(day, month)| Quotas { day, month })
}

fn any_limits() -> impl Strategy<Value = Limiters> {
    (limit(), limit(), quotas(), quotas()).prop_map(|(own, shared, own_quotas, shared_quotas)| {
        let drawn = Drawn { own, shared, own_quotas, shared_quotas, ..drawn("off", "off") };
        let counting = Counters::new(100).of(&drawn, Environment::Live).unwrap();
        Budgets::new(100).limiters(&drawn, Environment::Live, Monotonic(0)).counting(counting)
    })
}

/// Waits, now short, now long, with the calls after each.
fn steps() -> impl Strategy<Value = Vec<(u64, usize)>> {
    let wait = prop_oneof![3 => 0..10 * SECOND, 1 => 0..40_000 * SECOND, 1 => Just(0)];
    proptest::collection::vec((wait, 1_usize..30), 1..40)
}

proptest! {
    #[test]
    fn between_any_two_moments_at_most_burst_and_rate_times_time_pass(
        count in 1_u32..5_000,
        burst in 1_u32..100,
        steps in proptest::collection::vec((0_u64..2 * SECOND, 1_usize..20), 1..40),
    ) {
        let limiter = Limiter::new(rate(&format!("{count}/min burst={burst}")), Arrival::default());
        let (mut now, mut passed) = (SECOND, Vec::new());
        for (wait, calls) in steps {
            now += wait;
            let times = (0..calls).filter(|_| limiter.spend(Monotonic(now)).is_ok()).map(|_| now);
            passed.extend(times);
        }
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let refilled = u128::from(to - from) * u128::from(count) / u128::from(60 * SECOND);
                prop_assert!((last - first + 1) as u128 <= u128::from(burst) + refilled);
            }
        }
    }

    #[test]
    fn no_window_of_the_calendar_has_more_calls_than_its_quota(limits in any_limits(), steps in steps()) {
        let mut passed = HashMap::<_, u64>::new();
        let mut nanos = 0;
        for (wait, calls) in steps {
            nanos += wait;
            let now = after(nanos);
            let taken = (0..calls).filter(|_| limits.take(now).is_ok()).count() as u64;
            let day = Day::of(now.wall);
            *passed.entry((day.number(), true)).or_default() += taken;
            *passed.entry((day.month().number(), false)).or_default() += taken;
        }
        for calls in [&limits.own_calls, &limits.shared_calls].into_iter().flatten() {
            for ((_, is_day), passed) in &passed {
                let quota = if *is_day { calls.quotas.day } else { calls.quotas.month };
                prop_assert!(quota.calls().is_none_or(|most| *passed <= most.get()));
            }
        }
    }

    #[test]
    fn what_is_shown_is_what_is_then_allowed(limits in any_limits(), steps in steps()) {
        let mut nanos = 0;
        for (wait, calls) in steps {
            nanos += wait;
            let mut shown = None;
            for _ in 0..calls {
                match limits.take(after(nanos)) {
                    Ok(allowance) => {
                        let left = allowance.tightest().map(|(_, _, left)| left.calls);
                        prop_assert!(shown.is_none_or(|shown: u64| shown > 0), "{shown:?} left, and one more");
                        shown = left;
                    }
                    Err(refused) => {
                        let (spent, allowance) = *refused;
                        prop_assert!(shown.is_none_or(|shown| shown == 0), "{shown:?} left, and refused");
                        let (limit, measure, left) = allowance.tightest().unwrap();
                        prop_assert_eq!((spent.limit, spent.measure, spent.left), (limit, measure, left));
                        prop_assert!(left.calls == 0 && left.next_in > 0 && left.full_in >= left.next_in);
                        // Not a whole second before, and at the latest then.
                        let just_before = nanos + (left.next_in - 1) * SECOND;
                        prop_assert!(limits.look(after(just_before)).spent().is_some());
                        prop_assert!(limits.look(after(nanos + left.next_in * SECOND)).spent().is_none());
                        let full = limits.look(after(nanos + left.full_in * SECOND));
                        let full = full.each().find(|(of, by, _)| (*of, *by) == (limit, measure)).unwrap();
                        prop_assert_eq!(full.2.calls, measure.most());
                        shown = Some(0);
                    }
                }
            }
        }
    }

    #[test]
    fn a_refused_call_costs_no_limit_anything(limits in any_limits(), steps in steps()) {
        let mut nanos = 0;
        for (wait, calls) in steps {
            nanos += wait;
            for _ in 0..calls {
                let before = limits.look(after(nanos));
                if limits.take(after(nanos)).is_err() {
                    prop_assert_eq!(limits.look(after(nanos)), before);
                }
            }
        }
    }

    #[test]
    fn threads_together_take_no_more_than_there_is_and_pay_for_no_more(
        own in 1_u64..60,
        shared in 1_u64..60,
        burst in 1_u32..60,
        threads in 2_usize..5,
    ) {
        let quotas = |calls: u64| Quotas { day: calls.to_string().parse().unwrap(), ..Quotas::OFF };
        let drawn = Drawn {
            own_quotas: quotas(own),
            shared_quotas: quotas(shared),
            ..drawn(&format!("1/h burst={burst}"), "off")
        };
        let counters = Counters::new(100);
        let counting = counters.of(&drawn, Environment::Live).unwrap();
        let limits =
            Budgets::new(100).limiters(&drawn, Environment::Live, Monotonic(0)).counting(counting);
        let passed: usize = std::thread::scope(|scope| {
            let take = || (0..40).filter(|_| limits.take(after(0)).is_ok()).count();
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let passed = passed as u64;
        let there_is = own.min(shared).min(u64::from(burst));
        prop_assert!(passed <= there_is);
        // Who loses a race is refused, so that fewer may pass; then what they paid is there again.
        let left = limits.look(after(0));
        prop_assert_eq!(left.own.unwrap().1.calls, u64::from(burst) - passed);
        prop_assert_eq!(left.own_quotas.day.unwrap().1.calls, own - passed);
        prop_assert_eq!(left.shared_quotas.day.unwrap().1.calls, shared - passed);
        let mut told = Vec::new();
        counters.drain(&mut told);
        prop_assert_eq!(told.iter().map(|drawn| drawn.calls).sum::<u64>(), passed);
    }
}
