//! How a client proves who it is with a key of its own (`private_key_jwt`: RFC 7523 §2.2 and §3, OpenID Connect
//! Core §9).

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ClientKeys;
use crate::clock::{Duration, Timestamp};
use crate::jwt::{Audiences, LEEWAY, algorithm_named, numeric_date, read_part};

/// The one `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may expire: until then its `jti` has to be remembered.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::minutes(60);
/// The longest `jti`, in bytes.
const MAX_JTI_LEN: usize = 256;

/// An assertion that is right, except that it may have been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Its `jti`, which works once.
    pub jti: String,
    /// From when on it is refused anyway.
    pub expires_at: Timestamp,
}

/// Why an assertion proves nothing. All but the first are told once the signature was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not a JWS that one of the client's keys signed.
    #[error("client authentication failed")]
    Signature,
    /// A claim is missing or malformed.
    #[error("the client assertion needs iss, sub, aud, exp and jti")]
    Claims,
    /// RFC 7523 §3: both name the client.
    #[error("iss and sub of the client assertion have to be the client_id")]
    Party,
    /// It is meant for somebody else as well, or not for this portal.
    #[error("aud of the client assertion has to be the issuer or the endpoint")]
    Audience,
    /// Over.
    #[error("the client assertion has expired")]
    Expired,
    /// Good for longer than its `jti` would be remembered.
    #[error("the client assertion may expire in an hour at most")]
    TooLong,
    /// `nbf` or `iat` lie ahead.
    #[error("the client assertion is not valid yet")]
    NotYet,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: f64,
    jti: String,
    iat: Option<f64>,
    nbf: Option<f64>,
}

/// Which client an assertion claims to be from; nothing of it is verified.
pub fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claim {
        sub: String,
    }
    read_part::<Claim>(assertion.split('.').nth(1)?).map(|claim| claim.sub)
}

/// Verifies an assertion of the client `client` by its `keys`. Each of its audiences has to be one of `accepted`: the
/// issuer, the token endpoint, or the endpoint that was called (RFC 9126 §2).
///
/// # Errors
/// See [`AssertionError`].
pub fn verify_assertion(
    assertion: &str,
    keys: &ClientKeys,
    client: &str,
    accepted: &[&str],
    now: Timestamp,
) -> Result<Assertion, AssertionError> {
    let claims = signed(assertion, keys)?;
    if claims.iss != client || claims.sub != client {
        return Err(AssertionError::Party);
    }
    let ours = |audience: &String| accepted.contains(&audience.as_str());
    let all = claims.aud.all();
    if all.is_empty() || !all.iter().all(ours) {
        return Err(AssertionError::Audience);
    }
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI_LEN {
        return Err(AssertionError::Claims);
    }
    let expires_at = moment(claims.exp)?;
    if expires_at <= now {
        return Err(AssertionError::Expired);
    }
    if expires_at > now + MAX_ASSERTION_LIFETIME + LEEWAY {
        return Err(AssertionError::TooLong);
    }
    for since in [claims.iat, claims.nbf].into_iter().flatten() {
        if moment(since)? > now + LEEWAY {
            return Err(AssertionError::NotYet);
        }
    }
    Ok(Assertion { jti: claims.jti, expires_at })
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims, once a key of the client's has signed them.
fn signed(assertion: &str, keys: &ClientKeys) -> Result<Claims, AssertionError> {
    let (message, signature) = assertion.rsplit_once('.').ok_or(AssertionError::Signature)?;
    let (header, claims) = message.split_once('.').ok_or(AssertionError::Signature)?;
    let Header { alg, typ, kid, crit } = read_part(header).ok_or(AssertionError::Signature)?;
    // RFC 8725 §3.11: nothing else that the same key signs passes for an assertion.
    let named = typ.is_none_or(|typ| {
        ["JWT", "client-authentication+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
    });
    if crit.is_some() || !named {
        return Err(AssertionError::Signature);
    }
    let algorithm = algorithm_named(&alg).ok_or(AssertionError::Signature)?;
    let fits = |key: DecodingKey| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).is_ok_and(|fits| fits)
    };
    if !keys.candidates(algorithm, kid.as_deref()).any(fits) {
        return Err(AssertionError::Signature);
    }
    read_part(claims).ok_or(AssertionError::Claims)
}

fn moment(seconds: f64) -> Result<Timestamp, AssertionError> {
    numeric_date(seconds).ok_or(AssertionError::Claims)
}

#[cfg(test)]
mod tests;
