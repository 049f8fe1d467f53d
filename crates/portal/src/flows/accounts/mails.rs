//! Which mails a person wants.

use keyway_core::ids::OwnerId;
use keyway_store::tables::muted_mails::{self, MailKind};
use keyway_store::tables::owners;
use keyway_store::{StoreError, Tx};
use serde_json::{Value, json};

use crate::flows::{Act, Deed};

/// Switches exactly these kinds of mail off, and the others on.
///
/// # Errors
/// When the database fails.
pub fn mute_mails(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, kinds: &[MailKind]) -> Result<(), StoreError> {
    // Held: two forms at once would both add.
    owners::lock(tx.conn(), owner)?;
    let before = muted_mails::list(tx.conn(), owner)?;
    if before.len() == kinds.len() && before.iter().all(|kind| kinds.contains(kind)) {
        return Ok(());
    }
    muted_mails::set(tx.conn(), owner, kinds)?;
    let deed = Deed::new(Some(owner), "account.mails_changed", "account", owner);
    act.audit(tx, deed.before(state(&before)).after(state(kinds)))
}

fn state(muted: &[MailKind]) -> Value {
    json!({ "switched_off": muted.iter().map(|kind| kind.as_str()).collect::<Vec<_>>() })
}
