//! Suspending people and letting them in again.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::OwnerId;
use keyway_store::tables::families::EndReason;
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};

use super::endings::{Also, end_also};
use super::sessions::end_sessions;
use crate::flows::{Act, Deed};

/// Why somebody is not suspended, or not let in again.
#[derive(Debug, thiserror::Error)]
pub enum SuspendError {
    /// There is no such account, or it is as asked already.
    #[error("there is no such account, or nothing to change")]
    Nothing,
    /// Nobody would administer the portal.
    #[error("the last administrator cannot be suspended")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Suspends: sessions, JWT pairs and consents end, API keys are dead while it lasts.
///
/// # Errors
/// [`SuspendError`].
pub fn suspend(tx: &mut Tx<'_>, act: &Act, owner: OwnerId) -> Result<(), SuspendError> {
    accounts::lock_admins(tx.conn())?;
    if !owners::suspend(tx.conn(), owner, act.now)? {
        return Err(SuspendError::Nothing);
    }
    let was_admin = accounts::find(tx.conn(), owner)?.is_some_and(|account| account.is_admin);
    if was_admin && accounts::count_admins(tx.conn())? == 0 {
        return Err(SuspendError::LastAdministrator);
    }
    end_sessions(tx, act, owner, None)?;
    let also = Also { tokens: true, grants: true, ..Also::default() };
    end_also(tx, act, owner, also, EndReason::OwnerEnded)?;
    tx.publish(NewChange::ended(EntityKind::Owner, owner, act.now));
    act.audit(tx, Deed::new(Some(owner), "account.suspended", "account", owner))?;
    Ok(())
}

/// Lets in again: API keys work as before.
///
/// # Errors
/// [`SuspendError`].
pub fn resume(tx: &mut Tx<'_>, act: &Act, owner: OwnerId) -> Result<(), SuspendError> {
    if !owners::resume(tx.conn(), owner)? {
        return Err(SuspendError::Nothing);
    }
    tx.publish(NewChange::changed(EntityKind::Owner, owner, act.now));
    act.audit(tx, Deed::new(Some(owner), "account.resumed", "account", owner))?;
    Ok(())
}
