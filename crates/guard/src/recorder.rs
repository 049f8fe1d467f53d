//! Writing down what was seen: all calls counted, refusals and a share of accepted calls one by one. Nothing is
//! written per call: batches go out about once a second and at the end, and bring back what other guards have counted
//! against quotas.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use keyway_core::Random;
use keyway_core::audience::Audience;
use keyway_core::clock::{Clock, Duration};
use keyway_core::facts::Facts;
use keyway_core::ids::{BatchId, EntityId};
use keyway_core::quota::Drawn;
use keyway_core::record::{Lacked, MAX_BATCH, MAX_ROUTE_LEN, Outcome, Record, RecordBatch, user_agent};
use keyway_core::refusal::Refusal;
use keyway_core::source::{RecordSink, SourceError};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::check::Verdict;
use crate::limit::Counters;
use crate::usage::Usage;

/// How long the sink may take for a batch.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// How a call went, once it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The route's pattern, never the path; empty where no route matched.
    pub route: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What the call was refused for after the guard's own checks: a missing scope.
    pub refused: Option<&'a Refusal>,
    /// How long it took.
    pub latency: Duration,
}

/// The counters and the queue.
pub(crate) struct Recorder {
    audience: Audience,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sink: Option<Arc<dyn RecordSink>>,
    usages: Mutex<HashMap<EntityId, Arc<Usage>>>,
    counters: Arc<Counters>,
    queue: mpsc::Sender<Record>,
    waiting: tokio::sync::Mutex<Waiting>,
    /// Accepted calls that may still be written down before the next flush.
    share: AtomicU32,
    per_flush: u32,
    most_counted: usize,
    dropped: AtomicU64,
    methods: [Arc<str>; METHODS.len()],
}

struct Waiting {
    queue: mpsc::Receiver<Record>,
    /// Put together and not stored yet; goes out again under the same id.
    batch: Option<RecordBatch>,
    counts: Vec<keyway_core::record::Count>,
    last_uses: Vec<keyway_core::record::LastUse>,
    drawn: Vec<Drawn>,
}

const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "OTHER"];

impl Recorder {
    pub(crate) fn new(
        settings: &crate::Settings,
        sink: Option<Arc<dyn RecordSink>>,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(settings.waiting_records.max(1));
        Self {
            audience: settings.audience.clone(),
            clock,
            random,
            sink,
            usages: Mutex::default(),
            counters,
            queue,
            waiting: tokio::sync::Mutex::new(Waiting {
                queue: waiting,
                batch: None,
                counts: Vec::new(),
                last_uses: Vec::new(),
                drawn: Vec::new(),
            }),
            share: AtomicU32::new(settings.records_per_second),
            per_flush: settings.records_per_second,
            most_counted: settings.counted.max(settings.known.saturating_mul(2)),
            dropped: AtomicU64::new(0),
            methods: METHODS.map(Arc::from),
        }
    }

    /// The counters of a credential: see [`Facts::counted_under`].
    pub(crate) fn usage(&self, facts: &Facts) -> Arc<Usage> {
        let counted = facts.counted_under();
        let mut usages = self.usages.lock();
        if usages.len() >= self.most_counted {
            // Nothing could be written for long. What is still called upon stays counted.
            usages.retain(|_, usage| Arc::strong_count(usage) > 1);
        }
        let new = || Arc::new(Usage::new(counted, facts.owner));
        Arc::clone(usages.entry(counted).or_insert_with(new))
    }

    /// How many credentials are counted, and how many records wait.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.usages.lock().len(), self.queue.max_capacity() - self.queue.capacity())
    }

    /// Counts a call and, if it is one to be written down, queues its record; `agent` is asked only then.
    pub(crate) fn record<'h>(
        &self,
        verdict: &Verdict,
        call: &Call<'_>,
        agent: impl FnOnce() -> Option<&'h str>,
    ) {
        if self.sink.is_none() {
            return;
        }
        let refusal = call.refused.or(verdict.refusal());
        let latency_us = u32::try_from(call.latency.as_micros().max(0)).unwrap_or(u32::MAX);
        let route = cut(call.route);
        if let Some(entry) = verdict.entry() {
            entry.usage.count(route, Outcome::of(refusal, call.status), latency_us);
            if verdict.refusal().is_none() {
                entry.usage.used(verdict.arrived().wall, verdict.address());
            }
        }
        let always = verdict.entry().is_some() && refusal.is_some();
        if !always && !self.take_share() {
            return;
        }
        let record = Record {
            user_agent: agent().and_then(user_agent),
            ..self.line(verdict, call, refusal, (route, latency_us))
        };
        if self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn line(
        &self,
        verdict: &Verdict,
        call: &Call<'_>,
        refusal: Option<&Refusal>,
        (route, latency_us): (&str, u32),
    ) -> Record {
        let facts = verdict.entry().map(|entry| &entry.facts);
        Record {
            at: verdict.arrived().wall,
            request: verdict.request(),
            credential: facts.map(|f| f.id),
            root: facts.map(|f| f.counted_under()),
            owner: facts.map(|f| f.owner),
            method: self.method(call.method),
            route: route.into(),
            status: call.status,
            failed: refusal.map(Refusal::check),
            code: refusal.map(|r| r.code().into()),
            lacked: refusal.and_then(Lacked::of),
            address: verdict.address(),
            latency_us,
            user_agent: None,
        }
    }

    fn method(&self, name: &str) -> Arc<str> {
        let [.., other] = &self.methods;
        Arc::clone(self.methods.iter().find(|known| ***known == *name).unwrap_or(other))
    }

    fn take_share(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.share.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Writes everything that waits. Answers whether it could; what could not be written is kept, within bounds.
    pub(crate) async fn flush(&self) -> bool {
        self.share.store(self.per_flush, Ordering::Relaxed);
        let Some(sink) = &self.sink else {
            // It counts for itself alone.
            self.counters.drain(&mut Vec::new());
            self.counters.reported();
            return true;
        };
        let mut waiting = self.waiting.lock().await;
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "more calls were to be written down than can wait; they are counted all the same"
            );
        }
        if waiting.batch.is_none() {
            self.collect(&mut waiting);
        }
        loop {
            let Some(batch) = waiting.batch.take().or_else(|| self.batch(&mut waiting)) else {
                self.counters.reported();
                return true;
            };
            let stored = tokio::time::timeout(DEADLINE, sink.store(&batch)).await;
            let error = match stored {
                Ok(Ok(counted)) => {
                    self.counters.settle(&batch.drawn, &counted);
                    continue;
                }
                // It would not be understood another time either.
                Ok(Err(error @ SourceError::Inconsistent(_))) => {
                    tracing::error!(%error, "records were not accepted and are lost");
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(error, "records could not be written; they go out again");
            waiting.batch = Some(batch);
            return false;
        }
    }

    /// Takes what was counted, and forgets the counters of credentials that nothing holds any more.
    fn collect(&self, waiting: &mut Waiting) {
        let Waiting { counts, last_uses, drawn, .. } = waiting;
        self.counters.drain(drawn);
        self.usages.lock().retain(|_, usage| {
            // Asked first: who holds it may still count.
            let held = Arc::strong_count(usage) > 1;
            usage.drain(counts, last_uses);
            held
        });
    }

    fn batch(&self, waiting: &mut Waiting) -> Option<RecordBatch> {
        let counts: Vec<_> = drain(&mut waiting.counts);
        let last_uses: Vec<_> = drain(&mut waiting.last_uses);
        let drawn: Vec<_> = drain(&mut waiting.drawn);
        let mut records = Vec::new();
        while records.len() < MAX_BATCH
            && let Ok(record) = waiting.queue.try_recv()
        {
            records.push(record);
        }
        if counts.is_empty() && last_uses.is_empty() && records.is_empty() && drawn.is_empty() {
            return None;
        }
        let at = self.clock.now();
        let id = BatchId::new(at, &*self.random);
        Some(RecordBatch { id, audience: self.audience.clone(), at, counts, last_uses, records, drawn })
    }
}

fn drain<T>(list: &mut Vec<T>) -> Vec<T> {
    list.split_off(list.len().saturating_sub(MAX_BATCH))
}

fn cut(route: &str) -> &str {
    route.get(..route.floor_char_boundary(MAX_ROUTE_LEN)).unwrap_or_default()
}
