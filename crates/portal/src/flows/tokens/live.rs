//! What an access token is worth now, for everybody at the portal who asks.

use keyway_core::Timestamp;
use keyway_core::credential::{Shape, Shapes};
use keyway_core::facts::{Facts, State};
use keyway_core::jwt::{JwtError, Purpose, VerificationKeys, Verified, verify};
use keyway_core::secret::PlainSecret;
use keyway_store::{Conn, facts, feed};

use super::{Issuance, TokenError};
use crate::flows::jwt::published;

/// The facts of an access token of ours, opaque or signed, whatever its state; `None` for anything else.
///
/// # Errors
/// When the database cannot answer, or the published keys cannot be read.
pub fn access_token(
    conn: &mut Conn,
    issuance: &Issuance,
    shapes: &Shapes,
    token: &PlainSecret,
) -> Result<Option<Facts>, TokenError> {
    match shapes.classify(token.expose()) {
        Shape::AccessToken => Ok(facts::access_token(conn, token.digest(), &issuance.limits)?),
        Shape::Jwt => Ok(signed(conn, issuance, token)?.ok().map(|verified| verified.facts)),
        Shape::ApiKey | Shape::BadChecksum | Shape::WrongKind(_) | Shape::Unknown => Ok(None),
    }
}

/// A JWT of ours, whether it was ended included; or why it is none.
///
/// # Errors
/// As [`access_token`].
pub(super) fn signed(
    conn: &mut Conn,
    issuance: &Issuance,
    token: &PlainSecret,
) -> Result<Result<Verified, JwtError>, TokenError> {
    let keys = VerificationKeys::from_jwks(&published(conn, Purpose::AccessToken)?)?;
    let mut verified = match verify(token.expose(), &keys, &issuance.issuer) {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error)),
    };
    let mut line = verified.facts.ancestors.to_vec();
    line.push(verified.facts.id);
    line.extend(verified.facts.signing_key);
    if feed::jwt_ended(conn, &line, verified.position)? {
        verified.facts.state = State::Revoked;
    }
    Ok(Ok(verified))
}

/// Why a credential with these facts does not work now; `None` if it does.
pub fn why_inactive(facts: &Facts, now: Timestamp) -> Option<&'static str> {
    match facts.state {
        State::Revoked => Some("revoked"),
        State::Disabled => Some("disabled"),
        State::OwnerSuspended => Some("owner_suspended"),
        State::Active if facts.expires_at.is_some_and(|end| end <= now) => Some("expired"),
        State::Active if now < facts.not_before => Some("not_yet_valid"),
        State::Active => None,
    }
}
