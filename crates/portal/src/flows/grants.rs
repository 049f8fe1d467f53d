//! Consents taken back, and what ends with them.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{GrantId, OwnerId, SessionId};
use keyway_store::tables::families::{self, EndReason, EndedBy};
use keyway_store::tables::{codes, grants};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use super::{Act, Deed};

/// Takes back the consent of `owner`: every token that rests on it is refused on the next call. `false` if it is
/// not theirs, or was taken back already.
///
/// # Errors
/// When the database cannot take it.
pub fn revoke(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: GrantId) -> Result<bool, StoreError> {
    if !grants::revoke(tx.conn(), owner, id, act.now)? {
        return Ok(false);
    }
    let ended = end_descendants(tx, act, id, EndReason::ConsentRevoked)?;
    let deed = Deed::new(Some(owner), "app.authorisation_revoked", "grant", id);
    act.audit(tx, deed.after(json!({ "families_ended": ended })))?;
    Ok(true)
}

/// Takes back what ends with a browser session: the consents without `offline_access`, and what was given for this
/// session alone by a consent that goes on, because it is offline or a later session renewed it.
///
/// # Errors
/// When the database cannot take it.
pub fn end_for_session(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    session: SessionId,
) -> Result<(), StoreError> {
    for id in grants::revoke_of_session(tx.conn(), session, act.now)? {
        let ended = end_descendants(tx, act, id, EndReason::SignedOut)?;
        let deed = Deed::new(Some(owner), "app.authorisation_ended", "grant", id);
        act.audit(tx, deed.after(json!({ "families_ended": ended, "because": "signed out" })))?;
    }
    for id in families::end_all(tx.conn(), EndedBy::Session(session), act.now, EndReason::SignedOut)? {
        tx.publish(NewChange::ended(EntityKind::Family, id, act.now));
        let deed = Deed::new(Some(owner), "token.family_ended", "family", id);
        act.audit(tx, deed.after(json!({ "because": EndReason::SignedOut.as_str() })))?;
    }
    codes::end_of_session(tx.conn(), session, act.now)?;
    Ok(())
}

/// One change in the feed ends all tokens: the consent is an ancestor of each.
fn end_descendants(tx: &mut Tx<'_>, act: &Act, id: GrantId, why: EndReason) -> Result<usize, StoreError> {
    tx.publish(NewChange::ended(EntityKind::Grant, id, act.now));
    Ok(families::end_all(tx.conn(), EndedBy::Grant(id), act.now, why)?.len())
}
