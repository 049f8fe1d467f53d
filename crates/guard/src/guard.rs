//! The guard: what is shared by all calls, and the two tasks that keep it going.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use keyway_core::clock::{Clock, Duration, Moment};
use keyway_core::ids::RequestId;
use keyway_core::source::{CredentialSource, RecordSink};
use keyway_core::{Random, rate::Limit};
use quick_cache::sync::Cache as Map;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::breaker::{Breaker, Patience};
use crate::cache::Cache;
use crate::check::Verdict;
use crate::extract::RequestParts;
use crate::follow::Follower;
use crate::freshness::Freshness;
use crate::limit::{Arrival as Budget, Budgets, Counters, Limiter, Policies};
use crate::proof::SpentProofs;
use crate::recorder::{Call, Recorder};
use crate::settings::Settings;
use crate::trusted::TrustedIssuers;

/// How often records are written.
const FLUSH: StdDuration = StdDuration::from_secs(1);
/// When look-ups are given up for a while. One credential alone does not do that: its failure is shared for a second.
const LOOK_UPS: Patience =
    Patience { failures: 5, first: Duration::seconds(1), longest: Duration::seconds(8) };
/// How many flushes lie between two clearings of what no longer matters.
const TIDY_EVERY: u32 = 60;

/// Protects one API. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

/// What all calls share.
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) source: Arc<dyn CredentialSource>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) cache: Cache,
    pub(crate) freshness: Arc<Freshness>,
    pub(crate) follower: Follower,
    pub(crate) breaker: Breaker,
    pub(crate) trusted: TrustedIssuers,
    pub(crate) budgets: Budgets,
    pub(crate) policies: Policies,
    pub(crate) counters: Arc<Counters>,
    pub(crate) guesses: Map<IpAddr, Arc<Limiter>>,
    pub(crate) proofs: SpentProofs,
    pub(crate) recorder: Recorder,
}

/// A request's id and the one reading of both clocks for it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Sent back as `X-Request-Id`.
    pub request: RequestId,
    /// When it came in.
    pub moment: Moment,
}

impl Guard {
    /// A guard that learns from `source` and, where there is one, reports to `sink`.
    pub fn new(
        settings: Settings,
        source: Arc<dyn CredentialSource>,
        sink: Option<Arc<dyn RecordSink>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let freshness = Arc::new(Freshness::new(settings.recent, settings.ended));
        let follower = Follower::new(
            Arc::clone(&source),
            Arc::clone(&clock),
            Arc::clone(&freshness),
            settings.look_up_deadline,
            settings.max_staleness,
            Arc::clone(&random),
        );
        let breaker = Breaker::new(LOOK_UPS, settings.look_up_deadline, Arc::clone(&random));
        let broken = || Breaker::new(LOOK_UPS, settings.look_up_deadline, Arc::clone(&random));
        let trusted = TrustedIssuers::new(&settings.trusted_issuers, broken);
        let counters = Arc::new(Counters::new(settings.quotas.max(settings.known.saturating_mul(4))));
        let recorder =
            Recorder::new(&settings, sink, Arc::clone(&counters), Arc::clone(&clock), Arc::clone(&random));
        let cache = Cache::new(settings.known, settings.unknown);
        let proofs = SpentProofs::new(settings.spent_proofs);
        let inner = Inner {
            budgets: Budgets::new(settings.budgets.max(settings.known.saturating_mul(4))),
            policies: Policies::default(),
            guesses: Map::new(settings.guessers.max(1)),
            counters,
            settings,
            source,
            clock,
            random,
            cache,
            freshness,
            follower,
            breaker,
            trusted,
            proofs,
            recorder,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins to follow the change feed and to write records. Needs a tokio runtime. A guard that is not started
    /// asks the feed as calls come in, which is correct and slow.
    pub fn start(&self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let inner = Arc::clone(&self.inner);
        let following = tokio::spawn({
            let stopped = stopped.clone();
            async move { inner.follower.run(stopped).await }
        });
        let inner = Arc::clone(&self.inner);
        let flushing = tokio::spawn(async move { inner.keep_tidy(stopped).await });
        Running { stop, following, flushing }
    }

    /// The id and the clock readings for a request that has just come in.
    pub fn arrive(&self) -> Arrival {
        let moment = self.inner.clock.moment();
        Arrival { request: RequestId::new(moment.wall, &*self.inner.random), moment }
    }

    /// Decides about a request: every check but the scopes of its route, which are [`Verdict::require`]'s.
    pub async fn check(&self, parts: &RequestParts<'_>) -> Verdict {
        self.inner.check(parts).await
    }

    /// The same where nothing has to be waited for; `None`: ask [`Self::check`].
    pub fn check_now(&self, parts: &RequestParts<'_>) -> Option<Verdict> {
        self.inner.check_now(parts)
    }

    /// Writes down how a call went, once it is answered. The `User-Agent` that `agent` finds is asked for only where a
    /// record of its own is kept.
    pub fn record<'h>(&self, verdict: &Verdict, call: &Call<'_>, agent: impl FnOnce() -> Option<&'h str>) {
        self.inner.recorder.record(verdict, call, agent);
    }

    /// Microseconds since `arrived`, for [`Call::latency`].
    pub fn since(&self, arrived: Moment) -> Duration {
        let nanos = self.inner.clock.monotonic().nanos_since(arrived.mono);
        Duration::micros(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
    }

    /// Whether the change feed was seen within `max_staleness`: for readiness probes.
    pub fn is_current(&self) -> bool {
        self.inner.freshness.is_current(self.inner.clock.monotonic(), self.inner.settings.max_staleness)
    }

    /// Writes all waiting records now. Answers whether that worked.
    pub async fn flush(&self) -> bool {
        self.inner.recorder.flush().await
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

impl Guard {
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("audience", &self.inner.settings.audience).finish_non_exhaustive()
    }
}

impl Inner {
    async fn keep_tidy(&self, mut stop: watch::Receiver<bool>) {
        let mut every = tokio::time::interval(FLUSH);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count: u32 = 0;
        while !*stop.borrow_and_update() {
            tokio::select! {
                _ = every.tick() => {}
                _ = stop.changed() => break,
            }
            self.recorder.flush().await;
            count = count.wrapping_add(1);
            if count.is_multiple_of(TIDY_EVERY) {
                self.budgets.prune(self.clock.monotonic());
                self.counters.prune();
                self.follower.tidy().await;
            }
        }
        self.recorder.flush().await;
    }

    /// The limiter of an address's guesses; `None` if they are not limited.
    pub(crate) fn guess_limiter(&self, address: IpAddr) -> Option<Arc<Limiter>> {
        let Limit::At(rate) = self.settings.unknown_credentials else { return None };
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Limiter::new(rate, Budget::default())));
        self.guesses.get_or_insert_with(&address, new).ok()
    }
}

/// A guard's tasks.
#[must_use = "a guard's tasks end when this is dropped"]
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    following: JoinHandle<()>,
    flushing: JoinHandle<()>,
}

impl Running {
    /// Stops following, and writes what still waits.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in [self.following, self.flushing] {
            if task.await.is_err() {
                tracing::error!("a task of the guard ended in a panic");
            }
        }
    }
}
