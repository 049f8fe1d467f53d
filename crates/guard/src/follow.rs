//! Following the change feed: from a snapshot, then page by page, and anew whenever the thread is lost.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use keyway_core::Random;
use keyway_core::change::{EntityKind, FeedPage, Position};
use keyway_core::clock::{Clock, Duration, Monotonic};
use keyway_core::jwt::VerificationKeys;
use keyway_core::source::{CredentialSource, Pending, SourceError};
use tokio::sync::{Mutex, watch};

use crate::breaker::{Breaker, Patience};
use crate::freshness::{Freshness, StartOver};
use crate::sync::in_time;

/// How long one question to the feed waits for a change.
const WAIT: Duration = Duration::millis(250);
/// How long a failure to catch up is shared with those who come after.
const CATCHING_UP: Patience =
    Patience { failures: 1, first: Duration::millis(500), longest: Duration::seconds(2) };
/// Between two tries while the source does not answer.
const FOLLOWING: Patience =
    Patience { failures: 1, first: Duration::millis(100), longest: Duration::seconds(1) };

/// Keeps a [`Freshness`] and the verification keys up to date.
pub(crate) struct Follower {
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    freshness: Arc<Freshness>,
    keys: ArcSwapOption<VerificationKeys>,
    deadline: Duration,
    max_staleness: Duration,
    /// One page is applied at a time.
    turn: Mutex<()>,
    /// Whether calls may still try to catch up.
    breaker: Breaker,
    random: Arc<dyn Random>,
}

impl Follower {
    pub(crate) fn new(
        source: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
        freshness: Arc<Freshness>,
        deadline: Duration,
        max_staleness: Duration,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            source,
            clock,
            freshness,
            keys: ArcSwapOption::empty(),
            deadline,
            max_staleness,
            turn: Mutex::new(()),
            breaker: Breaker::new(CATCHING_UP, deadline, Arc::clone(&random)),
            random,
        }
    }

    /// The keys that verify JWTs; `None` until they were read for the first time.
    pub(crate) fn keys(&self) -> Option<Arc<VerificationKeys>> {
        self.keys.load_full()
    }

    /// Whether the cache may be believed as things stand: see [`Self::keep_up`]. Two loads.
    pub(crate) fn is_abreast(&self, now: Monotonic) -> bool {
        self.is_at(self.source.head(), now)
    }

    fn is_at(&self, wanted: Position, now: Monotonic) -> bool {
        self.freshness.position() >= wanted && self.freshness.is_current(now, self.max_staleness)
    }

    /// Makes sure that the cache may be believed: everything committed in this process is applied, and the feed's
    /// head was seen lately. Two loads in the usual case.
    pub(crate) async fn keep_up(&self, now: Monotonic) -> bool {
        let wanted = self.source.head();
        let good = |now| self.is_at(wanted, now);
        if good(now) {
            return true;
        }
        // Nor is anybody waited for who tries again after a failure.
        if self.breaker.is_open(now) {
            return false;
        }
        let _turn = self.turn.lock().await;
        let now = self.clock.monotonic();
        if good(now) {
            return true;
        }
        if self.breaker.admit(now).is_err() {
            return false;
        }
        match self.advance_to(wanted).await {
            Ok(()) => {
                self.breaker.answered();
                good(self.clock.monotonic())
            }
            Err(error) => {
                tracing::warn!(%error, "cannot catch up with the change feed");
                self.breaker.failed(self.clock.monotonic());
                false
            }
        }
    }

    /// Follows until told to stop.
    pub(crate) async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        while !*stop.borrow_and_update() {
            let step = tokio::select! {
                step = self.step() => step,
                _ = stop.changed() => return,
            };
            match step {
                Ok(()) if failures > 0 => tracing::info!("following the change feed again"),
                Ok(()) => {}
                Err(ref error) if failures == 0 => tracing::warn!(%error, "cannot follow the change feed"),
                Err(_) => {}
            }
            if step.is_ok() {
                failures = 0;
                self.breaker.answered();
            } else {
                failures += 1;
                let pause = FOLLOWING.pause(failures, &*self.random);
                tokio::select! {
                    () = tokio::time::sleep(pause.to_std()) => {}
                    _ = stop.changed() => return,
                }
            }
        }
    }

    /// One question and its answer. Waits without holding the turn.
    async fn step(&self) -> Result<(), SourceError> {
        let Some((epoch, position)) = self.freshness.cursor() else {
            let _turn = self.turn.lock().await;
            return self.start_over().await;
        };
        let asked = tokio::time::Instant::now();
        let asked_at = self.clock.monotonic();
        let page = self.in_time(WAIT, self.source.changes(&epoch, position, WAIT)).await?;
        let nothing = page.changes.is_empty();
        {
            let _turn = self.turn.lock().await;
            self.take(page, position, asked_at).await?;
        }
        // A source that answers "nothing" without waiting is not asked in a circle.
        if nothing && asked.elapsed() < WAIT.to_std() / 2 {
            tokio::time::sleep(WAIT.to_std() / 5).await;
        }
        Ok(())
    }

    /// Applies everything up to `wanted`, and sees the head at least once. Needs the turn.
    async fn advance_to(&self, wanted: Position) -> Result<(), SourceError> {
        loop {
            let Some((epoch, position)) = self.freshness.cursor() else {
                self.start_over().await?;
                continue;
            };
            let asked_at = self.clock.monotonic();
            let page =
                self.in_time(Duration::ZERO, self.source.changes(&epoch, position, Duration::ZERO)).await?;
            let head = page.at.head;
            self.take(page, position, asked_at).await?;
            let reached = self.freshness.position();
            if reached >= wanted && reached >= head {
                return Ok(());
            }
            if reached <= position {
                return Err(SourceError::Inconsistent("the change feed does not move on".into()));
            }
        }
    }

    /// Applies a page; keys are read again before the page counts as applied. Needs the turn.
    async fn take(&self, page: FeedPage, after: Position, asked_at: Monotonic) -> Result<(), SourceError> {
        let here = self.freshness.position();
        if page.changes.iter().any(|c| c.kind == EntityKind::SigningKey && c.position > here) {
            self.read_keys().await?;
        }
        match self.freshness.apply(&page, after, asked_at) {
            Ok(()) => Ok(()),
            Err(StartOver) => self.start_over().await,
        }
    }

    /// Reads what still matters, then the keys. Needs the turn.
    async fn start_over(&self) -> Result<(), SourceError> {
        let asked_at = self.clock.monotonic();
        let snapshot = self.in_time(Duration::ZERO, self.source.snapshot()).await?;
        self.read_keys().await?;
        self.freshness.start_over(&snapshot, asked_at);
        tracing::debug!(position = %snapshot.at.head, ended = snapshot.ended.len(), "following the change feed from here");
        Ok(())
    }

    async fn read_keys(&self) -> Result<(), SourceError> {
        let keys = self.in_time(Duration::ZERO, self.source.verification_keys()).await?;
        self.keys.store(Some(Arc::new(keys)));
        Ok(())
    }

    /// Forgets what no longer matters; reads everything again where something had to be left out.
    pub(crate) async fn tidy(&self) {
        if !self.freshness.prune(self.clock.now()) {
            let _turn = self.turn.lock().await;
            if let Err(error) = self.start_over().await {
                tracing::warn!(%error, "the set of what was ended is still not complete");
            }
        }
    }

    async fn in_time<T>(&self, wait: Duration, answer: Pending<'_, T>) -> Result<T, SourceError> {
        let deadline = self.deadline.to_std() + wait.to_std();
        in_time(deadline, answer)
            .await
            .unwrap_or_else(|| Err(SourceError::Unavailable("no answer in time".into())))
    }
}
