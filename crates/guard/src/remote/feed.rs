//! The change feed by long poll, and records in batches.

use keyway_core::change::{Epoch, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::Duration;
use keyway_core::quota::Counted;
use keyway_core::record::{RecordBatch, Stored};
use keyway_core::source::SourceError;
use serde::Serialize;

use super::http::{Portal, read, send};

/// A page of a thousand changes has some 200 kB.
const MAX_PAGE: usize = 4 * 1024 * 1024;
/// The counts of two thousand budgets.
const MAX_COUNTED: usize = 1024 * 1024;
/// Everything that still matters may be much.
const MAX_SNAPSHOT: usize = 256 * 1024 * 1024;

#[derive(Serialize)]
struct Cursor<'c> {
    epoch: &'c str,
    after: u64,
    wait_ms: i64,
}

pub(super) async fn changes(
    portal: &Portal,
    epoch: &Epoch,
    after: Position,
    wait: Duration,
) -> Result<FeedPage, SourceError> {
    let cursor = Cursor { epoch: &epoch.0, after: after.0, wait_ms: wait.as_micros() / 1_000 };
    read(portal.get_as_self("/guard/changes", wait.to_std()).query(&cursor), MAX_PAGE).await
}

pub(super) async fn snapshot(portal: &Portal) -> Result<FeedSnapshot, SourceError> {
    read(portal.get_as_self("/guard/changes/snapshot", std::time::Duration::ZERO), MAX_SNAPSHOT).await
}

pub(super) async fn store(portal: &Portal, batch: &RecordBatch) -> Result<Vec<Counted>, SourceError> {
    let request = portal.post_as_self("/guard/records").json(batch);
    if batch.drawn.is_empty() {
        return send(request).await.map(|_| Vec::new());
    }
    let stored: Stored = read(request, MAX_COUNTED).await?;
    Ok(stored.counted)
}
