//! The public keys that a client registers (its `jwks`, RFC 7591 §2): what its assertions are verified with.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jwt::{PublicKey, algorithm_named};

/// The most keys in a client's set.
pub const MAX_CLIENT_KEYS: usize = 10;
/// The longest set, in bytes of JSON.
pub const MAX_CLIENT_KEYS_LEN: usize = 16 * 1024;
/// What assertions may be signed with (`token_endpoint_auth_signing_alg_values_supported`).
pub const ASSERTION_ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/// The members of a JWK that are private or shared (RFC 7518 §6.2.2, §6.3.2 and §6.4).
pub(crate) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A client's JWK set: at least one key that verifies, and no private half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKeys {
    keys: Vec<ClientKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ClientKey {
    #[serde(flatten)]
    key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
}

/// Why a set of keys is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientKeys {
    /// Over [`MAX_CLIENT_KEYS_LEN`].
    #[error("a JWK set has at most 16 kB")]
    TooLong,
    /// Over [`MAX_CLIENT_KEYS`].
    #[error("a JWK set has at most 10 keys")]
    TooMany,
    /// RFC 7517 §5.
    #[error("not a JWK set: give {{\"keys\": [...]}}")]
    NotASet,
    /// A private or shared key was given away.
    #[error("the JWK set holds a private key: register public keys alone, and replace this one")]
    Private,
    /// RFC 7518 §3.3.
    #[error("an RSA key has 2048 to 4096 bits")]
    RsaLength,
    /// Nothing in it can verify an assertion.
    #[error("no key in the JWK set signs with RS256, PS256, ES256 or EdDSA")]
    NoneFits,
}

impl ClientKey {
    /// Those that verify with some algorithm that is served; others are left out, as RFC 7517 §5 has it.
    fn read(member: &Value) -> Result<Option<Self>, InvalidClientKeys> {
        let members = member.as_object().ok_or(InvalidClientKeys::NotASet)?;
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(InvalidClientKeys::Private);
        }
        let Ok(key) = Self::deserialize(member) else { return Ok(None) };
        if key.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        if ALGORITHMS.iter().any(|algorithm| key.verifying(*algorithm).is_some()) {
            return Ok(Some(key));
        }
        let is_rsa = matches!(key.key, PublicKey::Rsa { .. });
        let would_sign = key.alg.as_deref().is_none_or(|alg| ASSERTION_ALGORITHMS.contains(&alg));
        if is_rsa && would_sign { Err(InvalidClientKeys::RsaLength) } else { Ok(None) }
    }

    fn verifying(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let pinned = self.alg.as_deref();
        if pinned.is_some_and(|alg| algorithm_named(alg) != Some(algorithm)) {
            return None;
        }
        self.key.verifying(algorithm).ok()
    }
}

/// Those that [`ASSERTION_ALGORITHMS`] names.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

impl ClientKeys {
    /// Reads a set as a client gives it.
    ///
    /// # Errors
    /// See [`InvalidClientKeys`].
    pub fn from_json(set: &Value) -> Result<Self, InvalidClientKeys> {
        let members = set.get("keys").and_then(Value::as_array).ok_or(InvalidClientKeys::NotASet)?;
        if members.len() > MAX_CLIENT_KEYS {
            return Err(InvalidClientKeys::TooMany);
        }
        let mut keys = Vec::with_capacity(members.len());
        for member in members {
            keys.extend(ClientKey::read(member)?);
        }
        if keys.is_empty() { Err(InvalidClientKeys::NoneFits) } else { Ok(Self { keys }) }
    }

    /// How many keys.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have signed with `algorithm`: those with this `kid` or none at all, or all of them if the
    /// signature names none.
    pub(super) fn candidates<'k>(
        &'k self,
        algorithm: Algorithm,
        kid: Option<&'k str>,
    ) -> impl Iterator<Item = DecodingKey> + 'k {
        let meant = move |key: &&ClientKey| match (kid, key.kid.as_deref()) {
            (Some(asked), Some(own)) => asked == own,
            (Some(_) | None, _) => true,
        };
        let algorithm = ALGORITHMS.into_iter().find(|served| *served == algorithm);
        let keys = self.keys.iter().filter(meant);
        keys.filter_map(move |key| algorithm.and_then(|algorithm| key.verifying(algorithm)))
    }
}

impl FromStr for ClientKeys {
    type Err = InvalidClientKeys;
    fn from_str(s: &str) -> Result<Self, InvalidClientKeys> {
        if s.len() > MAX_CLIENT_KEYS_LEN {
            return Err(InvalidClientKeys::TooLong);
        }
        let set: Value = serde_json::from_str(s).map_err(|_| InvalidClientKeys::NotASet)?;
        Self::from_json(&set)
    }
}

/// As JSON.
impl fmt::Display for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

    fn read(keys: &str) -> Result<ClientKeys, InvalidClientKeys> {
        format!(r#"{{"keys":[{keys}]}}"#).parse()
    }

    #[test]
    fn a_set_comes_back_as_it_was_stored() {
        let keys = read(EC).unwrap();
        assert_eq!(keys.to_string().parse(), Ok(keys.clone()));
        assert_eq!(keys.candidates(Algorithm::ES256, Some("1")).count(), 1);
        assert_eq!(keys.candidates(Algorithm::ES256, Some("2")).count(), 0);
        assert_eq!(keys.candidates(Algorithm::ES256, None).count(), 1);
        assert_eq!(keys.candidates(Algorithm::RS256, None).count(), 0);
        assert_eq!(keys.candidates(Algorithm::HS256, None).count(), 0);
    }

    #[test]
    fn private_halves_are_refused() {
        let private = EC.replace("\"kid\"", "\"d\":\"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE\",\"kid\"");
        assert_eq!(read(&private), Err(InvalidClientKeys::Private));
        assert_eq!(read(r#"{"kty":"oct","k":"AAAA"}"#), Err(InvalidClientKeys::Private));
    }

    #[test]
    fn keys_that_verify_nothing_are_left_out() {
        let encrypting = EC.replace("\"kid\"", "\"use\":\"enc\",\"kid\"");
        let other_curve = EC.replace("P-256", "P-384");
        let agreement = EC.replace("\"kid\"", "\"alg\":\"ECDH-ES\",\"kid\"");
        let unknown = r#"{"kty":"AKP","pub":"AA"}"#;
        for left_out in [encrypting.as_str(), &other_curve, &agreement, unknown] {
            assert_eq!(read(left_out), Err(InvalidClientKeys::NoneFits), "{left_out}");
            assert_eq!(read(&format!("{left_out},{EC}")), read(EC), "{left_out}");
        }
    }

    #[test]
    fn what_is_no_set_or_too_large_is_refused() {
        assert_eq!(EC.parse::<ClientKeys>(), Err(InvalidClientKeys::NotASet));
        assert_eq!("{".parse::<ClientKeys>(), Err(InvalidClientKeys::NotASet));
        assert_eq!(read("1"), Err(InvalidClientKeys::NotASet));
        assert_eq!(read(&[EC; 11].join(",")), Err(InvalidClientKeys::TooMany));
        assert_eq!(read(&" ".repeat(MAX_CLIENT_KEYS_LEN)), Err(InvalidClientKeys::TooLong));
        let short = format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, "_".repeat(171));
        assert_eq!(read(&short), Err(InvalidClientKeys::RsaLength));
    }
}
