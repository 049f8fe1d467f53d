//! A client gives a token back (RFC 7009).

use keyway_core::change::{EntityKind, NewChange, Position};
use keyway_core::credential::{Kind, Shape, Shapes};
use keyway_core::ids::OwnerId;
use keyway_core::ids::TokenId;
use keyway_core::jwt::{Purpose, VerificationKeys, verify};
use keyway_core::oauth::{Client, ErrorCode, OauthError};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::families::{self, EndReason};
use keyway_store::tables::{access_tokens, refresh_tokens};
use keyway_store::{Store, StoreError, Tx, feed};

use super::families::end_because;
use super::{Issuance, TokenError};
use crate::flows::jwt::published;
use crate::flows::{Act, Deed};

/// Takes a token back: a refresh token with its whole family, an access token alone. What is unknown, or over already,
/// is no error (§2.2).
///
/// # Errors
/// `unauthorized_client` if the token was issued to another client (§2.1).
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    shapes: &Shapes,
    act: Act,
    client: Client,
    token: PlainSecret,
) -> Result<(), TokenError> {
    match shapes.classify(token.expose()) {
        Shape::WrongKind(Kind::RefreshToken) => {
            Ok(store.write(move |tx| refresh_token(tx, &act, &client, &token)).await??)
        }
        Shape::AccessToken => Ok(store.write(move |tx| opaque(tx, &act, &client, &token)).await??),
        Shape::Jwt => jwt(store, issuance, act, client, token).await,
        Shape::ApiKey | Shape::BadChecksum | Shape::WrongKind(_) | Shape::Unknown => Ok(()),
    }
}

fn not_yours() -> OauthError {
    OauthError::new(ErrorCode::UnauthorizedClient, "the token was issued to another client")
}

fn refresh_token(
    tx: &mut Tx<'_>,
    act: &Act,
    client: &Client,
    token: &PlainSecret,
) -> Result<Result<(), OauthError>, StoreError> {
    let Some(found) = refresh_tokens::find(tx.conn(), token.digest())? else { return Ok(Ok(())) };
    let Some(family) = families::find(tx.conn(), found.family)? else { return Ok(Ok(())) };
    if family.client != client.id {
        return Ok(Err(not_yours()));
    }
    end_because(tx, act, &family, EndReason::ReturnedByClient)?;
    Ok(Ok(()))
}

fn opaque(
    tx: &mut Tx<'_>,
    act: &Act,
    client: &Client,
    token: &PlainSecret,
) -> Result<Result<(), OauthError>, StoreError> {
    let Some(found) = access_tokens::find(tx.conn(), token.digest())? else { return Ok(Ok(())) };
    if found.client != client.id {
        return Ok(Err(not_yours()));
    }
    if access_tokens::revoke(tx.conn(), found.id, act.now)? {
        told(tx, act, found.owner, found.id)?;
    }
    Ok(Ok(()))
}

/// A JWT has no row: its id in the feed is what guards refuse it by.
async fn jwt(
    store: &Store,
    issuance: &Issuance,
    act: Act,
    client: Client,
    token: PlainSecret,
) -> Result<(), TokenError> {
    let keys = VerificationKeys::from_jwks(
        &store.read::<_, StoreError, _>(|conn| published(conn, Purpose::AccessToken)).await?,
    )?;
    let Ok(verified) = verify(token.expose(), &keys, &issuance.issuer) else { return Ok(()) };
    if verified.claims.client_id != client.id {
        return Err(not_yours().into());
    }
    if verified.facts.expires_at.is_none_or(|end| end <= act.now) {
        return Ok(());
    }
    let (id, owner) = (verified.claims.jti, verified.facts.owner);
    store
        .write::<_, StoreError, _>(move |tx| {
            // Sent twice, it stands in the feed once.
            if !feed::ended_after(tx.conn(), &[id.entity()], Position(0))? {
                told(tx, &act, owner, id)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

fn told(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: TokenId) -> Result<(), StoreError> {
    tx.publish(NewChange::ended(EntityKind::Token, id, act.now));
    act.audit(tx, Deed::new(Some(owner), "token.revoked", "access_token", id))
}
