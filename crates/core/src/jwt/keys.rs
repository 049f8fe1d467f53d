//! Signing keys: their states, how they are made, and their public halves.

use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccessClaims, TOKEN_TYPE};
use crate::change::UnknownName;
use crate::ids::EntityId;
use crate::secret::SecretDigest;

/// What a signing key signs with. One algorithm per key (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// As in the `alg` header (RFC 7518 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
    pub(super) const fn to_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(UnknownName),
        }
    }
}

/// Where a signing key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    /// Signing.
    Current,
    /// Not signing any more; what it signed still verifies.
    Retiring,
    /// Nothing that it signed can still be in time; no longer published.
    Retired,
    /// Out at once, with everything that it signed.
    Revoked,
}

impl KeyState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
    /// Whether it stands in the JWKS and verifies.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Next | Self::Current | Self::Retiring)
    }
}

impl FromStr for KeyState {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "next" => Ok(Self::Next),
            "current" => Ok(Self::Current),
            "retiring" => Ok(Self::Retiring),
            "retired" => Ok(Self::Retired),
            "revoked" => Ok(Self::Revoked),
            _ => Err(UnknownName),
        }
    }
}

/// The id under which a signing key stands in the feed and among a token's ancestors: from its `kid`, so that a
/// guard that knows the JWKS alone computes the same.
pub fn key_entity(kid: &str) -> EntityId {
    let digest = SecretDigest::of(kid.as_bytes());
    let half = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    EntityId(uuid::Builder::from_custom_bytes(half).into_uuid())
}

/// A public key as published (RFC 7517). Only what our algorithms need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `EC` or `OKP`.
    pub kty: String,
    /// `P-256` or `Ed25519`.
    pub crv: String,
    /// The key's id.
    pub kid: String,
    /// The algorithm.
    pub alg: Algorithm,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The point's x coordinate, base64url.
    pub x: String,
    /// The point's y coordinate, base64url; EC only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// A JWK set (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The private half cannot be read.
    #[error("the signing key cannot be read")]
    Private,
    /// The public half cannot be read.
    #[error("the verification key cannot be read")]
    Public,
    /// The key could not be made or used.
    #[error("signing failed")]
    Signing,
}

/// A private key ready to sign.
#[derive(Clone)]
pub struct SigningKey {
    kid: Arc<str>,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

/// Makes a private key: PKCS #8 in DER, to be sealed.
pub fn generate_key(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let document = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng),
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&rng),
    };
    document.map(|d| Zeroizing::new(d.as_ref().to_vec())).map_err(|_| KeyError::Signing)
}

impl SigningKey {
    /// From PKCS #8 in DER.
    pub fn from_pkcs8(kid: &str, algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let readable = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).is_ok(),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).is_ok(),
        };
        if !readable {
            return Err(KeyError::Private);
        }
        let encoding = match algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_der(der),
            Algorithm::EdDsa => EncodingKey::from_ed_der(der),
        };
        Ok(Self { kid: kid.into(), algorithm, encoding })
    }

    /// The `kid` of what it signs.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half, to be published.
    pub fn public_jwk(&self) -> Result<Jwk, KeyError> {
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.encoding, self.algorithm.to_jsonwebtoken())
            .map_err(|_| KeyError::Private)?;
        let (kty, crv, x, y) = match jwk.algorithm {
            jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(p) => ("EC", "P-256", p.x, Some(p.y)),
            jsonwebtoken::jwk::AlgorithmParameters::OctetKeyPair(p) => ("OKP", "Ed25519", p.x, None),
            _ => return Err(KeyError::Private),
        };
        Ok(Jwk {
            kty: kty.into(),
            crv: crv.into(),
            kid: self.kid.to_string(),
            alg: self.algorithm,
            usage: "sig".into(),
            x,
            y,
        })
    }

    /// Signs an access token (RFC 9068).
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, KeyError> {
        let mut header = Header::new(self.algorithm.to_jsonwebtoken());
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.kid.to_string());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| KeyError::Signing)
    }
}

/// A public key ready to verify.
#[derive(Clone)]
pub struct VerificationKey {
    pub(super) kid: String,
    pub(super) id: EntityId,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerificationKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

impl VerificationKey {
    /// From a published key.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let decoding = match (jwk.alg, jwk.kty.as_str(), jwk.crv.as_str(), jwk.y.as_deref()) {
            (Algorithm::Es256, "EC", "P-256", Some(y)) => DecodingKey::from_ec_components(&jwk.x, y),
            (Algorithm::EdDsa, "OKP", "Ed25519", None) => DecodingKey::from_ed_components(&jwk.x),
            _ => return Err(KeyError::Public),
        };
        let decoding = decoding.map_err(|_| KeyError::Public)?;
        Ok(Self { kid: jwk.kid.clone(), id: key_entity(&jwk.kid), algorithm: jwk.alg, decoding })
    }
}

/// The keys that access tokens may be signed with. Few: a scan is the fastest look-up.
#[derive(Clone, Debug, Default)]
pub struct VerificationKeys(Vec<VerificationKey>);

impl VerificationKeys {
    /// From a published set; a key that cannot be read makes the set unusable rather than smaller.
    pub fn from_jwks(jwks: &Jwks) -> Result<Self, KeyError> {
        jwks.keys.iter().map(VerificationKey::from_jwk).collect::<Result<_, _>>().map(Self)
    }
    /// The key with this `kid`.
    pub fn find(&self, kid: &str) -> Option<&VerificationKey> {
        self.0.iter().find(|key| key.kid == kid)
    }
    /// Whether the key with this id is still among them.
    pub fn has(&self, id: EntityId) -> bool {
        self.0.iter().any(|key| key.id == id)
    }
}

/// A `kid` for a new key: 128 random bits in hexadecimal.
pub fn new_kid(random: &dyn crate::Random) -> String {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    Uuid::from_bytes(bytes).as_simple().to_string()
}
