//! New passwords: by who knows the old one, and by a link.

use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::secret::SecretDigest;
use keyway_store::tables::accounts::StoredPassword;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::families::EndReason;
use keyway_store::tables::mail_links::{self, LinkPurpose};
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};

use super::endings::{Also, end_also};
use super::sessions::end_sessions;
use super::verify::send_link;
use crate::flows::links::{LinkError, NewLink, redeem};
use crate::flows::notices::{Notice, Notices};
use crate::flows::{Act, Deed};
use crate::render::Mail;

/// Sets a password. All other browser sessions end, and what else is asked.
///
/// # Errors
/// When the database fails.
pub fn change_password(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    password: &StoredPassword,
    here: SessionId,
    also: Also,
    notices: &Notices,
) -> Result<(), StoreError> {
    accounts::update_password(tx.conn(), owner, password, act.now)?;
    mail_links::withdraw(tx.conn(), LinkPurpose::Reset, Some(owner), act.now)?;
    end_sessions(tx, act, owner, Some(here))?;
    end_also(tx, act, owner, also, EndReason::Revoked)?;
    notices.tell(tx, act, owner, &Notice::PasswordChanged)?;
    act.audit(tx, Deed::new(Some(owner), "account.password_changed", "account", owner))
}

/// Sends the link by which a password can be set; earlier ones stop working.
///
/// # Errors
/// When the database fails.
pub fn send_reset(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    link: &NewLink,
    letter: &Mail,
) -> Result<(), StoreError> {
    send_link(tx, act, owner, link, letter)?;
    act.audit(tx, Deed::new(Some(owner), "account.password_reset_asked", "account", owner))
}

/// Sets a password by a link, which also shows that the address is theirs. All browser sessions end, and what else
/// is asked; of an account that had not shown its address to be its own, everything.
///
/// # Errors
/// [`LinkError::Gone`] when the link does not work.
pub fn reset_password(
    tx: &mut Tx<'_>,
    act: &Act,
    digest: Option<SecretDigest>,
    password: &StoredPassword,
    also: Also,
    notices: &Notices,
) -> Result<OwnerId, LinkError> {
    let link = redeem(tx, LinkPurpose::Reset, digest, act.now)?;
    let owner = link.owner_id.ok_or(LinkError::Gone)?;
    if !owners::lock(tx.conn(), owner)? {
        return Err(LinkError::Gone);
    }
    let act = Act { actor: Actor::person(owner, &link.email), ..act.clone() };
    let first_proof = accounts::verify_email(tx.conn(), owner, &link.email, act.now)?;
    accounts::update_password(tx.conn(), owner, password, act.now)?;
    mail_links::withdraw(tx.conn(), LinkPurpose::Reset, Some(owner), act.now)?;
    end_sessions(tx, &act, owner, None)?;
    end_also(tx, &act, owner, if first_proof { Also::ALL } else { also }, EndReason::Revoked)?;
    notices.tell(tx, &act, owner, &Notice::PasswordChanged)?;
    act.audit(tx, Deed::new(Some(owner), "account.password_reset", "account", owner))?;
    Ok(owner)
}
