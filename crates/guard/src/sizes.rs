//! How full everything is that a guard holds: for metrics.

use crate::guard::Guard;

/// One of the things that a guard holds more or less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What: as [`Settings`](crate::Settings) calls it.
    pub what: &'static str,
    /// How many there are.
    pub held: usize,
    /// How many there may be.
    pub most: usize,
}

impl Guard {
    /// Everything that grows with what is asked of the guard, and how far it may.
    pub fn sizes(&self) -> [Size; 10] {
        let inner = self.inner();
        let settings = &inner.settings;
        let (known, unknown) = inner.cache.held();
        let (recent, ended) = inner.freshness.held();
        let (counted, waiting_records) = inner.recorder.held();
        let size = |what, held, most| Size { what, held, most };
        [
            size("known", known, settings.known),
            size("unknown", unknown, settings.unknown),
            size("recent", recent, settings.recent),
            size("ended", ended, settings.ended),
            size("spent_proofs", inner.proofs.held(), settings.spent_proofs),
            size("budgets", inner.budgets.held(), settings.budgets.max(settings.known.saturating_mul(4))),
            size("quotas", inner.counters.held(), settings.quotas.max(settings.known.saturating_mul(4))),
            size("guessers", inner.guesses.len(), settings.guessers),
            size("counted", counted, settings.counted.max(settings.known.saturating_mul(2))),
            size("waiting_records", waiting_records, settings.waiting_records),
        ]
    }
}
