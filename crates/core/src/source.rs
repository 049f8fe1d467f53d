//! The seam between a guard and the rest: where it learns about credentials, and where it reports what it saw.
//! Object-safe, so that no type of a guard is generic over it; a call allocates its future on a miss only.

use std::future::Future;
use std::pin::Pin;

use crate::change::{Epoch, FeedPage, FeedSnapshot, Position};
use crate::clock::{Duration, Timestamp};
use crate::facts::Facts;
use crate::ids::EntityId;
use crate::jwt::VerificationKeys;
use crate::quota::Counted;
use crate::record::RecordBatch;
use crate::secret::SecretDigest;

/// A future from behind the seam.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// A credential as presented; `plain` is for asking others (introspection), `digest` for looking up.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// SHA-256 of the whole credential.
    pub digest: SecretDigest,
    /// The credential itself. Never stored, never logged.
    pub plain: &'a str,
}

/// A question could not be answered. Never "there is none".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The database or the portal cannot be reached, or does not answer in time.
    #[error("the source of credentials is unavailable: {0}")]
    Unavailable(String),
    /// It answered something that makes no sense.
    #[error("the source of credentials answered nonsense: {0}")]
    Inconsistent(String),
    /// It refuses to answer this guard.
    #[error("the source of credentials refuses this guard: {0}")]
    Refused(String),
}

/// Where a guard learns about credentials. Answers come from the primary database: they are at least as new as any
/// position that the guard has applied before it asked.
pub trait CredentialSource: Send + Sync + 'static {
    /// The API key with this digest, whatever its state.
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>>;

    /// The opaque access token with this digest, whatever its state.
    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>>;

    /// What a JWT of a trusted issuer is worth here, whatever its state; `None` if it is not good, or speaks for
    /// nobody here. A source that trusts no issuers knows none.
    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        let _ = presented;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether a JWT that was issued at `since`, and whose own id, signing key and ancestors are `ids`, has been ended
    /// since. Asked only where a guard's own revoked set does not suffice: it is too old, or full.
    fn jwt_ended<'a>(
        &'a self,
        presented: Presented<'a>,
        ids: &'a [EntityId],
        since: Position,
    ) -> Pending<'a, bool>;

    /// What all guards have counted until `at` of the budgets that a credential with these facts draws on, for a
    /// guard that begins to count. Asked only where a quota holds. A budget without calls may be left out.
    fn counted<'a>(
        &'a self,
        presented: Presented<'a>,
        facts: &'a Facts,
        at: Timestamp,
    ) -> Pending<'a, Vec<Counted>>;

    /// The keys that access tokens may be signed with now. A revoked key is not among them.
    fn verification_keys(&self) -> Pending<'_, VerificationKeys>;

    /// The changes after `after`, waiting up to `wait` for one if there is none. Answers at once, without changes,
    /// if `epoch` is not the feed's or `after` is behind its tail or ahead of its head: see [`FeedPage::at`].
    fn changes<'a>(&'a self, epoch: &'a Epoch, after: Position, wait: Duration) -> Pending<'a, FeedPage>;

    /// Everything that still matters, for a guard that starts from nothing.
    fn snapshot(&self) -> Pending<'_, FeedSnapshot>;

    /// The newest position committed in this process; [`Position`] 0 where there is no such knowledge. A guard
    /// that has applied less catches up before it decides. One atomic load.
    fn head(&self) -> Position;
}

/// Who verifies the JWTs of trusted issuers, with their keys at hand: see [`CredentialSource::outside_token`].
pub trait OutsideTokens: Send + Sync + 'static {
    /// What the token is worth here; `None` if it is not good, or speaks for nobody here.
    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>>;
}

/// Where a guard reports what it saw. Apart from [`CredentialSource`]: it fails, and is tried again, differently.
pub trait RecordSink: Send + Sync + 'static {
    /// Stores a batch; one that was stored before counts once. Answers what all guards have counted of each budget and
    /// day that the batch has [drawn](RecordBatch::drawn) on, this batch included.
    fn store<'a>(&'a self, batch: &'a RecordBatch) -> Pending<'a, Vec<Counted>>;
}
