//! Making accounts.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::OwnerId;
use keyway_core::owner::{Owner, OwnerKind};
use keyway_store::tables::accounts::{self, Account, StoredPassword};
use keyway_store::tables::families::EndReason;
use keyway_store::tables::mail_links::{self, LinkPurpose};
use keyway_store::tables::{owners, settings};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use super::HAD_ADMINISTRATOR;
use super::endings::{Also, end_also};
use super::sessions::end_sessions;
use crate::flows::inputs::Email;
use crate::flows::links::NewLink;
use crate::flows::{Act, Deed, mail};
use crate::render::Mail;

/// An account about to be made; its password was hashed before.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its owner's id.
    pub id: OwnerId,
    /// Where its person gets mail.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// None for who will set one by a link.
    pub password: Option<StoredPassword>,
    /// Whether the address counts as theirs from the start.
    pub verified: bool,
    /// Whether they administer the portal.
    pub is_admin: bool,
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The address has one.
    #[error("there is an account with this address")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Taken,
            other => Self::Store(other),
        }
    }
}

/// Makes an account.
///
/// # Errors
/// [`CreateError::Taken`] when the address has one.
pub fn create(tx: &mut Tx<'_>, act: &Act, new: &NewAccount) -> Result<(), CreateError> {
    let now = act.now;
    if accounts::find_by_email(tx.conn(), new.email.as_str())?.is_some() {
        return Err(CreateError::Taken);
    }
    let owner = Owner {
        id: new.id,
        kind: OwnerKind::Person,
        name: new.name.clone(),
        suspended_at: None,
        rate: None,
        created_at: now,
    };
    owners::insert(tx.conn(), &owner)?;
    let account = Account {
        owner_id: new.id,
        email: new.email.to_string(),
        email_verified_at: new.verified.then_some(now),
        password: new.password.clone(),
        password_changed_at: new.password.is_some().then_some(now),
        is_admin: new.is_admin,
        last_sign_in_at: None,
        created_at: now,
    };
    accounts::insert(tx.conn(), &account)?;
    if new.is_admin {
        settings::set_once(tx.conn(), HAD_ADMINISTRATOR, &new.id.to_string())?;
    }
    let after = json!({ "email": new.email.as_str(), "name": new.name, "is_admin": new.is_admin });
    act.audit(tx, Deed::new(Some(new.id), "account.created", "account", new.id).after(after))?;
    Ok(())
}

/// Makes an account and notes that its person is signed in with it.
///
/// # Errors
/// [`CreateError::Taken`] when the address has one.
pub fn sign_up(tx: &mut Tx<'_>, act: &Act, new: &NewAccount) -> Result<(), CreateError> {
    create(tx, act, new)?;
    accounts::signed_in(tx.conn(), new.id, act.now)?;
    Ok(())
}

/// Makes an account whose address must be shown to be theirs, by the link in `verification`. An address that has an
/// account gets `already` instead, and whoever typed it is told the same. An account that never showed its address
/// to be its own does not keep others from it. Whether one was made.
///
/// # Errors
/// [`CreateError::Taken`] when another took the address at this very moment.
pub fn sign_up_to_verify(
    tx: &mut Tx<'_>,
    act: &Act,
    new: &NewAccount,
    link: &NewLink,
    verification: &Mail,
    already: &Mail,
) -> Result<bool, CreateError> {
    if let Some(account) = accounts::find_by_email(tx.conn(), new.email.as_str())? {
        if account.email_verified_at.is_some() {
            mail::queue(tx, act.now, &*act.random, new.email.as_str(), already)?;
            return Ok(false);
        }
        supersede(tx, act, account.owner_id)?;
    }
    create(tx, act, new)?;
    mail_links::insert(tx.conn(), &link.row)?;
    mail::queue(tx, act.now, &*act.random, new.email.as_str(), verification)?;
    Ok(true)
}

/// Takes away an account that never showed its address to be its own, with all that was made in it.
pub(crate) fn supersede(tx: &mut Tx<'_>, act: &Act, owner: OwnerId) -> Result<(), StoreError> {
    // Verified at this very moment: it stays.
    if !accounts::delete_unverified(tx.conn(), owner)? {
        return Err(StoreError::Conflict);
    }
    mail_links::withdraw(tx.conn(), LinkPurpose::Verify, Some(owner), act.now)?;
    mail_links::withdraw(tx.conn(), LinkPurpose::Reset, Some(owner), act.now)?;
    end_sessions(tx, act, owner, None)?;
    end_also(tx, act, owner, Also::ALL, EndReason::OwnerEnded)?;
    owners::delete(tx.conn(), owner, act.now)?;
    tx.publish(NewChange::ended(EntityKind::Owner, owner, act.now));
    act.audit(tx, Deed::new(Some(owner), "account.superseded", "account", owner))
}
