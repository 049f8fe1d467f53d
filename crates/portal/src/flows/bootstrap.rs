//! The first administrator: by a link that exists only until there has ever been one.

use keyway_core::credential::Brand;
use keyway_core::ids::OwnerId;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::{Random, Timestamp};
use keyway_store::tables::mail_links::{self, LinkPurpose};
use keyway_store::tables::{accounts, settings};
use keyway_store::{Conn, StoreError, Tx};

use super::accounts::HAD_ADMINISTRATOR;
use super::links::{LinkError, NewLink, redeem};
use super::{Act, Deed};

/// Whether there has ever been an administrator.
///
/// # Errors
/// When the database fails.
pub fn had_administrator(conn: &mut Conn) -> Result<bool, StoreError> {
    Ok(settings::get(conn, HAD_ADMINISTRATOR)?.is_some())
}

/// A new link, for `<public url>/bootstrap?token=…`; earlier ones stop working. None once there has been an
/// administrator. It works for a day.
///
/// # Errors
/// When the database fails.
pub fn issue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    random: &dyn Random,
    brand: &Brand,
) -> Result<Option<PlainSecret>, StoreError> {
    if had_administrator(tx.conn())? {
        return Ok(None);
    }
    mail_links::withdraw(tx.conn(), LinkPurpose::Bootstrap, None, now)?;
    let link = NewLink::to_nobody(LinkPurpose::Bootstrap, now, random, brand);
    mail_links::insert(tx.conn(), &link.row)?;
    Ok(Some(link.token))
}

/// Makes the first administrator, once a database.
///
/// # Errors
/// [`LinkError::Gone`] when the link does not work, or there has been an administrator.
pub fn become_administrator(
    tx: &mut Tx<'_>,
    act: &Act,
    digest: Option<SecretDigest>,
    owner: OwnerId,
) -> Result<(), LinkError> {
    redeem(tx, LinkPurpose::Bootstrap, digest, act.now)?;
    if !settings::set_once(tx.conn(), HAD_ADMINISTRATOR, &owner.to_string())? {
        return Err(LinkError::Gone);
    }
    accounts::update_admin(tx.conn(), owner, true)?;
    act.audit(tx, Deed::new(Some(owner), "account.made_administrator", "account", owner))?;
    Ok(())
}
