//! Showing that an address is theirs.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::secret::SecretDigest;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::families::EndReason;
use keyway_store::tables::mail_links::{self, LinkPurpose};
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};

use super::endings::{Also, end_also};
use super::sessions::end_sessions;
use crate::flows::links::{self, LinkError, NewLink, redeem};
use crate::flows::{Act, Deed, mail};
use crate::render::Mail;

/// An account whose address was just shown to be theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedAccount {
    /// Whose.
    pub owner: OwnerId,
    /// In another browser than the one that signed up: all that was made before is gone, the password too.
    pub elsewhere: bool,
}

/// Verifies an address by the link sent to it. Whoever signed up may have typed another person's address: opened in
/// another browser, the link ends everything that was made before.
///
/// # Errors
/// [`LinkError::Gone`] when the link does not work.
pub fn verify(
    tx: &mut Tx<'_>,
    act: &Act,
    digest: Option<SecretDigest>,
    session: SessionId,
    signed_in: Option<OwnerId>,
) -> Result<VerifiedAccount, LinkError> {
    let now = act.now;
    let link = redeem(tx, LinkPurpose::Verify, digest, now)?;
    let owner = link.owner_id.ok_or(LinkError::Gone)?;
    if !owners::lock(tx.conn(), owner)? || !accounts::verify_email(tx.conn(), owner, &link.email, now)? {
        return Err(LinkError::Gone);
    }
    let act = Act { actor: Actor::person(owner, &link.email), ..act.clone() };
    act.audit(tx, Deed::new(Some(owner), "account.email_verified", "account", owner))?;
    let elsewhere = link.session_id != Some(session) && signed_in != Some(owner);
    if elsewhere {
        accounts::clear_password(tx.conn(), owner, now)?;
        end_sessions(tx, &act, owner, None)?;
        end_also(tx, &act, owner, Also::ALL, EndReason::Revoked)?;
        tx.publish(NewChange::ended(EntityKind::Owner, owner, now));
    }
    accounts::signed_in(tx.conn(), owner, now)?;
    Ok(VerifiedAccount { owner, elsewhere })
}

/// Sends a link to the account's address; earlier ones for the same stop working.
///
/// # Errors
/// When the database fails.
pub fn send_link(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    link: &NewLink,
    letter: &Mail,
) -> Result<(), StoreError> {
    mail_links::withdraw(tx.conn(), link.row.purpose, Some(owner), act.now)?;
    mail_links::insert(tx.conn(), &link.row)?;
    mail::queue(tx, act.now, &*act.random, &link.row.email, letter)
}

/// Confirms by the link sent to the account's address, in the session that asked for it alone.
///
/// # Errors
/// [`LinkError::Gone`] when the link does not work, or not here; it is not spent then.
pub fn confirm_by_mail(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    session: SessionId,
    digest: Option<SecretDigest>,
) -> Result<(), LinkError> {
    let link = links::look_at(tx.conn(), LinkPurpose::Confirm, digest, act.now)?;
    if link.owner_id != Some(owner) || link.session_id != Some(session) {
        return Err(LinkError::Gone);
    }
    redeem(tx, LinkPurpose::Confirm, digest, act.now)?;
    Ok(act.audit(tx, Deed::new(Some(owner), "session.confirmed", "account", owner))?)
}
