//! Making an account for somebody whom a provider vouches for.

use keyway_core::ids::OwnerId;
use keyway_store::tables::{accounts as rows, connections};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use super::Keeping;
use crate::flows::accounts::{self, CreateError, NewAccount, supersede};
use crate::flows::links::NewLink;
use crate::flows::{Act, Deed};
use crate::render::Mail;
use crate::settings::VerifyEmail;

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum SignUpThereError {
    /// The address has an account, or the identity has one by now.
    #[error("there is an account with this address")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for SignUpThereError {
    fn from(error: StoreError) -> Self {
        CreateError::from(error).into()
    }
}

impl From<CreateError> for SignUpThereError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Taken => Self::Taken,
            CreateError::Store(error) => Self::Store(error),
        }
    }
}

/// Makes an account with a connection as its way in, and notes that its person is signed in with it. An account that
/// never showed the address to be its own, but has to, makes room if the provider has verified it.
///
/// # Errors
/// [`SignUpThereError::Taken`] when the address has an account.
pub fn sign_up(
    tx: &mut Tx<'_>,
    act: &Act,
    policy: VerifyEmail,
    new: &NewAccount,
    keeping: &Keeping,
) -> Result<(), SignUpThereError> {
    if new.verified
        && let Some(holder) = rows::find_by_email(tx.conn(), new.email.as_str())?
        && !policy.allows_live(holder.email_verified_at.is_some())
    {
        supersede(tx, act, holder.owner_id)?;
    }
    accounts::sign_up(tx, act, new)?;
    keep(tx, act, new.id, keeping)
}

/// The same where the address must be shown to be theirs first, by the link in `verification`: whoever typed it at the
/// provider is told the same whether or not it has an account here.
///
/// # Errors
/// As [`sign_up`], when another took the address at this very moment.
pub fn sign_up_to_verify(
    tx: &mut Tx<'_>,
    act: &Act,
    new: &NewAccount,
    keeping: &Keeping,
    link: &NewLink,
    verification: &Mail,
    already: &Mail,
) -> Result<(), SignUpThereError> {
    if accounts::sign_up_to_verify(tx, act, new, link, verification, already)? {
        keep(tx, act, new.id, keeping)?;
    }
    Ok(())
}

fn keep(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, keeping: &Keeping) -> Result<(), SignUpThereError> {
    let connection = keeping.connection(act, owner, Some(act.now))?;
    connections::insert(tx.conn(), &connection)?;
    let after = json!({ "provider": connection.provider, "account": connection.account });
    let deed = Deed::new(Some(owner), "connection.added", "connection", connection.id);
    Ok(act.audit(tx, deed.after(after))?)
}
