//! Limits: peek at all of them, then spend, so that a call refused by one costs the others nothing.
//!
//! Rates: governor decides (GCRA); [`Arrival`] is the state that it decides by, with what its own stores do not offer: a
//! look without spending, giving back, and the exact arrival time. Quotas by the calendar: `calls`.

mod allowance;
mod calls;
mod counters;
mod headers;
mod limiters;

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use keyway_core::clock::Monotonic;
use keyway_core::ids::EntityId;
use keyway_core::owner::Environment;
use keyway_core::rate::{Limit, Rate};
use parking_lot::Mutex;

pub use allowance::{Allowance, Left, QuotasLeft, Spent};
pub(crate) use counters::{Counters, Counting, Full};
pub(crate) use headers::Policies;
pub use headers::{LimitHeaders, Policy};
pub use limiters::Limiters;

thread_local! {
    /// The request's one reading of the monotonic clock, for the limiters asked on its behalf.
    static READING: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// governor's clock: the reading taken for the request.
#[derive(Clone, Copy, Debug)]
pub struct RequestClock;

impl governor::clock::Clock for RequestClock {
    type Instant = Duration;
    fn now(&self) -> Duration {
        READING.get()
    }
}

/// What is asked of an [`Arrival`], and what it answers.
#[derive(Clone, Debug)]
pub struct Probe {
    ask: Ask,
    /// No debt of this rate reaches further ahead.
    ceiling: u64,
    arrival: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Peek,
    Spend,
    GiveBack(u64),
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        self.ask == other.ask
    }
}
impl Eq for Probe {}
impl Hash for Probe {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A budget's state: the theoretical arrival time of the next call, in nanoseconds of the monotonic clock.
/// A limiter's own and, for an owner, the same for all of its credentials.
#[derive(Clone, Debug, Default)]
pub struct Arrival(Arc<AtomicU64>);

impl StateStore for Arrival {
    type Key = Probe;

    fn measure_and_replace<T, F, E>(&self, probe: &Probe, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut seen = self.0.load(Ordering::Acquire);
        if seen > probe.ceiling.saturating_add(SLACK) {
            // A debt of a rate that no longer holds is cut to what this one could owe.
            seen = self.0.fetch_min(probe.ceiling, Ordering::AcqRel).min(probe.ceiling);
        }
        loop {
            probe.arrival.set(seen);
            let next = match probe.ask {
                Ask::GiveBack(nanos) => seen.saturating_sub(nanos),
                Ask::Peek | Ask::Spend => {
                    let (outcome, next) = decide(NonZeroU64::new(seen).map(|n| n.get().into()))?;
                    if probe.ask == Ask::Peek {
                        return Ok(outcome);
                    }
                    match self.swap(seen, next.as_u64()) {
                        Ok(()) => {
                            probe.arrival.set(next.as_u64());
                            return Ok(outcome);
                        }
                        Err(now) => seen = now,
                    }
                    continue;
                }
            };
            match self.swap(seen, next) {
                // Nothing is owed, so this always allows.
                Ok(()) => return decide(None).map(|(outcome, _)| outcome),
                Err(now) => seen = now,
            }
        }
    }
}

impl Arrival {
    /// Whether a limiter draws on it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn is_owed(&self, now: Monotonic) -> bool {
        self.0.load(Ordering::Acquire) > now.0
    }

    fn swap(&self, seen: u64, next: u64) -> Result<(), u64> {
        self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }
}

type Governor = RateLimiter<Probe, Arrival, RequestClock, governor::middleware::NoOpMiddleware<Duration>>;

/// One limit on one budget.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    governor: Governor,
}

impl Limiter {
    /// `rate` on the budget whose state is `arrival`.
    pub fn new(rate: Rate, arrival: Arrival) -> Self {
        let interval = Duration::from_nanos(rate.interval_nanos());
        let quota = Quota::with_period(interval)
            .unwrap_or_else(|| Quota::per_second(rate.burst))
            .allow_burst(rate.burst);
        // Arrival times count from the clock's zero, so that limiters of different age can share one.
        READING.set(Duration::ZERO);
        Self { rate, governor: RateLimiter::new(quota, arrival, RequestClock) }
    }

    /// Its rate.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    fn ask(&self, ask: Ask, now: Monotonic) -> (bool, Left) {
        READING.set(Duration::from_nanos(now.0));
        let interval = self.rate.interval_nanos();
        let span = interval.saturating_mul(u64::from(self.rate.burst.get()));
        let probe = Probe { ask, ceiling: now.0.saturating_add(span), arrival: Cell::new(0) };
        let allowed = self.governor.check_key(&probe).is_ok();
        let ahead = probe.arrival.get().saturating_sub(now.0);
        let free = span.saturating_sub(ahead);
        let left = Left {
            calls: free / interval,
            full_in: ahead.div_ceil(NANOS),
            next_in: interval.saturating_sub(free).div_ceil(NANOS),
        };
        (allowed, left)
    }

    /// Whether a call is possible now, without spending.
    pub fn peek(&self, now: Monotonic) -> Result<Left, Left> {
        self.turn(Ask::Peek, now)
    }

    /// Spends a call, if one is possible.
    pub fn spend(&self, now: Monotonic) -> Result<Left, Left> {
        self.turn(Ask::Spend, now)
    }

    fn turn(&self, ask: Ask, now: Monotonic) -> Result<Left, Left> {
        let (allowed, left) = self.ask(ask, now);
        if allowed { Ok(left) } else { Err(left) }
    }

    fn give_back(&self, now: Monotonic) {
        self.ask(Ask::GiveBack(self.rate.interval_nanos()), now);
    }
}

const NANOS: u64 = 1_000_000_000;
/// How old the clock's reading of a call may be that asks: it may have waited for a look-up. So much more than its own
/// reading allows for may truly be owed.
const SLACK: u64 = 60 * NANOS;

/// All budgets by id and environment. They outlive what is cached, and go when they are full again and nobody holds
/// them; where there are too many, those go that nobody holds.
#[derive(Debug)]
pub struct Budgets {
    known: Mutex<HashMap<(EntityId, Environment), Arrival>>,
    most: usize,
}

impl Budgets {
    /// None yet, and later at most `most` besides those that are held.
    pub fn new(most: usize) -> Self {
        Self { known: Mutex::default(), most }
    }

    /// The limiters of a credential that draws on `budgets`.
    pub fn limiters(
        &self,
        budgets: &keyway_core::facts::Budgets,
        environment: Environment,
        now: Monotonic,
    ) -> Limiters {
        let mut known = self.known.lock();
        if known.len() >= self.most {
            known.retain(|_, arrival| arrival.is_held() || arrival.is_owed(now));
            // Half of them, so that not every newcomer pays for it.
            if known.len() > self.most / 2 {
                known.retain(|_, arrival| arrival.is_held());
            }
        }
        let mut limiter = |id: EntityId, limit: Limit| {
            let rate = limit.rate()?;
            Some(Limiter::new(rate, known.entry((id, environment)).or_default().clone()))
        };
        let own = limiter(budgets.root, budgets.own);
        let shared = budgets.owner.and_then(|owner| limiter(owner.entity(), budgets.shared));
        Limiters { own, shared, ..Limiters::default() }
    }

    /// Drops what is full again and held by nobody.
    pub fn prune(&self, now: Monotonic) {
        self.known.lock().retain(|_, arrival| arrival.is_held() || arrival.is_owed(now));
    }

    /// How many there are.
    pub fn held(&self) -> usize {
        self.known.lock().len()
    }
}

#[cfg(test)]
mod tests;
