//! How full each guard of a process is.

use std::sync::Arc;

use keyway_guard::Guard;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};

use super::as_text;

/// The guards of a process by where they stand, and what each of them holds. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct GuardSizes {
    guards: Arc<Mutex<Vec<(&'static str, Guard)>>>,
    held: IntGaugeVec,
    most: IntGaugeVec,
}

impl GuardSizes {
    /// Without guards.
    ///
    /// # Errors
    /// Never: the names are good ones.
    pub fn new() -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str| {
            IntGaugeVec::new(Opts::new(format!("keyway_{name}"), help), &["place", "audience", "what"])
        };
        Ok(Self {
            guards: Arc::default(),
            held: gauges("guard_held", "What a guard holds of everything that grows with use")?,
            most: gauges("guard_most", "What a guard may hold at most")?,
        })
    }

    /// Watches one more guard: that of `place`, as `portal`, `api`, `proxy` or `demo`.
    pub fn watch(&self, place: &'static str, guard: &Guard) {
        self.guards.lock().push((place, guard.clone()));
    }

    /// The sizes as text, for a process without a portal.
    pub fn text(&self) -> String {
        as_text(&self.collect())
    }
}

impl Collector for GuardSizes {
    fn desc(&self) -> Vec<&Desc> {
        self.held.desc().into_iter().chain(self.most.desc()).collect()
    }
    fn collect(&self) -> Vec<MetricFamily> {
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (place, guard) in self.guards.lock().iter() {
            let audience = guard.settings().audience.as_str();
            for size in guard.sizes() {
                let labels = [*place, audience, size.what];
                self.held.with_label_values(&labels).set(gauge(size.held));
                self.most.with_label_values(&labels).set(gauge(size.most));
            }
        }
        self.held.collect().into_iter().chain(self.most.collect()).collect()
    }
}
