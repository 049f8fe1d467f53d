//! Ending browser sessions from another one.

use keyway_core::ids::{OwnerId, SessionId};
use keyway_store::tables::sessions;
use keyway_store::{StoreError, Tx};
use serde_json::json;

use crate::flows::{Act, Deed, grants};

/// Ends one, with the apps that depend on it. `false` when the person has no such session.
///
/// # Errors
/// When the database fails.
pub fn end_session(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: SessionId) -> Result<bool, StoreError> {
    let ended = sessions::end(tx.conn(), owner, id)?;
    if ended {
        grants::end_for_session(tx, act, owner, id)?;
        act.audit(tx, Deed::new(Some(owner), "session.ended", "session", id))?;
    }
    Ok(ended)
}

/// Ends all but the one in which it is asked; how many there were.
///
/// # Errors
/// When the database fails.
pub fn end_other_sessions(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    here: SessionId,
) -> Result<u64, StoreError> {
    let others = sessions::ids(tx.conn(), owner, Some(here))?;
    let ended = sessions::end_all(tx.conn(), owner, Some(here))?;
    for id in others {
        grants::end_for_session(tx, act, owner, id)?;
    }
    if ended > 0 {
        let deed = Deed::new(Some(owner), "session.others_ended", "account", owner);
        act.audit(tx, deed.after(json!({ "sessions": ended })))?;
    }
    Ok(ended)
}
