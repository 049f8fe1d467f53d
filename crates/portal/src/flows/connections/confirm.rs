//! Showing again who one is, by an account elsewhere.

use keyway_core::ids::OwnerId;
use keyway_store::tables::connections;
use keyway_store::{StoreError, Tx};

use super::demo_identities;
use crate::flows::{Act, Deed};
use crate::providers::{Definition, Identity};

/// Why nothing is confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Another person is signed in there, or that account is not connected.
    #[error("not the account that is connected")]
    Another,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notes that `owner` has signed in at the provider anew.
///
/// # Errors
/// [`ConfirmError`].
pub fn confirm(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    definition: &Definition,
    identity: &Identity,
) -> Result<(), ConfirmError> {
    let demo = demo_identities(definition);
    let found = connections::find_by_identity(tx.conn(), &identity.issuer, &identity.subject, demo)?;
    let connection = found.filter(|found| found.owner == owner).ok_or(ConfirmError::Another)?;
    connections::signed_in(tx.conn(), connection.id, &identity.account, act.now)?;
    Ok(act.audit(tx, Deed::new(Some(owner), "session.confirmed", "connection", connection.id))?)
}
