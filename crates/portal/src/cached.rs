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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use keyway_core::Timestamp;
    use keyway_core::clock::ManualClock;
    use tokio::sync::Notify;

    use super::*;

    struct Far {
        clock: ManualClock,
        fetches: AtomicUsize,
        cached: Cached<usize, &'static str>,
    }

    impl Far {
        fn new() -> Self {
            let clock = ManualClock::at(Timestamp::from_seconds(1_700_000_000));
            Self { clock, fetches: AtomicUsize::new(0), cached: Cached::default() }
        }
        async fn fetch(&self, answers: bool) -> Result<usize, &'static str> {
            let n = self.fetches.fetch_add(1, Ordering::SeqCst);
            if answers { Ok(n) } else { Err("down") }
        }
        async fn get(&self, answers: bool) -> Result<Arc<usize>, &'static str> {
            self.cached.get(&self.clock, self.fetch(answers)).await
        }
        async fn newer(&self, seen: &Arc<usize>, answers: bool) -> Result<Option<usize>, &'static str> {
            Ok(self.cached.newer(seen, &self.clock, self.fetch(answers)).await?.map(|n| *n))
        }
    }

    #[tokio::test]
    async fn a_document_is_good_for_an_hour_and_a_failure_for_five_seconds() {
        let far = Far::new();
        assert_eq!(far.get(false).await, Err("down"));
        assert_eq!(far.get(true).await, Err("down"), "shared");
        far.clock.advance(Duration::seconds(5));
        assert_eq!(far.get(true).await, Ok(Arc::new(1)));
        far.clock.advance(Duration::minutes(59));
        assert_eq!(far.get(false).await, Ok(Arc::new(1)));
        far.clock.advance(Duration::minutes(1));
        assert_eq!(far.get(true).await, Ok(Arc::new(2)));
    }

    #[tokio::test]
    async fn a_newer_one_is_asked_for_every_thirty_seconds_at_most() {
        let far = Far::new();
        let first = far.get(true).await.unwrap();
        assert_eq!(far.newer(&first, true).await, Ok(Some(1)));
        assert_eq!(far.newer(&first, true).await, Ok(Some(1)), "somebody else has fetched it");
        let second = far.get(true).await.unwrap();
        assert_eq!(far.newer(&second, true).await, Ok(None));
        far.clock.advance(Duration::seconds(30));
        assert_eq!(far.newer(&second, false).await, Err("down"));
        assert_eq!(far.newer(&second, true).await, Ok(None));
        assert_eq!(far.get(true).await, Ok(second.clone()), "what is held is still good");
        far.clock.advance(Duration::seconds(30));
        assert_eq!(far.newer(&second, true).await, Ok(Some(3)));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_fetch_who_does_not_need_it_and_others_share_it() {
        let (far, gate) = (Arc::new(Far::new()), Arc::new(Notify::new()));
        let held = far.get(true).await.unwrap();
        let wait = |_| {
            let (far, gate, held) = (Arc::clone(&far), Arc::clone(&gate), Arc::clone(&held));
            tokio::spawn(async move {
                let slow = async {
                    gate.notified().await;
                    far.fetch(true).await
                };
                far.cached.newer(&held, &far.clock, slow).await.map(|n| n.map(|n| *n))
            })
        };
        let waiting: Vec<_> = (0..10).map(wait).collect();
        tokio::task::yield_now().await;
        assert_eq!(far.get(true).await, Ok(held));
        gate.notify_one();
        for newer in waiting {
            assert_eq!(newer.await.unwrap(), Ok(Some(1)));
        }
    }
}
