//! Signing in: the account before the password is looked at, and the transaction after.

use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::owner::Owner;
use keyway_core::rate::Limit;
use keyway_store::tables::accounts::{self, Account, StoredPassword};
use keyway_store::tables::owners;
use keyway_store::{Conn, StoreError, Tx};

use super::sessions::ended_session;
use crate::flows::throttle::{self, Guesser};
use crate::flows::{Act, Deed, mail};
use crate::render::Mail;
use crate::settings::VerifyEmail;

/// An account that somebody tries to sign in to.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// It.
    pub account: Account,
    /// Its owner.
    pub owner: Owner,
}

/// The account of an address, if there is one that was not deleted.
///
/// # Errors
/// When the database fails.
pub fn find_candidate(conn: &mut Conn, email: &str) -> Result<Option<Candidate>, StoreError> {
    let Some(account) = accounts::find_by_email(conn, email)? else { return Ok(None) };
    Ok(owners::find(conn, account.owner_id)?.map(|owner| Candidate { account, owner }))
}

/// Why somebody whose password was right is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The password was changed or the account went away meanwhile.
    #[error("the password does not hold any more")]
    Changed,
    /// An administrator suspended the account.
    #[error("the account is suspended")]
    Suspended,
    /// The address must be shown to be theirs first.
    #[error("the address is not verified")]
    Unverified,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody whose password was right.
#[derive(Clone, Debug)]
pub struct SignedInNow {
    /// Whose account.
    pub owner: OwnerId,
    /// The password that was right, as it was stored.
    pub verified_against: StoredPassword,
    /// The same at today's cost, where it was stored at another.
    pub rehashed: Option<StoredPassword>,
    /// How the try was counted.
    pub guesser: Guesser,
    /// The mail about a sign-in from a browser that was not seen before.
    pub notice: Option<Mail>,
}

/// Notes the sign-in.
///
/// # Errors
/// [`SignInError`] when the account may not be signed in to.
pub fn sign_in(
    tx: &mut Tx<'_>,
    act: &Act,
    limit: Limit,
    policy: VerifyEmail,
    who: &SignedInNow,
) -> Result<(), SignInError> {
    let now = act.now;
    let account = accounts::find(tx.conn(), who.owner)?.ok_or(SignInError::Changed)?;
    if account.password.as_ref() != Some(&who.verified_against) {
        return Err(SignInError::Changed);
    }
    let account = let_in(tx, act, policy, who.owner)?;
    if let Some(rehashed) = &who.rehashed {
        accounts::rehash_password(tx.conn(), who.owner, &who.verified_against, rehashed)?;
    }
    throttle::succeeded(tx.conn(), limit, &who.guesser, now)?;
    if let Some(notice) = &who.notice {
        mail::queue(tx, now, &*act.random, &account.email, notice)?;
    }
    act.audit(tx, Deed::new(Some(who.owner), "session.started", "account", who.owner))?;
    Ok(())
}

/// Lets somebody in who has shown who they are, by whatever means, if their account may be signed in to at all.
pub(crate) fn let_in(
    tx: &mut Tx<'_>,
    act: &Act,
    policy: VerifyEmail,
    owner: OwnerId,
) -> Result<Account, SignInError> {
    let suspended = owners::find(tx.conn(), owner)?.ok_or(SignInError::Changed)?.suspended_at.is_some();
    let account = accounts::find(tx.conn(), owner)?.ok_or(SignInError::Changed)?;
    if suspended {
        return Err(SignInError::Suspended);
    }
    if policy == VerifyEmail::BeforeSignIn && account.email_verified_at.is_none() {
        return Err(SignInError::Unverified);
    }
    accounts::signed_in(tx.conn(), owner, act.now)?;
    Ok(account)
}

/// Notes that a session ended by its person's wish. Apps without `offline_access` that it let in end with it.
///
/// # Errors
/// When the database fails.
pub fn sign_out(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, session: SessionId) -> Result<(), StoreError> {
    ended_session(tx, act, owner, session)?;
    act.audit(tx, Deed::new(Some(owner), "session.ended", "session", session))
}
