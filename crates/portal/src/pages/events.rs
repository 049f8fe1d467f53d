//! What was done to one thing, as the pages about it tell.

use keyway_core::Timestamp;
use keyway_store::tables::audit::AuditEntry;
use serde::Serialize;

use super::audit::{Change, changes};
use super::words;

/// One row of a history.
#[derive(Serialize)]
pub struct Event {
    at: Timestamp,
    actor: String,
    action: String,
    address: Option<String>,
    changes: Vec<Change>,
}

impl Event {
    /// Of an audit row.
    pub fn of(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor.label,
            action: words::action(&entry.action),
            address: entry.address.map(|address| address.to_string()),
            changes: changes(entry.before.as_deref(), entry.after.as_deref()),
        }
    }
}
