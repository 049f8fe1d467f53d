//! Telling people that keys of theirs end: 14 days before, 3 days before, and when they have ended.

use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::{api_keys, expiry_notices, owners};
use keyway_store::{Store, StoreError, Tx};
use serde::Serialize;

use super::{Notice, Notices};
use crate::flows::Act;

/// So many days before its end a key's owner is told, each once; and up to when: then the next one is told instead,
/// or, three days after the end, nothing any more.
const STEPS: [(i64, i64); 3] = [(14, 3), (3, 0), (0, -3)];
/// Keys looked at in one go.
const BATCH: u32 = 200;
/// Keys that one mail lists; how many more there are is said.
const LISTED: usize = 20;

/// A key that ends, as its mail tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct Ending {
    id: ApiKeyId,
    name: String,
    display: String,
    expires_at: Timestamp,
}

/// Tells everybody what is due now; how many mails were written. Of several portals that do so at once, one tells.
///
/// # Errors
/// When the database fails; what was told before stays told.
pub async fn tell_due(store: &Store, notices: &Notices, act: &Act) -> Result<usize, StoreError> {
    let mut told = 0;
    for (days, last) in STEPS {
        let (from, until) = (act.now + Duration::days(last), act.now + Duration::days(days));
        loop {
            let due = store.read(move |conn| expiry_notices::due(conn, from, until, days, BATCH)).await?;
            for keys in due.chunk_by(|a, b| a.0 == b.0) {
                let Some(&(owner, _)) = keys.first() else { continue };
                let ids: Vec<ApiKeyId> = keys.iter().map(|&(_, id)| id).collect();
                let (notices, act) = (notices.clone(), act.clone());
                let done = store.write(move |tx| tell_owner(tx, &notices, &act, owner, &ids, days)).await?;
                told += usize::from(done);
            }
            if due.len() < BATCH as usize {
                break;
            }
        }
    }
    Ok(told)
}

/// One mail to one owner about those of `ids` that nobody told of yet; whether it was written.
fn tell_owner(
    tx: &mut Tx<'_>,
    notices: &Notices,
    act: &Act,
    owner: OwnerId,
    ids: &[ApiKeyId],
    days: i64,
) -> Result<bool, StoreError> {
    if owners::find(tx.conn(), owner)?.is_none_or(|owner| owner.suspended_at.is_some()) {
        return Ok(false);
    }
    let (mut keys, before) = (Vec::new(), Duration::days(days));
    for &id in ids {
        // It may have been changed since it was looked for.
        let Some(key) = api_keys::find(tx.conn(), id)? else { continue };
        let Some(expires_at) = key.terms.expires_at else { continue };
        let over = key.revoked_at.or(key.disabled_at).is_some() || key.replaced_by.is_some();
        if over || expires_at > act.now + before {
            continue;
        }
        if !expiry_notices::claim(tx.conn(), id, expires_at, days)? {
            continue;
        }
        // Who made a key for a week yesterday knows.
        let known = days > 0 && expires_at - before <= key.created_at;
        if !known {
            let display = format!("{}…{}", key.prefix, key.last4);
            keys.push(Ending { id, name: key.name, display, expires_at });
        }
    }
    if keys.is_empty() {
        return Ok(false);
    }
    let more = keys.len().saturating_sub(LISTED);
    keys.truncate(LISTED);
    notices.tell(tx, act, owner, &Notice::KeyExpiry { keys, more, ended: days == 0 })
}
