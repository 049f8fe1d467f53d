//! All counters by budget and environment: they outlive what is cached, are reported with the record batches, and learn
//! from the answers what other guards have counted.

use std::collections::HashMap;
use std::sync::Arc;

use keyway_core::facts::Budgets;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::quota::{Counted, Drawn};
use parking_lot::Mutex;

use super::calls::{Calls, Counter};

/// The counters that exist. Only budgets with a quota have one.
#[derive(Debug)]
pub(crate) struct Counters {
    known: Mutex<HashMap<(EntityId, Environment), Known>>,
    most: usize,
}

#[derive(Debug)]
struct Known {
    counter: Arc<Counter>,
    /// Calls on a root are reported as its owner's too, where they draw on that budget.
    reported: Option<Reported>,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    owner: Option<OwnerId>,
}

/// The counters that a credential draws on.
#[derive(Debug)]
pub(crate) struct Counting {
    own: Calls,
    shared: Option<Calls>,
    ids: (EntityId, Option<EntityId>),
}

impl Counters {
    /// None yet, and later at most `most` besides those that are held.
    pub(crate) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), most }
    }

    /// The counters for a credential that draws on `budgets`; `None` where no quota holds.
    pub(crate) fn of(&self, budgets: &Budgets, environment: Environment) -> Option<Counting> {
        if !budgets.has_quotas() {
            return None;
        }
        let mut known = self.known.lock();
        if known.len() >= self.most {
            // What is let go of begins with the stored counts again.
            known.retain(|_, known| Arc::strong_count(&known.counter) > 1);
        }
        let mut counter = |id: EntityId, reported: Option<Reported>| {
            let new = || Known { counter: Arc::default(), reported };
            Arc::clone(&known.entry((id, environment)).or_insert_with(new).counter)
        };
        let reported = Reported { owner: budgets.owner };
        let own = Calls { counter: counter(budgets.root, Some(reported)), quotas: budgets.own_quotas };
        let owner = budgets.owner.map(OwnerId::entity);
        let shared = owner
            .filter(|_| !budgets.shared_quotas.is_off())
            .map(|owner| Calls { counter: counter(owner, None), quotas: budgets.shared_quotas });
        Some(Counting { own, shared, ids: (budgets.root, owner) })
    }

    /// Takes what has been counted since the last time.
    pub(crate) fn drain(&self, drawn: &mut Vec<Drawn>) {
        for ((root, environment), known) in self.known.lock().iter() {
            let Some(Reported { owner }) = known.reported else { continue };
            for (day, calls) in known.counter.drain() {
                drawn.push(Drawn { root: *root, owner, environment: *environment, day, calls });
            }
        }
    }

    /// Learns what all guards have counted, after they were told `sent`.
    pub(crate) fn settle(&self, sent: &[Drawn], counted: &[Counted]) {
        let mut days = HashMap::<_, u64>::new();
        let mut months = HashMap::<_, u64>::new();
        for drawn in sent {
            for id in std::iter::once(drawn.root).chain(drawn.owner.map(OwnerId::entity)) {
                *days.entry((id, drawn.environment, drawn.day)).or_default() += drawn.calls;
                *months.entry((id, drawn.environment, drawn.day.month())).or_default() += drawn.calls;
            }
        }
        let known = self.known.lock();
        for total in counted {
            let Some(known) = known.get(&(total.id, total.environment)) else { continue };
            let sum = |sum: Option<&u64>| sum.copied().unwrap_or_default();
            let in_day = sum(days.get(&(total.id, total.environment, total.day)));
            let in_month = sum(months.get(&(total.id, total.environment, total.day.month())));
            known.counter.told(total, in_day, in_month);
        }
    }

    /// Drops what nobody holds. Right after everything was reported: whoever comes next begins with the stored counts.
    pub(crate) fn prune(&self) {
        self.known.lock().retain(|_, known| Arc::strong_count(&known.counter) > 1);
    }

    /// How many there are.
    pub(crate) fn held(&self) -> usize {
        self.known.lock().len()
    }
}

impl Counting {
    /// Whether all of them began with the stored counts.
    pub(crate) fn is_loaded(&self) -> bool {
        self.own.counter.is_loaded() && self.shared.as_ref().is_none_or(|shared| shared.counter.is_loaded())
    }

    /// Begins with the stored counts, where one has not yet.
    pub(crate) fn load(&self, counted: &[Counted], environment: Environment) {
        let of = |id| counted.iter().find(|one| one.id == id && one.environment == environment);
        self.own.counter.load(of(self.ids.0));
        if let (Some(shared), Some(owner)) = (&self.shared, self.ids.1) {
            shared.counter.load(of(owner));
        }
    }

    pub(super) fn into_calls(self) -> (Calls, Option<Calls>) {
        (self.own, self.shared)
    }
}
