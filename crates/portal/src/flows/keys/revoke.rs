//! Revoking a key, and what goes with it.

use keyway_core::Timestamp;
use keyway_core::api_key::ApiKey;
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::text::misleads;
use keyway_store::tables::api_keys;
use keyway_store::{Conn, StoreError, Tx};
use serde_json::json;

use super::{By, KeyError, find_own};
use crate::flows::{Act, Deed};

/// The longest reason, in characters.
const MAX_REASON_LEN: usize = 200;

/// What stops working with a key.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The working keys that it made, and those that they made.
    pub keys: Vec<ApiKey>,
}

/// What stops working if `key` does: told before it is revoked or disabled. The access tokens that were exchanged
/// from it are not counted; they are not kept.
///
/// # Errors
/// When the database cannot answer.
pub fn losses(conn: &mut Conn, key: &ApiKey, now: Timestamp) -> Result<Losses, StoreError> {
    let mut keys = api_keys::descendants(conn, key.owner, key.id)?;
    keys.retain(|made| made.status(now).works());
    Ok(Losses { keys })
}

/// Takes a key away for good, with everything that descends from it. Revoking a revoked key changes nothing.
///
/// # Errors
/// See [`KeyError`].
pub fn revoke(
    tx: &mut Tx<'_>,
    act: &Act,
    by: &By,
    owner: OwnerId,
    id: ApiKeyId,
    reason: &str,
) -> Result<ApiKey, KeyError> {
    let reason = reason.trim();
    if reason.chars().count() > MAX_REASON_LEN || reason.chars().any(misleads) {
        return Err(KeyError::Field("reason", "a reason has at most 200 characters".into()));
    }
    let key = find_own(tx.conn(), owner, by, id)?;
    if api_keys::revoke(tx.conn(), id, reason, act.now)? {
        tx.publish(NewChange::ended(EntityKind::ApiKey, id, act.now));
        let deed = Deed::new(Some(key.owner), "key.revoked", "api_key", id);
        act.audit(tx, deed.after(json!({ "name": key.name, "reason": reason })))?;
    }
    find_own(tx.conn(), owner, by, id)
}
