//! What is left of the limits that a call has drawn on.

use keyway_core::quota::Measure;
use keyway_core::rate::Rate;
use keyway_core::refusal::SpentLimit;

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Calls possible now.
    pub calls: u64,
    /// Whole seconds until it is full, rounded up.
    pub full_in: u64,
    /// Whole seconds until one call is possible, rounded up; 0 if one is.
    pub next_in: u64,
}

/// What is left of the quotas of one budget; absent where none holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotasLeft {
    /// Of this calendar day (UTC).
    pub day: Option<(Measure, Left)>,
    /// Of this calendar month (UTC).
    pub month: Option<(Measure, Left)>,
}

/// What is left of the limits that a call has drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The credential's own.
    pub own: Option<(Rate, Left)>,
    /// The one that all credentials of the owner share.
    pub shared: Option<(Rate, Left)>,
    /// The credential's own quotas.
    pub own_quotas: QuotasLeft,
    /// Those that all credentials of the owner share.
    pub shared_quotas: QuotasLeft,
}

impl Allowance {
    /// All limits, the credential's own first.
    pub fn each(&self) -> impl Iterator<Item = (SpentLimit, Measure, Left)> + use<> {
        let rate = |limit: Option<(Rate, Left)>| limit.map(|(rate, left)| (Measure::Rate(rate), left));
        let own = [rate(self.own), self.own_quotas.day, self.own_quotas.month];
        let shared = [rate(self.shared), self.shared_quotas.day, self.shared_quotas.month];
        let named = |name| move |(measure, left)| (name, measure, left);
        let own = own.into_iter().flatten().map(named(SpentLimit::Own));
        own.chain(shared.into_iter().flatten().map(named(SpentLimit::Shared)))
    }

    /// The limit with the least left; of several that one which lets a call through last, or else the first.
    pub fn tightest(&self) -> Option<(SpentLimit, Measure, Left)> {
        self.each().reduce(|tightest, next| {
            let (a, b) = (tightest.2, next.2);
            let tighter = b.calls < a.calls || b.calls == a.calls && b.next_in > a.next_in;
            if tighter { next } else { tightest }
        })
    }

    /// The limit that lets no call through, if there is one: of several the one that lasts longest.
    pub(super) fn spent(&self) -> Option<Spent> {
        self.narrowest().filter(|spent| spent.left.calls == 0)
    }

    /// The [tightest](Self::tightest) as the one that was spent, whether it still is or not.
    pub(super) fn narrowest(&self) -> Option<Spent> {
        self.tightest().map(|(limit, measure, left)| Spent { limit, measure, left })
    }

    pub(super) fn note(&mut self, limit: SpentLimit, rate: Rate, left: Left) {
        match limit {
            SpentLimit::Own => self.own = Some((rate, left)),
            SpentLimit::Shared => self.shared = Some((rate, left)),
            SpentLimit::Address => {}
        }
    }
}

/// A limit is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Which.
    pub limit: SpentLimit,
    /// How much it lets through.
    pub measure: Measure,
    /// What is left: nothing, and for how long.
    pub left: Left,
}
