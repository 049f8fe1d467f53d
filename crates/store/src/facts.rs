//! What a guard needs to know of a credential, from its row and the rows that its end follows from.

use keyway_core::facts::{Facts, LimitDefaults, Method, State};
use keyway_core::jwt::LEEWAY;
use keyway_core::secret::SecretDigest;
use smallvec::smallvec;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::tables::access_tokens::{self, AccessToken};
use crate::tables::{api_keys, owners};

/// The API key with this digest, whatever its state.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn api_key(
    conn: &mut Conn,
    digest: SecretDigest,
    limits: &LimitDefaults,
) -> Result<Option<Facts>, StoreError> {
    let Some(key) = api_keys::find_by_digest(conn, &digest)? else { return Ok(None) };
    let makers = api_keys::find_among(conn, &key.ancestors)?;
    let Some(owner) = owners::find(conn, key.owner)? else { return Ok(None) };
    Ok(Some(key.facts(&makers, &owner, limits)))
}

/// The opaque access token with this digest, whatever its state.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn access_token(
    conn: &mut Conn,
    digest: SecretDigest,
    limits: &LimitDefaults,
) -> Result<Option<Facts>, StoreError> {
    let Some(token) = access_tokens::find(conn, digest)? else { return Ok(None) };
    let Some(owner) = owners::find(conn, token.owner)? else { return Ok(None) };
    let state = if access_tokens::is_ended(conn, &token)? {
        State::Revoked
    } else if owner.suspended_at.is_some() {
        State::OwnerSuspended
    } else {
        State::Active
    };
    let budgets = match token.grant {
        // An app that a user authorised draws on nothing else of that user's.
        Some(grant) if grant.entity() == token.root => limits.app_budgets(token.root, token.environment),
        Some(_) | None => limits.budgets(token.root, token.rate, (owner.id, owner.rate), token.environment),
    };
    let AccessToken {
        id, owner, subject, client, environment, audience, scopes, addresses, ancestors, ..
    } = token;
    Ok(Some(Facts {
        method: Method::Oauth,
        id: id.entity(),
        owner,
        subject,
        client: Some(client),
        environment,
        audiences: smallvec![audience],
        scopes,
        not_before: token.created_at - LEEWAY,
        expires_at: Some(token.expires_at),
        state,
        addresses,
        ancestors,
        signing_key: None,
        budgets,
    }))
}
