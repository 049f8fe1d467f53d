//! How long requests took.

use std::time::Duration;

/// The latencies of a run.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mean, in microseconds; 0 of none.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.0.iter().map(micros).sum();
        if self.0.is_empty() { 0.0 } else { sum / self.0.len() as f64 }
    }

    /// The latency, in microseconds, that `share` (0 to 1) of all do not exceed; 0 of none.
    pub fn quantile(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let at = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(at.saturating_sub(1)).map_or(0.0, micros)
    }
}

fn micros(latency: &Duration) -> f64 {
    latency.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let mut all = Latencies::default();
        assert_eq!((all.mean(), all.quantile(0.99)), (0.0, 0.0));
        for micros in (1..=100).rev() {
            all.add(Duration::from_micros(micros));
        }
        assert_eq!((all.quantile(0.5), all.quantile(0.99), all.quantile(1.0)), (50.0, 99.0, 100.0));
        assert!((all.mean() - 50.5).abs() < 1e-6);
    }
}
