//! Numbers for Prometheus, in its text format.

use actix_web::http::StatusCode;
use keyway_store::StoreError;
use keyway_store::tables::{outbox, sessions};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

pub use guards::GuardSizes;

use crate::state::Portal;

mod guards;

/// What is counted while the portal runs. Other parts register their own collectors.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    sessions: IntGauge,
    waiting_mails: IntGauge,
    feed_position: IntGauge,
}

impl Metrics {
    /// With all counts at zero.
    ///
    /// # Errors
    /// Never, unless two metrics have one name.
    pub fn new() -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("keyway_{name}"), help);
        let of_answers = ["area", "class"];
        let latency = HistogramOpts::from(opts("portal_request_seconds", "Time to answer, in seconds"))
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]);
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                opts("portal_requests_total", "Answers of the portal"),
                &of_answers,
            )?,
            latency: HistogramVec::new(latency, &["area"])?,
            sessions: IntGauge::with_opts(opts("sessions", "Browser sessions, anonymous ones included"))?,
            waiting_mails: IntGauge::with_opts(opts("mails_waiting", "Mails in the outbox that are due"))?,
            feed_position: IntGauge::with_opts(opts(
                "feed_position",
                "The newest position of the change feed",
            ))?,
        };
        metrics.register(Box::new(metrics.requests.clone()))?;
        metrics.register(Box::new(metrics.latency.clone()))?;
        metrics.register(Box::new(metrics.sessions.clone()))?;
        metrics.register(Box::new(metrics.waiting_mails.clone()))?;
        metrics.register(Box::new(metrics.feed_position.clone()))?;
        Ok(metrics)
    }

    /// Adds what another part counts.
    ///
    /// # Errors
    /// When there is a metric of its name.
    pub fn register(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.registry.register(collector)
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, area: &str, status: StatusCode, micros: u64) {
        let class = match status.as_u16() {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.requests.with_label_values(&[area, class]).inc();
        // A request does not last 2^52 microseconds.
        self.latency.with_label_values(&[area]).observe(micros as f64 / 1e6);
    }

    /// Everything as text, with the database's numbers as they are now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn text(&self, portal: &Portal) -> Result<String, StoreError> {
        let now = portal.now();
        let (open, waiting) = portal
            .store
            .read(move |conn| -> Result<_, StoreError> {
                Ok((sessions::count(conn)?, outbox::due(conn, now, 1_000)?.len()))
            })
            .await?;
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.sessions.set(gauge(open));
        self.waiting_mails.set(gauge(waiting as u64));
        self.feed_position.set(gauge(portal.store.head().0));
        Ok(as_text(&self.registry.gather()))
    }
}

fn as_text(families: &[MetricFamily]) -> String {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(families, &mut text) {
        tracing::error!(%error, "the metrics cannot be written");
    }
    String::from_utf8(text).unwrap_or_default()
}
