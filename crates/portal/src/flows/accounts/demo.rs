//! The demo identity provider's way in: by choosing an account.

use keyway_core::ids::OwnerId;
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};

use crate::flows::{Act, Deed};

/// Notes that somebody chose this account; whether they may. Only for the demo provider of `dev`, whose accounts have
/// no passwords and belong to nobody.
///
/// # Errors
/// When the database fails.
pub fn sign_in_by_choice(tx: &mut Tx<'_>, act: &Act, owner: OwnerId) -> Result<bool, StoreError> {
    let Some(account) = accounts::find(tx.conn(), owner)? else { return Ok(false) };
    let suspended = owners::find(tx.conn(), owner)?.is_none_or(|owner| owner.suspended_at.is_some());
    if suspended || account.password.is_some() {
        return Ok(false);
    }
    accounts::signed_in(tx.conn(), owner, act.now)?;
    act.audit(tx, Deed::new(Some(owner), "session.started", "account", owner))?;
    Ok(true)
}
