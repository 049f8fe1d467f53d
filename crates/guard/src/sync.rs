//! The primitives that the cache, its freshness and the follower rest on. Under the feature `shuttle` they are those
//! whose interleavings a test tries one by one, and there is no time: nothing is ever late.

#[cfg(not(feature = "shuttle"))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) use parking_lot::RwLock;

    /// The answer, if it comes in time.
    pub(crate) async fn in_time<F: Future>(limit: std::time::Duration, answer: F) -> Option<F::Output> {
        tokio::time::timeout(limit, answer).await.ok()
    }
}

#[cfg(feature = "shuttle")]
mod tried {
    pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
    use shuttle::sync::{RwLockReadGuard, RwLockWriteGuard};

    /// A lock that a panic does not poison, as `parking_lot`'s.
    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    pub(crate) async fn in_time<F: Future>(_: std::time::Duration, answer: F) -> Option<F::Output> {
        Some(answer.await)
    }

    #[cfg(test)]
    /// A way to get it wrong, which the test must find.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// What was learnt is stamped when the answer is there.
        StampedAfter,
        /// Entries carry no stamp: whoever applies a change removes them from the cache.
        Removed,
    }
}

#[cfg(not(feature = "shuttle"))]
pub(crate) use real::*;
#[cfg(feature = "shuttle")]
pub(crate) use tried::*;
