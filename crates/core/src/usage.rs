//! Calls counted by how they ended, and the stretches of time that they are counted over.

use crate::clock::{Duration, Timestamp};
use crate::record::Outcome;

/// The most buckets in one [`Period`].
const MAX_BUCKETS: u16 = 400;

/// How long one bucket is. Buckets begin on the hour, or at midnight, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Grain {
    /// The length of a bucket.
    pub const fn span(self) -> Duration {
        match self {
            Self::Hour => Duration::hours(1),
            Self::Day => Duration::days(1),
        }
    }

    /// The beginning of the bucket in which `at` lies.
    pub const fn begin(self, at: Timestamp) -> Timestamp {
        let span = self.span().as_micros();
        Timestamp::from_micros(at.as_micros().div_euclid(span).saturating_mul(span))
    }
}

/// Whole buckets, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Timestamp,
    grain: Grain,
    buckets: u16,
}

impl Period {
    /// The last `buckets` up to and with the one in which `now` lies; 1 to 400.
    pub fn ending(now: Timestamp, grain: Grain, buckets: u16) -> Self {
        let buckets = buckets.clamp(1, MAX_BUCKETS);
        let back = Duration::micros(grain.span().as_micros() * i64::from(buckets - 1));
        Self { from: grain.begin(now) - back, grain, buckets }
    }

    /// The period of the same length that ends where this one begins.
    #[must_use]
    pub fn before(self) -> Self {
        Self { from: self.from - self.span(), ..self }
    }

    /// Its first moment.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// The first moment after it.
    pub fn until(self) -> Timestamp {
        self.from + self.span()
    }

    /// How long a bucket is.
    pub const fn grain(self) -> Grain {
        self.grain
    }

    /// How many buckets there are.
    pub const fn buckets(self) -> u16 {
        self.buckets
    }

    /// Where each bucket begins.
    pub fn starts(self) -> impl Iterator<Item = Timestamp> {
        let span = self.grain.span().as_micros();
        (0..self.buckets).map(move |n| self.from + Duration::micros(span * i64::from(n)))
    }

    const fn span(self) -> Duration {
        Duration::micros(self.grain.span().as_micros() * self.buckets as i64)
    }
}

/// Calls by how they ended, and how long they took together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`Outcome::Ok`]
    pub ok: u64,
    /// [`Outcome::Failed`]
    pub failed: u64,
    /// [`Outcome::Unauthenticated`]
    pub unauthenticated: u64,
    /// [`Outcome::Forbidden`]
    pub forbidden: u64,
    /// [`Outcome::Limited`]
    pub limited: u64,
    /// [`Outcome::Unavailable`]
    pub unavailable: u64,
    /// The sum of their latencies in microseconds.
    pub latency_sum_us: u64,
}

impl Tally {
    /// Counts `calls` more that ended so and took `latency_sum_us` together.
    pub const fn add(&mut self, outcome: Outcome, calls: u64, latency_sum_us: u64) {
        let count = match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Failed => &mut self.failed,
            Outcome::Unauthenticated => &mut self.unauthenticated,
            Outcome::Forbidden => &mut self.forbidden,
            Outcome::Limited => &mut self.limited,
            Outcome::Unavailable => &mut self.unavailable,
        };
        *count = count.saturating_add(calls);
        self.latency_sum_us = self.latency_sum_us.saturating_add(latency_sum_us);
    }

    /// Counts all of another.
    pub fn merge(&mut self, other: &Self) {
        for outcome in Outcome::ALL {
            self.add(outcome, other.of(outcome), 0);
        }
        self.latency_sum_us = self.latency_sum_us.saturating_add(other.latency_sum_us);
    }

    /// The calls that ended so.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Ok => self.ok,
            Outcome::Failed => self.failed,
            Outcome::Unauthenticated => self.unauthenticated,
            Outcome::Forbidden => self.forbidden,
            Outcome::Limited => self.limited,
            Outcome::Unavailable => self.unavailable,
        }
    }

    /// Those that the guard let through, whatever the API made of them.
    pub const fn accepted(&self) -> u64 {
        self.ok.saturating_add(self.failed)
    }

    /// Those that the guard did not let through.
    pub const fn refused(&self) -> u64 {
        self.unauthenticated
            .saturating_add(self.forbidden)
            .saturating_add(self.limited)
            .saturating_add(self.unavailable)
    }

    /// All.
    pub const fn total(&self) -> u64 {
        self.accepted().saturating_add(self.refused())
    }

    /// The mean latency in microseconds; `None` without calls.
    pub const fn mean_latency_us(&self) -> Option<u64> {
        self.latency_sum_us.checked_div(self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_510_800 + 1_234);

    #[test]
    fn a_period_has_whole_buckets_and_ends_with_the_present_one() {
        for (grain, buckets) in [(Grain::Hour, 24), (Grain::Day, 90), (Grain::Day, 1)] {
            let period = Period::ending(NOW, grain, buckets);
            let starts: Vec<_> = period.starts().collect();
            assert_eq!(starts.len(), usize::from(buckets));
            assert_eq!(starts[0], period.from());
            assert_eq!(*starts.last().unwrap(), grain.begin(NOW));
            assert!(starts.iter().all(|at| grain.begin(*at) == *at));
            assert!(period.until() > NOW && period.until().since(NOW) <= grain.span());
            assert_eq!(period.before().until(), period.from());
            assert_eq!(period.before().buckets(), buckets);
        }
        assert_eq!(Period::ending(NOW, Grain::Day, 0).buckets(), 1);
        assert_eq!(Period::ending(NOW, Grain::Day, u16::MAX).buckets(), 400);
    }

    #[test]
    fn a_tally_knows_what_was_refused_and_how_long_it_took() {
        let mut tally = Tally::default();
        assert_eq!(tally.mean_latency_us(), None);
        for outcome in Outcome::ALL {
            tally.add(outcome, 2, 100);
        }
        assert_eq!((tally.total(), tally.accepted(), tally.refused()), (12, 4, 8));
        assert_eq!(tally.mean_latency_us(), Some(50));
        let mut both = tally;
        both.merge(&tally);
        assert_eq!((both.total(), both.latency_sum_us), (24, 1_200));
        both.add(Outcome::Ok, u64::MAX, u64::MAX);
        assert_eq!(both.total(), u64::MAX);
    }
}
