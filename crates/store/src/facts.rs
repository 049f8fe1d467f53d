//! What a guard needs to know of a credential, from its row and the rows that its end follows from.

use keyway_core::Duration;
use keyway_core::api_key::ApiKey;
use keyway_core::facts::{Facts, LimitDefaults, Method, State};
use keyway_core::ids::EntityId;
use keyway_core::jwt::LEEWAY;
use keyway_core::secret::SecretDigest;
use smallvec::smallvec;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::feed;
use crate::tables::access_tokens::{self, AccessToken};
use crate::tables::{api_keys, owners};

/// Between the check of a credential and the key that it makes lies less than this.
const MAKING: Duration = Duration::seconds(5);

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
    let mut facts = key.facts(&makers, &owner, limits);
    if facts.state != State::Revoked && is_token_of_line_ended(conn, &key, &makers)? {
        facts.state = State::Revoked;
    }
    Ok(Some(facts))
}

/// Whether a key made by an access token has lost that token, its family, grant or app. Such a key lives no longer
/// than the token, so the feed still tells.
fn is_token_of_line_ended(conn: &mut Conn, key: &ApiKey, makers: &[ApiKey]) -> Result<bool, StoreError> {
    let is_key = |id: &EntityId| makers.iter().any(|maker| maker.id.entity() == *id);
    let others: Vec<EntityId> = key.ancestors.iter().copied().filter(|id| !is_key(id)).collect();
    feed::ended_since(conn, &others, key.created_at - MAKING)
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
        id,
        owner,
        subject,
        client,
        environment,
        audience,
        scopes,
        addresses,
        ancestors,
        bound_to,
        ..
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
        bound_to,
        budgets,
    }))
}
