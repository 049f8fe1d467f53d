//! Counting calls without a lock: each credential has its counters, by route and outcome.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use keyway_core::Timestamp;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::record::{Count, LastUse, Outcome};
use parking_lot::Mutex;

const OUTCOMES: [Outcome; 6] = [
    Outcome::Ok,
    Outcome::Failed,
    Outcome::Unauthenticated,
    Outcome::Forbidden,
    Outcome::Limited,
    Outcome::Unavailable,
];

/// The most routes that are counted apart for one credential; more are counted as the last.
const MAX_ROUTES: usize = 256;

/// The counters of one credential. Held by what is cached, so that a call costs no look-up.
#[derive(Debug)]
pub(crate) struct Usage {
    credential: EntityId,
    owner: OwnerId,
    routes: OnceLock<Box<Route>>,
    last_at: AtomicI64,
    /// The minute that was reported last.
    reported: AtomicI64,
    last_address: Mutex<Option<IpAddr>>,
}

#[derive(Debug)]
struct Route {
    pattern: Arc<str>,
    counters: [Counter; OUTCOMES.len()],
    next: OnceLock<Box<Route>>,
}

#[derive(Debug, Default)]
struct Counter {
    calls: AtomicU64,
    latency_us: AtomicU64,
}

impl Usage {
    pub(crate) fn new(credential: EntityId, owner: OwnerId) -> Self {
        Self {
            credential,
            owner,
            routes: OnceLock::new(),
            last_at: AtomicI64::new(i64::MIN),
            reported: AtomicI64::new(i64::MIN),
            last_address: Mutex::new(None),
        }
    }

    /// Counts a call.
    pub(crate) fn count(&self, pattern: &str, outcome: Outcome, latency_us: u32) {
        let mut place = &self.routes;
        for depth in 0..MAX_ROUTES {
            let route = place.get_or_init(|| Box::new(Route::new(pattern)));
            if *route.pattern == *pattern || depth + 1 == MAX_ROUTES {
                let counter = OUTCOMES.iter().position(|o| *o == outcome).and_then(|i| route.counters.get(i));
                if let Some(counter) = counter {
                    counter.calls.fetch_add(1, Ordering::Relaxed);
                    counter.latency_us.fetch_add(u64::from(latency_us), Ordering::Relaxed);
                }
                return;
            }
            place = &route.next;
        }
    }

    /// Notes that it was used. Takes the lock once a minute.
    pub(crate) fn used(&self, at: Timestamp, address: Option<IpAddr>) {
        let before = self.last_at.fetch_max(at.as_micros(), Ordering::Relaxed);
        if minute(before) < minute(at.as_micros()) {
            *self.last_address.lock() = address;
        }
    }

    /// Takes what was counted since the last time.
    pub(crate) fn drain(&self, counts: &mut Vec<Count>, last_uses: &mut Vec<LastUse>) {
        let mut place = self.routes.get();
        while let Some(route) = place {
            for (outcome, counter) in OUTCOMES.into_iter().zip(&route.counters) {
                let calls = counter.calls.swap(0, Ordering::Relaxed);
                if calls > 0 {
                    let latency_sum_us = counter.latency_us.swap(0, Ordering::Relaxed);
                    let (credential, owner) = (self.credential, self.owner);
                    let route = Arc::clone(&route.pattern);
                    counts.push(Count { credential, owner, route, outcome, calls, latency_sum_us });
                }
            }
            place = route.next.get();
        }
        let at = self.last_at.load(Ordering::Relaxed);
        if at > i64::MIN && self.reported.swap(minute(at), Ordering::Relaxed) < minute(at) {
            let address = *self.last_address.lock();
            last_uses.push(LastUse { credential: self.credential, at: Timestamp::from_micros(at), address });
        }
    }
}

impl Route {
    fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), counters: Default::default(), next: OnceLock::new() }
    }
}

fn minute(micros: i64) -> i64 {
    micros.div_euclid(60_000_000)
}

#[cfg(test)]
mod tests {
    use keyway_core::random::SeededRandom;

    use super::*;

    fn usage() -> Usage {
        let random = SeededRandom::new(1);
        let id = EntityId::new(Timestamp::default(), &random);
        Usage::new(id, OwnerId::from_entity(id))
    }

    #[test]
    fn counts_are_taken_once() {
        let usage = usage();
        for _ in 0..3 {
            usage.count("/v1/notes", Outcome::Ok, 10);
        }
        usage.count("/v1/notes", Outcome::Limited, 1);
        usage.count("/v1/whoami", Outcome::Ok, 1);
        let mut counts = Vec::new();
        usage.drain(&mut counts, &mut Vec::new());
        let seen: Vec<_> =
            counts.iter().map(|c| (&*c.route, c.outcome.as_str(), c.calls, c.latency_sum_us)).collect();
        assert_eq!(
            seen,
            [("/v1/notes", "ok", 3, 30), ("/v1/notes", "limited", 1, 1), ("/v1/whoami", "ok", 1, 1)]
        );
        counts.clear();
        usage.drain(&mut counts, &mut Vec::new());
        assert!(counts.is_empty());
    }

    #[test]
    fn the_last_use_is_told_once_a_minute() {
        let usage = usage();
        let mut uses = Vec::new();
        for second in [0, 1, 59, 60, 61] {
            usage.used(Timestamp::from_seconds(second), Some([192, 0, 2, 1].into()));
            usage.drain(&mut Vec::new(), &mut uses);
        }
        let seconds: Vec<_> = uses.iter().map(|u| u.at.as_seconds()).collect();
        assert_eq!(seconds, [0, 60]);
    }
}
