//! Signing in with an account elsewhere.

use keyway_core::ids::ConnectionId;
use keyway_store::Tx;
use keyway_store::tables::connections;

use super::Keeping;
use crate::flows::accounts::{SignInError, let_in};
use crate::flows::{Act, Deed, mail};
use crate::render::Mail;
use crate::settings::VerifyEmail;

/// Somebody for whom a provider has just vouched.
#[derive(Clone, Debug)]
pub struct SignedInThere {
    /// The connection that was found.
    pub connection: ConnectionId,
    /// What the provider said.
    pub keeping: Keeping,
    /// The mail about a sign-in from a browser that was not seen before.
    pub notice: Option<Mail>,
}

/// Notes the sign-in.
///
/// # Errors
/// [`SignInError`] when the account may not be signed in to; [`SignInError::Changed`] when the connection is gone.
pub fn sign_in(
    tx: &mut Tx<'_>,
    act: &Act,
    policy: VerifyEmail,
    who: &SignedInThere,
) -> Result<(), SignInError> {
    let connection = connections::find(tx.conn(), who.connection)?.ok_or(SignInError::Changed)?;
    let account = let_in(tx, act, policy, connection.owner)?;
    let identity = &who.keeping.identity;
    if !connections::signed_in(tx.conn(), connection.id, &identity.account, act.now)? {
        return Err(SignInError::Changed);
    }
    if let Some(tokens) = who.keeping.tokens(act, connection.id)? {
        connections::update_tokens(tx.conn(), connection.id, &tokens, &identity.scopes, act.now)?;
    }
    if let Some(notice) = &who.notice {
        mail::queue(tx, act.now, &*act.random, &account.email, notice)?;
    }
    let after = serde_json::json!({ "provider": connection.provider });
    let deed = Deed::new(Some(connection.owner), "session.started", "account", connection.owner);
    act.audit(tx, deed.after(after))?;
    Ok(())
}
