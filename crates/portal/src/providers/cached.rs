//! One document of a provider's, fetched when it is needed and kept for an hour.

use std::future::Future;
use std::sync::Arc;

use keyway_core::clock::Monotonic;
use keyway_core::{Clock, Duration};
use tokio::sync::Mutex;

use super::error::ProviderError;

/// How long a document is good.
const GOOD_FOR: Duration = Duration::minutes(60);
/// How long a failed fetch answers for those that follow.
const FAILED_FOR: Duration = Duration::seconds(5);
/// Between two fetches of a document that is still good.
const RENEWED_AFTER: Duration = Duration::minutes(1);

/// A document with one fetch in flight at most: who comes meanwhile waits for it and shares what it brings, failure
/// included. A fetch takes as long as the outgoing client lets it.
pub(super) struct Cached<T>(Mutex<Slot<T>>);

struct Slot<T> {
    held: Option<(Arc<T>, Monotonic)>,
    failed: Option<(ProviderError, Monotonic)>,
    renewed: Option<Monotonic>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(Slot { held: None, failed: None, renewed: None }))
    }
}

impl<T> Slot<T> {
    async fn fetch(
        &mut self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        match fetch.await.map(Arc::new) {
            Ok(value) => {
                self.held = Some((Arc::clone(&value), clock.monotonic()));
                self.failed = None;
                Ok(value)
            }
            Err(error) => {
                self.failed = Some((error.clone(), clock.monotonic()));
                Err(error)
            }
        }
    }
}

impl<T> Cached<T> {
    /// The document, by `fetch` if none is held that is good.
    pub(super) async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        let mut slot = self.0.lock().await;
        let now = clock.monotonic();
        if let Some((value, at)) = &slot.held
            && within(now, *at, GOOD_FOR)
        {
            return Ok(Arc::clone(value));
        }
        if let Some((error, at)) = &slot.failed
            && within(now, *at, FAILED_FOR)
        {
            return Err(error.clone());
        }
        slot.fetch(clock, fetch).await
    }

    /// One newer than `seen`, or `None` where it is too early to ask again.
    pub(super) async fn newer(
        &self,
        seen: &Arc<T>,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Option<Arc<T>>, ProviderError> {
        let mut slot = self.0.lock().await;
        if let Some((value, _)) = slot.held.as_ref().filter(|(value, _)| !Arc::ptr_eq(value, seen)) {
            return Ok(Some(Arc::clone(value)));
        }
        let now = clock.monotonic();
        if slot.renewed.is_some_and(|at| within(now, at, RENEWED_AFTER)) {
            return Ok(None);
        }
        slot.renewed = Some(now);
        slot.fetch(clock, fetch).await.map(Some)
    }
}

fn within(now: Monotonic, since: Monotonic, span: Duration) -> bool {
    now.nanos_since(since) < span.as_micros().unsigned_abs().saturating_mul(1_000)
}
