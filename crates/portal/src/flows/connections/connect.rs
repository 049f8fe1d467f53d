//! Connecting an account elsewhere with the one that is signed in here.

use keyway_core::ids::OwnerId;
use keyway_store::tables::{accounts, connections, owners};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use super::{Keeping, demo_identities};
use crate::flows::{Act, Deed, mail};
use crate::render::Mail;

/// Why nothing was connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The identity is connected with another account here.
    #[error("connected with another account")]
    Elsewhere,
    /// The account here has another identity at this provider.
    #[error("another account there is connected")]
    Another,
    /// The account here is gone.
    #[error("the account is gone")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// It is new.
    Now,
    /// It was connected before; what the provider granted is fresh again.
    Again,
}

/// Connects. `letter` tells the account's address of it.
///
/// # Errors
/// [`ConnectError`].
pub fn connect(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    keeping: &Keeping,
    letter: &Mail,
) -> Result<Connected, ConnectError> {
    // Two tabs that connect at once: one is told what the other did.
    if !owners::lock(tx.conn(), owner)? {
        return Err(ConnectError::Gone);
    }
    let (identity, demo) = (&keeping.identity, demo_identities(keeping.definition()));
    match connections::find_by_identity(tx.conn(), &identity.issuer, &identity.subject, demo)? {
        Some(other) if other.owner != owner => return Err(ConnectError::Elsewhere),
        Some(known) => {
            if let Some(tokens) = keeping.tokens(act, known.id)? {
                connections::update_tokens(tx.conn(), known.id, &tokens, &identity.scopes, act.now)?;
            }
            return Ok(Connected::Again);
        }
        None => {}
    }
    let connection = keeping.connection(act, owner, None)?;
    connections::insert(tx.conn(), &connection).map_err(|error| match error {
        StoreError::Conflict => ConnectError::Another,
        other => ConnectError::Store(other),
    })?;
    if let Some(account) = accounts::find(tx.conn(), owner)? {
        mail::queue(tx, act.now, &*act.random, &account.email, letter)?;
    }
    let after = json!({ "provider": connection.provider, "account": connection.account });
    let deed = Deed::new(Some(owner), "connection.added", "connection", connection.id);
    act.audit(tx, deed.after(after))?;
    Ok(Connected::Now)
}
