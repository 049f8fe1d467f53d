//! DPoP (RFC 9449): whoever uses a token proves, for each request anew, to hold the key that it is bound to.
//!
//! [`verify_proof`] says everything about a proof but whether it was used before: that is for those to remember who
//! accept it, until [`Proof::expires_at`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use url::Url;

use super::client_keys::PRIVATE_MEMBERS;
use crate::clock::{Duration, Timestamp};
use crate::jwt::{KeyError, PublicKey, SigningKey, Thumbprint, algorithm_named};
use crate::secret::SecretDigest;

/// The header that carries a proof, in the form in which headers are compared.
pub const PROOF_HEADER: &str = "dpop";
/// The `typ` of a proof (RFC 9449 §4.2).
pub const PROOF_TYPE: &str = "dpop+jwt";
/// What proofs may be signed with.
pub const PROOF_ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];
/// How far `iat` may be from now, either way.
pub const PROOF_WINDOW: Duration = Duration::seconds(60);
/// The longest proof, in bytes: enough for an RSA key of 4096 bits and a long URL.
pub const MAX_PROOF_LEN: usize = 8 * 1024;
/// The longest `jti`, in bytes.
const MAX_JTI_LEN: usize = 256;

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest<'r> {
    /// Its method.
    pub method: &'r str,
    /// The URL that it was sent to, as clients know it; query and fragment play no part (RFC 9449 §4.3).
    pub url: &'r str,
    /// The digest of the access token that it carries, if it carries one.
    pub access_token: Option<SecretDigest>,
}

/// A proof that is right, except that it may have been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key that was proven to be held.
    pub key: Thumbprint,
    /// Its `jti`: works once for this key.
    pub jti: String,
    /// From when on it is refused anyway.
    pub expires_at: Timestamp,
}

/// Why there is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// None was sent.
    #[error("a DPoP header with a proof is missing")]
    Missing,
    /// RFC 9449 §4.3, point 1: exactly one.
    #[error("the DPoP header was sent more than once")]
    Several,
    /// Not a JWS with the header and the claims of a proof.
    #[error("the DPoP proof cannot be read")]
    Malformed,
    /// Another kind of JWT.
    #[error("typ of the DPoP proof is not dpop+jwt")]
    WrongType,
    /// `none`, symmetric, or one that is not served.
    #[error("alg of the DPoP proof is none of ES256, EdDSA, Ed25519, RS256 and PS256")]
    Algorithm,
    /// Private, of another kind than `alg`, or too short or too long.
    #[error("jwk of the DPoP proof is not a public key for its alg")]
    Key,
    /// It does not fit the key in the header.
    #[error("the signature of the DPoP proof is wrong")]
    Signature,
    /// Made for another method.
    #[error("htm of the DPoP proof is not the method of this request")]
    Method,
    /// Made for another URL.
    #[error("htu of the DPoP proof is not the URL of this request")]
    Url,
    /// Too old, or from the future.
    #[error("iat of the DPoP proof is more than 60 s from now")]
    Stale,
    /// Made for another access token, or for none.
    #[error("ath of the DPoP proof is not the hash of the access token")]
    AccessToken,
    /// The access token is bound to another key.
    #[error("the access token is bound to another key than the DPoP proof's")]
    OtherKey,
    /// It works once.
    #[error("the DPoP proof was used before")]
    Spent,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Map<String, Value>,
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
}

/// The one value of the header `DPoP`.
///
/// # Errors
/// [`ProofError::Missing`] or [`ProofError::Several`]; [`ProofError::Malformed`] if it is not ASCII or too long.
pub fn one_proof<'h>(mut values: impl Iterator<Item = &'h [u8]>) -> Result<&'h str, ProofError> {
    let value = values.next().ok_or(ProofError::Missing)?;
    if values.next().is_some() {
        return Err(ProofError::Several);
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii() && text.len() <= MAX_PROOF_LEN);
    text.map(str::trim).ok_or(ProofError::Malformed)
}

/// Verifies a proof for `request` (RFC 9449 §4.3), except that it may have been used before.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_proof(proof: &str, request: &ProvenRequest<'_>, now: Timestamp) -> Result<Proof, ProofError> {
    let mut parts = proof.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ProofError::Malformed);
    };
    let key = verified_key(header, claims, signature)?;
    let claims: Claims = read(claims)?;
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI_LEN {
        return Err(ProofError::Malformed);
    }
    if claims.htm != request.method {
        return Err(ProofError::Method);
    }
    if !is_same_url(&claims.htu, request.url) {
        return Err(ProofError::Url);
    }
    let made = moment(claims.iat).ok_or(ProofError::Stale)?;
    if now.since(made) > PROOF_WINDOW || made.since(now) > PROOF_WINDOW {
        return Err(ProofError::Stale);
    }
    if let Some(token) = request.access_token {
        let ath = claims.ath.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        if ath.and_then(|bytes| SecretDigest::from_slice(&bytes)) != Some(token) {
            return Err(ProofError::AccessToken);
        }
    }
    // It is accepted up to the very end of the window.
    let expires_at = made + PROOF_WINDOW + Duration::micros(1);
    Ok(Proof { key, jti: claims.jti, expires_at })
}

/// The thumbprint of the key in the header, whose private half signed.
fn verified_key(header: &str, claims: &str, signature: &str) -> Result<Thumbprint, ProofError> {
    let signed = format!("{header}.{claims}");
    let Header { typ, alg, jwk, crit } = read(header)?;
    if crit.is_some() {
        return Err(ProofError::Malformed);
    }
    if !typ.eq_ignore_ascii_case(PROOF_TYPE) {
        return Err(ProofError::WrongType);
    }
    let served = PROOF_ALGORITHMS.contains(&alg.as_str());
    let algorithm = algorithm_named(&alg).filter(|_| served).ok_or(ProofError::Algorithm)?;
    if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
        return Err(ProofError::Key);
    }
    let key: PublicKey = serde_json::from_value(Value::Object(jwk)).map_err(|_| ProofError::Key)?;
    let decoding = key.verifying(algorithm).map_err(|_| ProofError::Key)?;
    match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &decoding, algorithm) {
        Ok(true) => Ok(key.thumbprint()),
        Ok(false) | Err(_) => Err(ProofError::Signature),
    }
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, ProofError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| ProofError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| ProofError::Malformed)
}

/// A NumericDate (RFC 7519 §2): it may have a fraction. `None` if it is nowhere near any clock.
fn moment(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded: microseconds of less than 1e11 seconds")]
    (0.0..1e11).contains(&seconds).then(|| Timestamp::from_micros((seconds * 1e6) as i64))
}

/// Whether both name the same place, after the normalisation of RFC 3986 §6.2.2 and §6.2.3.
fn is_same_url(claimed: &str, actual: &str) -> bool {
    let (Ok(claimed), Ok(actual)) = (Url::parse(claimed), Url::parse(actual)) else { return false };
    claimed.username().is_empty()
        && claimed.password().is_none()
        && claimed.host_str().is_some()
        && claimed.scheme() == actual.scheme()
        && claimed.host_str() == actual.host_str()
        && claimed.port_or_known_default() == actual.port_or_known_default()
        && normal_path(claimed.path()) == normal_path(actual.path())
}

/// A path in which characters that need no encoding are plain, and the others are encoded with capitals
/// (RFC 3986 §6.2.2.1 and §6.2.2.2). Dot segments are gone already.
fn normal_path(path: &str) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let encoded = match (first, after) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        match encoded {
            Some((byte, after)) => {
                rest = after;
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    normal.push(byte);
                } else {
                    normal.extend_from_slice(format!("%{byte:02X}").as_bytes());
                }
            }
            None => normal.push(*first),
        }
    }
    normal
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Makes a proof for `request`, as a client does. `jti` has to be random and new (RFC 9449 §4.2).
///
/// # Errors
/// [`KeyError`] if the key cannot sign.
pub fn make_proof(
    key: &SigningKey,
    request: &ProvenRequest<'_>,
    jti: &str,
    now: Timestamp,
) -> Result<String, KeyError> {
    let header = json!({ "typ": PROOF_TYPE, "alg": key.algorithm(), "jwk": key.public_jwk()?.key });
    let mut claims =
        json!({ "jti": jti, "htm": request.method, "htu": request.url, "iat": now.as_seconds() });
    if let (Some(token), Some(claims)) = (request.access_token, claims.as_object_mut()) {
        claims.insert("ath".to_owned(), URL_SAFE_NO_PAD.encode(token.as_bytes()).into());
    }
    key.sign_parts(&header, &claims)
}

#[cfg(test)]
mod tests;
