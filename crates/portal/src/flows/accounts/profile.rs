//! What people say about themselves.

use keyway_core::ids::OwnerId;
use keyway_store::tables::owners;
use keyway_store::{StoreError, Tx};
use serde_json::json;

use crate::flows::{Act, Deed};

/// Gives another name.
///
/// # Errors
/// When the database fails.
pub fn rename(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    before: &str,
    name: &str,
) -> Result<(), StoreError> {
    if before == name || !owners::update_name(tx.conn(), owner, name)? {
        return Ok(());
    }
    let deed = Deed::new(Some(owner), "account.renamed", "account", owner);
    act.audit(tx, deed.before(json!({ "name": before })).after(json!({ "name": name })))
}
