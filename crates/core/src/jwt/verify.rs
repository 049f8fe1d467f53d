//! Verifying an access token: algorithm, key, type, issuer and form are pinned (RFC 8725 §3). Times and audience
//! depend on the moment and the API, and are a guard's to check on each call.

use std::collections::HashSet;

use jsonwebtoken::Validation;

use super::{AccessClaims, TOKEN_TYPE, VerificationKeys, is_type};
use crate::change::Position;
use crate::facts::Facts;

/// A token whose signature, type and issuer are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What its claims state.
    pub facts: Facts,
    /// The feed's position when it was issued.
    pub position: Position,
    /// Its claims.
    pub claims: AccessClaims,
}

/// Why a token is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not a JWS, a header that we do not accept, or claims that are missing or malformed.
    #[error("malformed token")]
    Malformed,
    /// `typ` is not `at+jwt` (RFC 9068 §4): an ID token, say.
    #[error("not an access token")]
    WrongType,
    /// No key of ours has this `kid`.
    #[error("unknown signing key")]
    UnknownKey,
    /// The algorithm is not the key's own, or the signature does not fit.
    #[error("bad signature")]
    BadSignature,
    /// From another issuer.
    #[error("wrong issuer")]
    WrongIssuer,
}

/// Verifies `token` against `keys`. Headers that name keys (`jwk`, `jku`, `x5u`) are ignored, `crit` is refused.
pub fn verify(token: &str, keys: &VerificationKeys, issuer: &str) -> Result<Verified, JwtError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| JwtError::Malformed)?;
    if header.crit.is_some() {
        return Err(JwtError::Malformed);
    }
    if !is_type(header.typ.as_deref().unwrap_or_default(), TOKEN_TYPE) {
        return Err(JwtError::WrongType);
    }
    let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or(JwtError::UnknownKey)?;
    if header.alg != key.algorithm.to_jsonwebtoken() {
        return Err(JwtError::BadSignature);
    }
    let mut rules = Validation::new(header.alg);
    rules.required_spec_claims = HashSet::new();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let claims = jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, &rules)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => JwtError::BadSignature,
            _ => JwtError::Malformed,
        })?
        .claims;
    if claims.iss != issuer {
        return Err(JwtError::WrongIssuer);
    }
    let facts = claims.facts(key.id).ok_or(JwtError::Malformed)?;
    Ok(Verified { facts, position: claims.keyway.pos, claims })
}

#[cfg(test)]
mod tests;
