//! Ending browser sessions, and what depends on them.

use keyway_core::ids::{EntityId, OwnerId, SessionId};
use keyway_store::tables::logout_notices::{self, LogoutNotice};
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
        ended_session(tx, act, owner, id)?;
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
    let ended = end_sessions(tx, act, owner, Some(here))?;
    if ended > 0 {
        let deed = Deed::new(Some(owner), "session.others_ended", "account", owner);
        act.audit(tx, deed.after(json!({ "sessions": ended })))?;
    }
    Ok(ended)
}

/// Ends all sessions of a person, but for `except`; how many there were.
///
/// # Errors
/// When the database fails.
pub fn end_sessions(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    except: Option<SessionId>,
) -> Result<u64, StoreError> {
    let ids = sessions::ids(tx.conn(), owner, except)?;
    let ended = sessions::end_all(tx.conn(), owner, except)?;
    for id in ids {
        ended_session(tx, act, owner, id)?;
    }
    Ok(ended)
}

/// What ends with a browser session: the consents without `offline_access`, and the sessions of clients that want to
/// be told (OpenID Connect Back-Channel Logout §2.7).
///
/// # Errors
/// When the database fails.
pub fn ended_session(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, sid: SessionId) -> Result<(), StoreError> {
    for client in logout_notices::clients_of(tx.conn(), sid)? {
        let notice = LogoutNotice {
            id: EntityId::new(act.now, &*act.random),
            client,
            subject: owner,
            sid,
            created_at: act.now,
            attempts: 0,
        };
        logout_notices::insert(tx.conn(), &notice)?;
    }
    grants::end_for_session(tx, act, owner, sid)
}
