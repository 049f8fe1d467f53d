//! One document of somebody else's, fetched when it is needed and kept for an hour.

use std::future::Future;
use std::sync::Arc;

use keyway_core::clock::Monotonic;
use keyway_core::{Clock, Duration};
use parking_lot::Mutex;

/// How long a document is good.
const GOOD_FOR: Duration = Duration::minutes(60);
/// How long a failed fetch answers for those that follow.
const FAILED_FOR: Duration = Duration::seconds(5);
/// Between two fetches of a document that is still good.
const RENEWED_AFTER: Duration = Duration::seconds(30);

/// A document with one fetch in flight at most: who comes meanwhile waits for it and shares what it brings, failure
/// included; nobody waits who needs no more than a document that is still good. A fetch takes as long as the outgoing
/// client lets it.
pub(crate) struct Cached<T, E> {
    slot: Mutex<Slot<T, E>>,
    turn: tokio::sync::Mutex<()>,
}

struct Slot<T, E> {
    held: Option<(Arc<T>, Monotonic)>,
    failed: Option<(E, Monotonic)>,
    renewed: Option<Monotonic>,
}

impl<T, E> Default for Cached<T, E> {
    fn default() -> Self {
        let slot = Slot { held: None, failed: None, renewed: None };
        Self { slot: Mutex::new(slot), turn: tokio::sync::Mutex::default() }
    }
}

impl<T, E: Clone> Slot<T, E> {
    /// What is known without a fetch.
    fn answer(&self, now: Monotonic) -> Option<Result<Arc<T>, E>> {
        let held = self.held.as_ref().filter(|(_, at)| within(now, *at, GOOD_FOR));
        let failed = || self.failed.as_ref().filter(|(_, at)| within(now, *at, FAILED_FOR));
        match held {
            Some((value, _)) => Some(Ok(Arc::clone(value))),
            None => failed().map(|(error, _)| Err(error.clone())),
        }
    }
}

impl<T, E: Clone> Cached<T, E> {
    /// The document, by `fetch` if none is held that is good.
    pub(crate) async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let known = || self.slot.lock().answer(clock.monotonic());
        if let Some(answer) = known() {
            return answer;
        }
        let _turn = self.turn.lock().await;
        match known() {
            Some(answer) => answer,
            None => self.fetch(clock, fetch).await,
        }
    }

    /// One newer than `seen`, or `None` where it is too early to ask again.
    pub(crate) async fn newer(
        &self,
        seen: &Arc<T>,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<Arc<T>>, E> {
        let _turn = self.turn.lock().await;
        {
            let mut slot = self.slot.lock();
            if let Some((value, _)) = slot.held.as_ref().filter(|(value, _)| !Arc::ptr_eq(value, seen)) {
                return Ok(Some(Arc::clone(value)));
            }
            let now = clock.monotonic();
            if slot.renewed.is_some_and(|at| within(now, at, RENEWED_AFTER)) {
                return Ok(None);
            }
            slot.renewed = Some(now);
        }
        self.fetch(clock, fetch).await.map(Some)
    }

    /// Needs the turn.
    async fn fetch(&self, clock: &dyn Clock, fetch: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let fetched = fetch.await.map(Arc::new);
        let mut slot = self.slot.lock();
        match &fetched {
            Ok(value) => {
                slot.held = Some((Arc::clone(value), clock.monotonic()));
                slot.failed = None;
            }
            Err(error) => slot.failed = Some((error.clone(), clock.monotonic())),
        }
        drop(slot);
        fetched
    }
}

fn within(now: Monotonic, since: Monotonic, span: Duration) -> bool {
    now.nanos_since(since) < span.as_micros().unsigned_abs().saturating_mul(1_000)
}
