//! All limits of one credential: peek at each, then spend all.

use std::sync::Arc;

use keyway_core::clock::Moment;
use keyway_core::quota::{Measure, Window};
use keyway_core::refusal::SpentLimit;
use smallvec::SmallVec;

use super::calls::{Calls, Windows};
use super::counters::Counting;
use super::headers::{Policies, Policy};
use super::{Allowance, Limiter, Spent};

/// The limits of one credential: its own and the owner's, by rate and by the calendar. Held by what is cached, so that
/// a call costs no look-up.
#[derive(Debug, Default)]
pub struct Limiters {
    pub(super) own: Option<Limiter>,
    pub(super) shared: Option<Limiter>,
    pub(super) own_calls: Option<Calls>,
    pub(super) shared_calls: Option<Calls>,
    pub(super) policy: Option<Arc<Policy>>,
}

/// One limit, or the quotas on one budget.
#[derive(Clone, Copy)]
enum Step<'l> {
    Rate(SpentLimit, &'l Limiter),
    Calls(SpentLimit, &'l Calls),
}

impl Limiters {
    /// With these counters, where calls count by the calendar.
    pub(crate) fn counting(mut self, counting: Option<Counting>) -> Self {
        if let Some(counting) = counting {
            let (own, shared) = counting.into_calls();
            self.own_calls = Some(own);
            self.shared_calls = shared;
        }
        self
    }

    /// With what the headers say of all of them.
    pub(crate) fn told(mut self, policies: &Policies) -> Self {
        self.policy = policies.of(self.measures());
        self
    }

    /// What the headers say of all of them; `None` where none holds, or nobody is told.
    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    /// All of them, in the order of [`Allowance::each`].
    fn measures(&self) -> impl Iterator<Item = (SpentLimit, Measure)> {
        fn of<'l>(
            limit: SpentLimit,
            rate: Option<&'l Limiter>,
            calls: Option<&'l Calls>,
        ) -> impl Iterator<Item = (SpentLimit, Measure)> + 'l {
            let rate = rate.map(|limiter| Measure::Rate(limiter.rate()));
            let quotas = calls.into_iter().flat_map(|calls| {
                [Window::Day, Window::Month]
                    .into_iter()
                    .filter_map(|window| Some(Measure::Quota(window, calls.quotas.of(window).calls()?)))
            });
            rate.into_iter().chain(quotas).map(move |measure| (limit, measure))
        }
        let own = of(SpentLimit::Own, self.own.as_ref(), self.own_calls.as_ref());
        own.chain(of(SpentLimit::Shared, self.shared.as_ref(), self.shared_calls.as_ref()))
    }

    /// Spends one call of every limit if all allow one, the narrower first. What is left is put into `allowance`.
    ///
    /// # Errors
    /// The one that is spent, of several the one that lasts longest; then none has paid.
    pub fn spend(&self, now: Moment, allowance: &mut Allowance) -> Result<(), Spent> {
        // One atomic each where there is room, which is nearly always.
        if !self.steps().all(|step| step.is_open(now)) {
            *allowance = self.look(now);
            if let Some(spent) = allowance.spent() {
                return Err(spent);
            }
        }
        let mut paid: SmallVec<[(Step<'_>, Windows); 4]> = SmallVec::new();
        for step in self.steps() {
            let Some(windows) = step.spend(now, allowance) else {
                // Another call was faster between the look and the payment.
                let seen = allowance.narrowest();
                for (step, windows) in paid {
                    step.give_back(windows, now);
                }
                *allowance = self.look(now);
                return allowance.spent().or(seen).map_or(Ok(()), Err);
            };
            paid.push((step, windows));
        }
        for (step, windows) in paid {
            if let Step::Calls(SpentLimit::Own, calls) = step {
                calls.report(windows);
            }
        }
        Ok(())
    }

    /// What is left, without spending.
    pub(super) fn look(&self, now: Moment) -> Allowance {
        let mut allowance = Allowance::default();
        self.steps().for_each(|step| step.look(now, &mut allowance));
        allowance
    }

    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let own = self.own.iter().map(|limiter| Step::Rate(SpentLimit::Own, limiter));
        let own_calls = self.own_calls.iter().map(|calls| Step::Calls(SpentLimit::Own, calls));
        let shared = self.shared.iter().map(|limiter| Step::Rate(SpentLimit::Shared, limiter));
        let shared_calls = self.shared_calls.iter().map(|calls| Step::Calls(SpentLimit::Shared, calls));
        own.chain(own_calls).chain(shared).chain(shared_calls)
    }
}

impl Step<'_> {
    fn is_open(self, now: Moment) -> bool {
        match self {
            Self::Rate(_, limiter) => limiter.peek(now.mono).is_ok(),
            Self::Calls(_, calls) => calls.is_open(now.wall),
        }
    }

    /// Spends one call and notes what is left, or notes why not.
    fn spend(self, now: Moment, allowance: &mut Allowance) -> Option<Windows> {
        match self {
            Self::Rate(limit, limiter) => {
                let spent = limiter.spend(now.mono);
                allowance.note(limit, limiter.rate(), spent.unwrap_or_else(|left| left));
                spent.is_ok().then(Windows::default)
            }
            Self::Calls(_, calls) => {
                let spent = calls.spend(now.wall);
                self.look(now, allowance);
                spent
            }
        }
    }

    fn give_back(self, windows: Windows, now: Moment) {
        match self {
            Self::Rate(_, limiter) => limiter.give_back(now.mono),
            Self::Calls(_, calls) => calls.give_back(windows),
        }
    }

    fn look(self, now: Moment, allowance: &mut Allowance) {
        match self {
            Self::Rate(limit, limiter) => {
                allowance.note(limit, limiter.rate(), limiter.peek(now.mono).unwrap_or_else(|left| left));
            }
            Self::Calls(SpentLimit::Shared, calls) => allowance.shared_quotas = calls.left(now.wall),
            Self::Calls(_, calls) => allowance.own_quotas = calls.left(now.wall),
        }
    }
}
