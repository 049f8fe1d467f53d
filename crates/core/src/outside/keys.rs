//! The keys of a trusted issuer (RFC 7517), as it publishes them.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jwt::{PublicKey, algorithm_named};
use crate::oauth::PRIVATE_MEMBERS;

/// The most keys of one issuer; a set with more is refused.
pub const MAX_ISSUER_KEYS: usize = 100;

/// What an outside token may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedWith {
    /// RSA, PKCS #1 v1.5, with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSA, PSS, with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519; tokens and keys may call it by that name too (RFC 9864 §2.2).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SignedWith {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Ps256 => Algorithm::PS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// A document that is no usable set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// RFC 7517 §5.
    #[error("not a JWK set")]
    NotASet,
    /// Over [`MAX_ISSUER_KEYS`].
    #[error("a JWK set has at most 100 keys")]
    TooMany,
}

/// The keys that verify, each with a `kid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerKeys(Vec<IssuerKey>);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct IssuerKey {
    #[serde(flatten)]
    key: PublicKey,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
}

impl IssuerKey {
    fn verifies(&self) -> bool {
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let may_verify = self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let usable = |with: SignedWith| self.decoding(with.algorithm()).is_some();
        for_signatures && may_verify && SignedWith::ALL.into_iter().any(usable)
    }

    /// Ready to verify, if `algorithm` is the key's own: that which it names, or one of its type.
    fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let other = |alg: &str| algorithm_named(alg) != Some(algorithm);
        if self.alg.as_deref().is_some_and(other) {
            return None;
        }
        self.key.verifying(algorithm).ok()
    }
}

impl IssuerKeys {
    /// Reads a set as an issuer publishes it. Keys for other purposes, of unknown types and without a `kid` are left out
    /// (RFC 7517 §5), as are RSA keys that are too short or too long, and those whose private half was given away.
    ///
    /// # Errors
    /// See [`InvalidKeys`].
    pub fn read(document: &[u8]) -> Result<Self, InvalidKeys> {
        let set: Value = serde_json::from_slice(document).map_err(|_| InvalidKeys::NotASet)?;
        let members = set.get("keys").and_then(Value::as_array).ok_or(InvalidKeys::NotASet)?;
        if members.len() > MAX_ISSUER_KEYS {
            return Err(InvalidKeys::TooMany);
        }
        let public = |member: &&Value| PRIVATE_MEMBERS.iter().all(|name| member.get(name).is_none());
        let read = |member| IssuerKey::deserialize(member).ok().filter(IssuerKey::verifies);
        Ok(Self(members.iter().filter(public).filter_map(read).collect()))
    }

    /// Whether there is a key with this `kid`.
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }

    /// The key `kid`, ready to verify what was signed with `algorithm`, if that is its own.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        self.0.iter().filter(|key| key.kid == kid).find_map(|key| key.decoding(algorithm))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ec() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" })
    }

    fn read(keys: &[Value]) -> Result<IssuerKeys, InvalidKeys> {
        IssuerKeys::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_for_anything_else_are_left_out() {
        let with = |name: &str, value: Value| {
            let mut key = ec();
            key[name] = value;
            key
        };
        let others = [
            with("use", json!("enc")),
            with("alg", json!("ECDH-ES")),
            with("key_ops", json!(["encrypt"])),
            with("crv", json!("P-384")),
            with("kid", Value::Null),
            with("d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")),
            json!({ "kty": "oct", "k": "AAAA", "kid": "1" }),
            json!("nonsense"),
        ];
        for other in &others {
            assert_eq!(read(std::slice::from_ref(other)).unwrap(), IssuerKeys::default(), "{other}");
        }
        let keys = read(&[others.as_slice(), &[ec()]].concat()).unwrap();
        assert!(keys.has("1") && keys.find("1", Algorithm::ES256).is_some());
        assert!(keys.find("1", Algorithm::RS256).is_none() && keys.find("2", Algorithm::ES256).is_none());
    }

    #[test]
    fn what_is_no_set_or_too_large_is_refused() {
        assert_eq!(IssuerKeys::read(b"{"), Err(InvalidKeys::NotASet));
        assert_eq!(IssuerKeys::read(b"[]"), Err(InvalidKeys::NotASet));
        assert_eq!(read(&vec![ec(); MAX_ISSUER_KEYS + 1]), Err(InvalidKeys::TooMany));
    }
}
