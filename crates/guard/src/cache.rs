//! What is known of credentials, by the SHA-256 of the whole credential. One look-up is in flight per credential;
//! what is not found, and what fails, is remembered for a moment and apart, so that guesses push out nothing good.

use std::sync::Arc;

use keyway_core::clock::{Duration, Monotonic};
use keyway_core::secret::SecretDigest;
use quick_cache::sync::{Cache as Map, EntryAction, EntryResult};

use crate::entry::Entry;

/// How long a failure is shared with those who ask the same.
const FAILED_FOR: Duration = Duration::seconds(1);
/// How long an unknown credential stays unknown.
const UNKNOWN_FOR: Duration = Duration::seconds(2);

/// Why there is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// The source knows no such credential.
    Unknown,
    /// The source did not say.
    Failed,
}

/// The entries and the recent failures to get one.
#[derive(Debug)]
pub(crate) struct Cache {
    known: Map<SecretDigest, Arc<Entry>>,
    nothing: Map<SecretDigest, (Nothing, Monotonic)>,
}

/// The right to look up: others who ask for the same wait for it.
pub(crate) struct Turn<'a> {
    fill: Box<dyn FnOnce(Arc<Entry>) + Send + 'a>,
}

impl Turn<'_> {
    /// Hands the entry to all who wait. Dropped instead, the next of them gets the turn.
    pub(crate) fn fill(self, entry: Arc<Entry>) {
        (self.fill)(entry);
    }
}

/// What came of asking the cache.
pub(crate) enum Answer<'a> {
    /// An entry that `usable` accepted.
    Known(Arc<Entry>),
    /// Nothing was found a moment ago.
    Nothing(Nothing),
    /// Look it up.
    LookUp(Turn<'a>),
}

impl Cache {
    pub(crate) fn new(known: usize, unknown: usize) -> Self {
        Self { known: Map::new(known.max(1)), nothing: Map::new(unknown.max(1)) }
    }

    /// How many credentials are known, and how many are known not to be.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.known.len(), self.nothing.len())
    }

    /// The entry, if it is there and `usable`. Takes a read lock on one shard and allocates nothing.
    pub(crate) fn hit(&self, digest: &SecretDigest, usable: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        self.known.get(digest).filter(|entry| usable(entry))
    }

    /// What was not found or failed a moment ago.
    pub(crate) fn nothing(&self, digest: &SecretDigest, now: Monotonic) -> Option<Nothing> {
        self.nothing.get(digest).filter(|(_, until)| now < *until).map(|(nothing, _)| nothing)
    }

    /// The entry if it is usable, else the turn to look it up, once nobody else has it.
    pub(crate) async fn entry_or_turn(
        &self,
        digest: &SecretDigest,
        clock: &dyn keyway_core::Clock,
        usable: impl Fn(&Entry) -> bool,
    ) -> Option<Answer<'_>> {
        let taken = self
            .known
            .entry_async(digest, |_, entry| {
                if usable(entry) {
                    EntryAction::Retain(Arc::clone(entry))
                } else {
                    EntryAction::ReplaceWithGuard
                }
            })
            .await;
        match taken {
            EntryResult::Retained(entry) => Some(Answer::Known(entry)),
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                // Whoever had the turn before may have found nothing.
                if let Some(nothing) = self.nothing(digest, clock.monotonic()) {
                    return Some(Answer::Nothing(nothing));
                }
                let fill = Box::new(move |entry| {
                    // Refused only if the place was taken in the meantime; then somebody else looked it up.
                    let _ = guard.insert(entry);
                });
                Some(Answer::LookUp(Turn { fill }))
            }
            EntryResult::Removed(..) | EntryResult::Timeout => None,
        }
    }

    /// What not to do: see [`Fault::Removed`](crate::sync::Fault::Removed).
    #[cfg(all(test, feature = "shuttle"))]
    pub(crate) fn remove(&self, id: keyway_core::ids::EntityId) {
        self.known.retain(|_, entry| entry.facts.id != id);
    }

    /// Remembers that nothing was found, before the turn is given up.
    pub(crate) fn remember(&self, digest: SecretDigest, nothing: Nothing, now: Monotonic) {
        let span = match nothing {
            Nothing::Unknown => UNKNOWN_FOR,
            Nothing::Failed => FAILED_FOR,
        };
        let until = Monotonic(now.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(0) * 1_000));
        self.nothing.insert(digest, (nothing, until));
    }
}
