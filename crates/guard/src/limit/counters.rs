//! All counters by budget and environment: they outlive what is cached, are reported with the record batches, and learn
//! from the answers what other guards have counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_core::facts::Budgets;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::quota::{Counted, Drawn};
use parking_lot::Mutex;

use super::calls::{Calls, Counter};

/// The counters that exist. Only budgets with a quota have one.
#[derive(Debug)]
pub(crate) struct Counters {
    known: Mutex<HashMap<Key, Known>>,
    /// Whether calls were taken to be reported and the answer has not come.
    reporting: AtomicBool,
    most: usize,
}

type Key = (EntityId, Environment);

/// There are as many as there may be, and none that can be let go of.
#[derive(Debug)]
pub(crate) struct Full;

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
    /// None yet, and later at most about `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), reporting: AtomicBool::new(false), most }
    }

    /// The counters for a credential that draws on `budgets`; `None` where no quota holds.
    ///
    /// # Errors
    /// [`Full`], where calls of very many budgets wait to be reported.
    pub(crate) fn of(&self, budgets: &Budgets, environment: Environment) -> Result<Option<Counting>, Full> {
        if !budgets.has_quotas() {
            return Ok(None);
        }
        let mut known = self.known.lock();
        if known.len() >= self.most {
            self.let_go(&mut known);
            if known.len() >= self.most {
                return Err(Full);
            }
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
        Ok(Some(Counting { own, shared, ids: (budgets.root, owner) }))
    }

    /// Takes what has been counted since the last time.
    pub(crate) fn drain(&self, drawn: &mut Vec<Drawn>) {
        let known = self.known.lock();
        // Before anything is taken, and under the lock that letting go takes.
        self.reporting.store(true, Ordering::Relaxed);
        for ((root, environment), known) in known.iter() {
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

    /// All that was taken has been reported.
    pub(crate) fn reported(&self) {
        let _known = self.known.lock();
        self.reporting.store(false, Ordering::Relaxed);
    }

    /// Drops what nobody holds.
    pub(crate) fn prune(&self) {
        self.let_go(&mut self.known.lock());
    }

    /// Drops what nobody holds and everybody knows: whoever comes next begins with the stored counts, so those must have
    /// all that was counted here.
    fn let_go(&self, known: &mut HashMap<Key, Known>) {
        if self.reporting.load(Ordering::Relaxed) {
            return;
        }
        let mut owing = HashSet::<Key>::new();
        for (&(root, environment), known) in known.iter().filter(|(_, known)| known.counter.is_owing()) {
            let owner = known.reported.and_then(|reported| reported.owner).map(OwnerId::entity);
            owing.extend([Some(root), owner].into_iter().flatten().map(|id| (id, environment)));
        }
        known.retain(|key, known| Arc::strong_count(&known.counter) > 1 || owing.contains(key));
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
