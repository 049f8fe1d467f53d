//! Leaving alone what does not answer: after some failures in a row nobody asks for a while, then one does, and so on
//! for longer each time. The times are scattered, so that guards which lost the same portal do not return as one.

use std::sync::Arc;

use keyway_core::Random;
use keyway_core::clock::{Duration, Monotonic};

use crate::sync::{AtomicU64, Ordering};

/// How often, and for how long, what does not answer is left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// So many failures in a row open the breaker.
    pub(crate) failures: u64,
    /// How long nobody asks, the first time; twice as long each time after.
    pub(crate) first: Duration,
    /// The longest that it gets.
    pub(crate) longest: Duration,
}

impl Patience {
    /// How long to wait after `failures` in a row: between half and all of what the doubling gives.
    pub(crate) fn pause(&self, failures: u64, random: &dyn Random) -> Duration {
        let doublings = failures.saturating_sub(self.failures).min(16);
        let full = self.first.as_micros().saturating_mul(1 << doublings).min(self.longest.as_micros());
        let mut byte = [0];
        random.fill(&mut byte);
        let [byte] = byte;
        Duration::micros(full / 2 + full / 2 * i64::from(byte) / 255)
    }
}

/// Whether something may be asked.
pub(crate) struct Breaker {
    patience: Patience,
    /// How long one who asks may take at most: so long nobody else does.
    probe: Duration,
    random: Arc<dyn Random>,
    failures: AtomicU64,
    /// Nobody asks before: nanoseconds.
    closed_again: AtomicU64,
}

impl Breaker {
    pub(crate) fn new(patience: Patience, probe: Duration, random: Arc<dyn Random>) -> Self {
        Self { patience, probe, random, failures: AtomicU64::new(0), closed_again: AtomicU64::new(0) }
    }

    /// Whether one may ask now.
    ///
    /// # Errors
    /// Whole seconds after which another try makes sense, at least 1.
    pub(crate) fn admit(&self, now: Monotonic) -> Result<(), u64> {
        if self.failures.load(Ordering::Acquire) < self.patience.failures {
            return Ok(());
        }
        let until = self.closed_again.load(Ordering::Acquire);
        let left = until.saturating_sub(now.0);
        // Of those who come when the time is over, one asks; the others wait for what it finds.
        let probe = later(now, self.probe);
        let mine = || self.closed_again.compare_exchange(until, probe, Ordering::AcqRel, Ordering::Acquire);
        if left == 0 && mine().is_ok() { Ok(()) } else { Err(left.div_ceil(1_000_000_000).max(1)) }
    }

    /// Whether nobody may ask now.
    pub(crate) fn is_open(&self, now: Monotonic) -> bool {
        self.failures.load(Ordering::Acquire) >= self.patience.failures
            && now.0 < self.closed_again.load(Ordering::Acquire)
    }

    /// It answered.
    pub(crate) fn answered(&self) {
        if self.failures.load(Ordering::Acquire) != 0 {
            self.failures.store(0, Ordering::Release);
        }
    }

    /// It did not.
    pub(crate) fn failed(&self, now: Monotonic) {
        let failures = self.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if failures >= self.patience.failures {
            let pause = self.patience.pause(failures, &*self.random);
            self.closed_again.store(later(now, pause), Ordering::Release);
        }
    }
}

fn later(now: Monotonic, span: Duration) -> u64 {
    now.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(0).saturating_mul(1_000))
}

#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests {
    use keyway_core::random::SeededRandom;

    use super::*;

    const PATIENCE: Patience =
        Patience { failures: 3, first: Duration::seconds(1), longest: Duration::seconds(8) };

    fn at(millis: u64) -> Monotonic {
        Monotonic(millis * 1_000_000)
    }

    #[test]
    fn it_opens_lets_one_try_and_closes_again() {
        let breaker = Breaker::new(PATIENCE, Duration::seconds(2), Arc::new(SeededRandom::new(1)));
        for _ in 0..2 {
            breaker.failed(at(0));
            assert_eq!(breaker.admit(at(0)), Ok(()));
        }
        breaker.failed(at(0));
        assert_eq!(breaker.admit(at(400)), Err(1));
        assert_eq!(breaker.admit(at(1_000)), Ok(()));
        assert_eq!(breaker.admit(at(1_000)), Err(2), "one tries, and may take so long");
        breaker.failed(at(1_100));
        assert!(breaker.admit(at(2_000)).is_err(), "longer than the first time");
        assert_eq!(breaker.admit(at(3_100)), Ok(()));
        breaker.answered();
        assert_eq!((breaker.admit(at(3_100)), breaker.admit(at(3_100))), (Ok(()), Ok(())));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_scattered() {
        let random = SeededRandom::new(1);
        for (failures, full) in [(3, 1_000), (4, 2_000), (6, 8_000), (60, 8_000)] {
            let pauses: Vec<_> =
                (0..100).map(|_| PATIENCE.pause(failures, &random).as_micros() / 1_000).collect();
            assert!(pauses.iter().all(|pause| (full / 2..=full).contains(pause)), "{failures}: {pauses:?}");
            assert!(pauses.iter().max() > pauses.iter().min());
        }
    }
}
