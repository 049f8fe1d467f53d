//! What is known of one credential, with what it draws on and is counted by.

use std::sync::Arc;

use keyway_core::change::Position;
use keyway_core::clock::{Duration, Monotonic};
use keyway_core::facts::Facts;
use keyway_core::ids::EntityId;

use crate::freshness::{Freshness, Stamp};
use crate::limit::Limiters;
use crate::usage::Usage;

/// A known credential.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) facts: Arc<Facts>,
    pub(crate) stamp: Stamp,
    /// When the question was asked that this answers.
    pub(crate) asked_at: Monotonic,
    /// For how long it may be used without asking again.
    pub(crate) max_age: Duration,
    pub(crate) limiters: Limiters,
    pub(crate) usage: Arc<Usage>,
}

impl Entry {
    /// Whether nothing that it rests on has changed since it was learnt.
    pub(crate) fn is_good(&self, freshness: &Freshness) -> bool {
        freshness.is_good(&self.stamp, watched(&self.facts))
    }
}

/// All ids whose changes concern a credential.
pub(crate) fn watched(facts: &Facts) -> impl Iterator<Item = EntityId> + '_ {
    [facts.id, facts.owner.entity(), facts.subject.entity(), facts.budgets.root]
        .into_iter()
        .chain(facts.client.map(keyway_core::ids::ClientId::entity))
        .chain(facts.signing_key)
        .chain(facts.ancestors.iter().copied())
}

/// All ids whose end ends an access token: itself, its signing key, its ancestors.
pub(crate) fn ended_by(facts: &Facts) -> impl Iterator<Item = EntityId> + '_ {
    [facts.id].into_iter().chain(facts.signing_key).chain(facts.ancestors.iter().copied())
}

/// A verified JWT and the position of the feed when it was issued.
pub(crate) struct Issued {
    pub(crate) facts: Facts,
    pub(crate) position: Position,
}
