//! Signing keys: their states, how they are made, and their public halves.

use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccessClaims, Jwk, Jwks, PublicKey, TOKEN_TYPE};
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
    /// RSA of 2048 bits, PKCS #1 v1.5, with SHA-256: what every OpenID Connect client verifies.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];
    /// As in the `alg` header (RFC 7518 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
    pub(super) const fn to_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            _ => Err(UnknownName),
        }
    }
}

/// What a key signs. Each purpose has a line of keys of its own: one that signs, one that will, and those that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Access tokens (RFC 9068): one line, whatever the algorithm of each of its keys.
    AccessToken,
    /// ID tokens and logout tokens: a line for each algorithm, as each client registered for its own.
    IdToken(Algorithm),
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::AccessToken,
        Self::IdToken(Algorithm::Rs256),
        Self::IdToken(Algorithm::Es256),
        Self::IdToken(Algorithm::EdDsa),
    ];
    /// As stored and shown; the algorithm stands beside it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::IdToken(_) => "id_token",
        }
    }
    /// The algorithms that keys of its line may have.
    pub fn algorithms(self) -> Vec<&'static str> {
        match self {
            Self::AccessToken => Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect(),
            Self::IdToken(algorithm) => vec![algorithm.as_str()],
        }
    }
    /// From its name and the key's algorithm.
    ///
    /// # Errors
    /// [`UnknownName`] if there is no such purpose.
    pub fn named(name: &str, algorithm: Algorithm) -> Result<Self, UnknownName> {
        match name {
            "access_token" => Ok(Self::AccessToken),
            "id_token" => Ok(Self::IdToken(algorithm)),
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

/// Makes a private key: PKCS #8 in DER, to be sealed. An RSA key takes a tenth of a second and more.
///
/// # Errors
/// [`KeyError::Signing`] if it cannot be made.
pub fn generate_key(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let document = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng),
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&rng),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Signing)?;
            return rsa_pkcs8(&pair);
        }
    };
    document.map(|d| Zeroizing::new(d.as_ref().to_vec())).map_err(|_| KeyError::Signing)
}

/// An RSA key pair as PKCS #8 in DER.
pub(super) fn rsa_pkcs8(pair: &RsaKeyPair) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let document = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| KeyError::Private)?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// jsonwebtoken takes an RSA key out of PKCS #8 only where it comes as PEM (RFC 7468).
fn rsa_encoding(der: &[u8]) -> Result<EncodingKey, KeyError> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let pem = Zeroizing::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64.as_str()
    ));
    EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::Private)
}

impl SigningKey {
    /// From PKCS #8 in DER.
    ///
    /// # Errors
    /// [`KeyError::Private`] if it is no key for `algorithm`.
    pub fn from_pkcs8(kid: &str, algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let readable = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).is_ok(),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).is_ok(),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).is_ok(),
        };
        if !readable {
            return Err(KeyError::Private);
        }
        let encoding = match algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_der(der),
            Algorithm::EdDsa => EncodingKey::from_ed_der(der),
            Algorithm::Rs256 => rsa_encoding(der)?,
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
    ///
    /// # Errors
    /// [`KeyError::Private`] if it cannot be computed.
    pub fn public_jwk(&self) -> Result<Jwk, KeyError> {
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.encoding, self.algorithm.to_jsonwebtoken())
            .map_err(|_| KeyError::Private)?;
        let key = match jwk.algorithm {
            AlgorithmParameters::EllipticCurve(p) => PublicKey::Ec { crv: "P-256".into(), x: p.x, y: p.y },
            AlgorithmParameters::OctetKeyPair(p) => PublicKey::Okp { crv: "Ed25519".into(), x: p.x },
            AlgorithmParameters::RSA(p) => PublicKey::Rsa { n: p.n, e: p.e },
            _ => return Err(KeyError::Private),
        };
        Ok(Jwk { key, kid: self.kid.to_string(), alg: self.algorithm, usage: "sig".into() })
    }

    /// Signs an access token (RFC 9068).
    ///
    /// # Errors
    /// [`KeyError::Signing`] if it cannot.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, KeyError> {
        self.sign_as(TOKEN_TYPE, claims)
    }

    /// Signs claims of another kind, named by the header `typ` (RFC 8725 §3.11).
    ///
    /// # Errors
    /// [`KeyError::Signing`] if it cannot.
    pub fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut header = Header::new(self.algorithm.to_jsonwebtoken());
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.to_string());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| KeyError::Signing)
    }

    /// Signs `claims` under a header of the caller's making.
    pub(crate) fn sign_parts(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let algorithm = self.algorithm.to_jsonwebtoken();
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, algorithm);
        Ok(format!("{signed}.{}", signature.map_err(|_| KeyError::Signing)?))
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
        let decoding = jwk.key.decoding(jwk.alg)?;
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
