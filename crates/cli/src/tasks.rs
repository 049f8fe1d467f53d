//! What a server does on its own: deleting what has expired, moving signing keys along.

use std::time::Duration;

use keyway_store::housekeeping::{self, Retention};

use crate::house::House;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(10 * 60);

/// Housekeeping, now and every ten minutes. A failed round is logged; the next one makes good for it.
pub async fn housekeeping(house: House) {
    let written = house.config.written.retention;
    let retention =
        Retention { request_records: written.requests, usage: written.usage, ..Retention::default() };
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match housekeeping::run(&house.store, house.clock.now(), retention).await {
            Ok(deleted) if deleted.rows.is_empty() => {}
            Ok(deleted) => tracing::info!(rows = ?deleted.rows, "deleted what had expired"),
            Err(error) => tracing::error!(%error, "housekeeping failed"),
        }
    }
}
