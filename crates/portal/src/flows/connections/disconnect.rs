//! Disconnecting an account elsewhere.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{ConnectionId, OwnerId};
use keyway_store::tables::connections::{self, Connection, DemoIdentities};
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use crate::flows::{Act, Deed, mail};
use crate::render::Mail;

/// Why nothing was disconnected.
#[derive(Debug, thiserror::Error)]
pub enum DisconnectError {
    /// There is no such connection.
    #[error("there is no such connection")]
    Nothing,
    /// Nobody could sign in to the account any more.
    #[error("the last way in stays")]
    LastWayIn,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Disconnects, and says what was connected. What outside tokens of that identity could do ends with it. `works` tells
/// whether a provider can be signed in with at all: one that is not set up any more is no way in.
///
/// # Errors
/// [`DisconnectError`].
pub fn disconnect(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    id: ConnectionId,
    demo: DemoIdentities,
    works: impl Fn(&str) -> bool,
    letter: &Mail,
) -> Result<Connection, DisconnectError> {
    // Two at once would both find that the other remains.
    if !owners::lock(tx.conn(), owner)? {
        return Err(DisconnectError::Nothing);
    }
    let all = connections::of_owner(tx.conn(), owner, demo)?;
    let account = accounts::find(tx.conn(), owner)?.ok_or(DisconnectError::Nothing)?;
    let (ended, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|connection| connection.id == id);
    let connection = ended.into_iter().next().ok_or(DisconnectError::Nothing)?;
    if account.password.is_none() && !others.iter().any(|other| works(&other.provider)) {
        return Err(DisconnectError::LastWayIn);
    }
    end(tx, act, &connection)?;
    mail::queue(tx, act.now, &*act.random, &account.email, letter)?;
    Ok(connection)
}

/// Ends all connections of an account: whoever made them was not shown to be its person.
///
/// # Errors
/// When the database fails.
pub fn end_connections(tx: &mut Tx<'_>, act: &Act, owner: OwnerId) -> Result<(), StoreError> {
    for connection in connections::of_owner(tx.conn(), owner, DemoIdentities::Counted)? {
        end(tx, act, &connection)?;
    }
    Ok(())
}

fn end(tx: &mut Tx<'_>, act: &Act, connection: &Connection) -> Result<(), StoreError> {
    if !connections::delete(tx.conn(), connection.id)? {
        return Ok(());
    }
    tx.publish(NewChange::ended(EntityKind::Connection, connection.id, act.now));
    let before = json!({ "provider": connection.provider, "account": connection.account });
    let deed = Deed::new(Some(connection.owner), "connection.removed", "connection", connection.id);
    act.audit(tx, deed.before(before))
}
