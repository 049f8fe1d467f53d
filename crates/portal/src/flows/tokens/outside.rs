//! Whom a token of a trusted issuer speaks for: the person who has connected the account that it is about.

use keyway_core::address::AddressList;
use keyway_core::facts::{Facts, LimitDefaults, Method, State, Subject};
use keyway_core::ids::EntityId;
use keyway_core::owner::Environment;
use keyway_store::tables::{accounts, connections, owners};
use keyway_store::{Conn, StoreError};
use smallvec::smallvec;

use crate::outside::Verified;

/// The facts of a good token; `None` if nobody here has connected its account, or has yet to show that their address is
/// theirs: such an account calls nothing live. It ends with the connection, and draws on
/// one budget with all tokens of that account.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn facts(
    conn: &mut Conn,
    limits: &LimitDefaults,
    verified: &Verified,
) -> Result<Option<Facts>, StoreError> {
    let token = &verified.token;
    let found = connections::find_by_identity(conn, &verified.issuer, &token.subject, verified.demo)?;
    let Some(connection) = found else { return Ok(None) };
    let account = accounts::find(conn, connection.owner)?;
    let shown = account.is_some_and(|account| account.email_verified_at.is_some());
    if !verified.verify_email.allows_live(shown) {
        return Ok(None);
    }
    let Some(owner) = owners::find(conn, connection.owner)? else { return Ok(None) };
    let (root, environment) = (connection.id.entity(), Environment::Live);
    Ok(Some(Facts {
        method: Method::Jwt,
        id: EntityId::from_digest(&verified.digest),
        owner: owner.id,
        subject: Subject::Owner(owner.id),
        client: None,
        environment,
        audiences: smallvec![verified.api.clone()],
        scopes: token.scopes.clone(),
        not_before: token.not_before,
        expires_at: Some(token.expires_at),
        state: if owner.suspended_at.is_some() { State::OwnerSuspended } else { State::Active },
        addresses: AddressList::default(),
        ancestors: smallvec![root, owner.id.entity()],
        signing_key: None,
        bound_to: token.bound_to,
        budgets: limits.budgets(root, None, (owner.id, owner.rate), environment),
    }))
}
