//! What a server does on its own: deleting what has expired, moving signing keys along, telling of keys that end.

use std::time::Duration;

use actix_web::web;
use keyway_portal::Portal;
use keyway_portal::flows::jwt;
use keyway_portal::flows::notices::expiry;
use keyway_store::housekeeping;
use keyway_store::tables::audit::Actor;

use crate::home;
use crate::house::House;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(10 * 60);

/// Between two rounds of notices: they are about days.
const NOTICES_ROUND: Duration = Duration::from_secs(60 * 60);

/// Between two looks at the master key file. `keyway master-key rotate` waits for several of them.
pub const KEY_FILE_ROUND: Duration = Duration::from_secs(1);

/// Follows the master key file, so that the key can be replaced while the process runs.
pub async fn master_key(house: House) {
    let path = house.config.master_key_file.clone();
    let changed = |path: &std::path::Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut seen = changed(&path);
    let mut rounds = tokio::time::interval(KEY_FILE_ROUND);
    loop {
        rounds.tick().await;
        let now = changed(&path);
        if now.is_none() || now == seen {
            continue;
        }
        match home::master_key(&house.config, false, &*house.random) {
            Ok(key) => {
                house.master_key.become_like(&key);
                seen = now;
                tracing::info!(key = key.key_id(), "the master key file changed");
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "the master key file cannot be read"),
        }
    }
}

/// Moves signing keys along on their schedule, as long as the process runs.
pub async fn signing_keys(house: House) {
    let ring = house.key_ring();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Err(error) = jwt::tick(&house.store, &ring, house.act(Actor::system())).await {
            tracing::error!(%error, "the signing keys were not moved along");
        }
    }
}

/// Housekeeping, now and every ten minutes. A failed round is logged; the next one makes good for it.
pub async fn housekeeping(house: House) {
    let retention = house.config.written.retention.into();
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

/// Tells people which of their keys end, now and every hour.
pub async fn expiry_notices(house: House, portal: web::Data<Portal>) {
    let mut rounds = tokio::time::interval(NOTICES_ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let act = house.act(Actor::system());
        match expiry::tell_due(&house.store, &portal.notices(), &act).await {
            Ok(0) => {}
            Ok(mails) => {
                portal.mail_bell.ring();
                tracing::info!(mails, "told owners of keys that end");
            }
            Err(error) => tracing::error!(%error, "owners were not told of keys that end"),
        }
    }
}
