//! For the program that embeds a guard: keeping what it read itself for as long as the feed says nothing else, and
//! asking what the guard knows of a credential.

use std::sync::Arc;

use keyway_core::change::Position;
use keyway_core::clock::Monotonic;
use keyway_core::facts::Facts;
use keyway_core::ids::EntityId;
use keyway_core::jwt::VerificationKeys;
use keyway_core::refusal::Refusal;
use keyway_core::secret::SecretDigest;

use crate::extract::{Form, Presented, Scheme};
use crate::freshness::Stamp;
use crate::guard::Guard;

/// When something was read, by the feed and by the clock.
#[derive(Debug)]
pub struct Learnt {
    stamp: Stamp,
    at: Monotonic,
}

/// The guard is up to date: proof that [`Guard::caught_up`] was asked.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp {
    /// Where the feed stood. What holds now holds as of here.
    pub position: Position,
    now: Monotonic,
}

impl Guard {
    /// To be taken *before* the question, so that the answer is at least as new.
    pub fn learning(&self) -> Learnt {
        let inner = self.inner();
        Learnt { stamp: Stamp::at(inner.freshness.now()), at: inner.clock.monotonic() }
    }

    /// Whether anything that was read before may be believed: everything committed in this process has been applied,
    /// and the feed was seen within `max_staleness`. Else the source is to be asked.
    pub async fn caught_up(&self) -> Option<CaughtUp> {
        let inner = self.inner();
        let now = inner.clock.monotonic();
        // Read after catching up, and before anything is held against it.
        let current = inner.follower.keep_up(now).await;
        current.then(|| CaughtUp { position: inner.freshness.position(), now })
    }

    /// Whether what was read then about `ids` still holds: nothing about them has changed, and it is not too old.
    pub fn holds(
        &self,
        learnt: &Learnt,
        caught_up: CaughtUp,
        ids: impl IntoIterator<Item = EntityId>,
    ) -> bool {
        let inner = self.inner();
        let max_age = u64::try_from(inner.settings.entry_max_age.as_micros()).unwrap_or(0) * 1_000;
        caught_up.now.nanos_since(learnt.at) <= max_age && inner.freshness.is_good(&learnt.stamp, ids)
    }

    /// The keys that verify JWTs. Others than before after any change of a signing key.
    pub fn verification_keys(&self) -> Option<Arc<VerificationKeys>> {
        self.inner().follower.keys()
    }

    /// The facts of a credential, as of [`CaughtUp::position`] or later, from the cache or one look-up; whatever its
    /// state, and for whatever API. Spends nothing.
    ///
    /// # Errors
    /// As a call would be refused with it, unknown ones included.
    pub async fn facts(
        &self,
        caught_up: CaughtUp,
        form: Form,
        digest: SecretDigest,
        text: &str,
    ) -> Result<Arc<Facts>, Refusal> {
        let presented = Presented { text, form, scheme: Scheme::Plain };
        let (entry, _) = self.inner().find(digest, presented, None, caught_up.now, true).await?;
        Ok(Arc::clone(&entry.facts))
    }
}
