//! The store as a guard's source of credentials, and as the place that its records go to.

use std::sync::Arc;

use keyway_core::change::{Epoch, FeedPage, FeedSnapshot, Position};
use keyway_core::facts::{Facts, LimitDefaults};
use keyway_core::ids::EntityId;
use keyway_core::jwt::{Jwks, Purpose, VerificationKeys};
use keyway_core::quota::{Counted, Day};
use keyway_core::record::RecordBatch;
use keyway_core::source::{CredentialSource, OutsideTokens, Pending, Presented, RecordSink, SourceError};
use keyway_core::{Duration, Timestamp};

use crate::error::StoreError;
use crate::store::Store;
use crate::tables::{counted_calls, records, signing_keys};
use crate::{facts, feed};

/// Reads credentials from the database, and writes records into it.
#[derive(Clone)]
pub struct StoreSource {
    store: Store,
    limits: LimitDefaults,
    outside: Option<Arc<dyn OutsideTokens>>,
}

impl StoreSource {
    /// With the limits that hold where a credential has none of its own.
    pub const fn new(store: Store, limits: LimitDefaults) -> Self {
        Self { store, limits, outside: None }
    }

    /// The same, which knows what tokens of trusted issuers are worth.
    #[must_use]
    pub fn with_outside(self, outside: Arc<dyn OutsideTokens>) -> Self {
        Self { outside: Some(outside), ..self }
    }
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Inconsistent { .. } => Self::Inconsistent(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl CredentialSource for StoreSource {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        let (digest, limits) = (presented.digest, self.limits);
        Box::pin(async move {
            let found: Result<_, StoreError> =
                self.store.read(move |conn| facts::api_key(conn, digest, &limits)).await;
            Ok(found?)
        })
    }

    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        let (digest, limits) = (presented.digest, self.limits);
        Box::pin(async move {
            let found: Result<_, StoreError> =
                self.store.read(move |conn| facts::access_token(conn, digest, &limits)).await;
            Ok(found?)
        })
    }

    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        match &self.outside {
            Some(outside) => outside.outside_token(presented),
            None => Box::pin(std::future::ready(Ok(None))),
        }
    }

    fn jwt_ended<'a>(&'a self, _: Presented<'a>, ids: &'a [EntityId], since: Position) -> Pending<'a, bool> {
        let ids = ids.to_vec();
        Box::pin(async move {
            let ended: Result<_, StoreError> =
                self.store.read(move |conn| feed::jwt_ended(conn, &ids, since)).await;
            Ok(ended?)
        })
    }

    fn counted<'a>(&'a self, _: Presented<'a>, facts: &'a Facts, at: Timestamp) -> Pending<'a, Vec<Counted>> {
        let asked: Vec<_> = facts.budgets.ids().map(|id| (id, facts.environment, Day::of(at))).collect();
        Box::pin(async move {
            let counted: Result<_, StoreError> =
                self.store.read(move |conn| counted_calls::of(conn, &asked)).await;
            Ok(counted?)
        })
    }

    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        Box::pin(async move {
            let published: Result<_, StoreError> =
                self.store.read(|conn| signing_keys::published(conn, Purpose::AccessToken)).await;
            let jwks = Jwks { keys: published?.into_iter().map(|key| key.public).collect() };
            VerificationKeys::from_jwks(&jwks).map_err(|error| SourceError::Inconsistent(error.to_string()))
        })
    }

    fn changes<'a>(&'a self, epoch: &'a Epoch, after: Position, wait: Duration) -> Pending<'a, FeedPage> {
        let epoch = epoch.clone();
        Box::pin(async move {
            if wait > Duration::ZERO {
                self.store.wait_for_change(after, wait.to_std()).await;
            }
            let page: Result<_, StoreError> =
                self.store.read(move |conn| feed::page_after(conn, &epoch, after, feed::MAX_PAGE)).await;
            Ok(page?)
        })
    }

    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        let now = self.store.clock().now();
        Box::pin(async move {
            let snapshot: Result<_, StoreError> =
                self.store.read(move |conn| feed::snapshot(conn, now)).await;
            Ok(snapshot?)
        })
    }

    fn head(&self) -> Position {
        self.store.head()
    }
}

impl RecordSink for StoreSource {
    fn store<'a>(&'a self, batch: &'a RecordBatch) -> Pending<'a, Vec<Counted>> {
        let (batch, now) = (batch.clone(), self.store.clock().now());
        Box::pin(async move {
            let drawn = batch.drawn.clone();
            let stored: Result<bool, StoreError> =
                self.store.write(move |tx| records::store(tx.conn(), &batch, now)).await;
            stored?;
            if drawn.is_empty() {
                return Ok(Vec::new());
            }
            let counted: Result<_, StoreError> =
                self.store.read(move |conn| counted_calls::totals(conn, &drawn)).await;
            Ok(counted?)
        })
    }
}

#[cfg(test)]
mod tests;
