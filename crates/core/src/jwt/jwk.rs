//! Public keys as JSON (RFC 7517): those of this portal as it publishes them, and those of clients as they give them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Algorithm, KeyError, Thumbprint};

/// How long an RSA modulus may be, in bytes: at least 2048 bits (RFC 7518 §3.3), and not so long that using it takes
/// long.
pub(super) const RSA_LEN: std::ops::RangeInclusive<usize> = 256..=512;

/// The algorithm that a client's `alg` names. RFC 9864 §2.2 calls `Ed25519` what RFC 8037 calls `EdDSA`; both are in
/// use.
pub(crate) fn algorithm_named(alg: &str) -> Option<jsonwebtoken::Algorithm> {
    match alg {
        "Ed25519" => Some(jsonwebtoken::Algorithm::EdDSA),
        _ => alg.parse().ok(),
    }
}

/// The parameters of a public key, without its name and use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum PublicKey {
    /// On an elliptic curve (RFC 7518 §6.2); `P-256` alone is used here.
    #[serde(rename = "EC")]
    Ec {
        /// The curve.
        crv: String,
        /// The point's x coordinate, base64url.
        x: String,
        /// The point's y coordinate, base64url.
        y: String,
    },
    /// Octet key pair (RFC 8037 §2); `Ed25519` alone is used here.
    #[serde(rename = "OKP")]
    Okp {
        /// The curve.
        crv: String,
        /// The public key, base64url.
        x: String,
    },
    /// RSA (RFC 7518 §6.3), of 2048 to 4096 bits.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus, base64url.
        n: String,
        /// The exponent, base64url.
        e: String,
    },
}

impl PublicKey {
    /// Ready to verify what was signed with `algorithm`.
    ///
    /// # Errors
    /// [`KeyError::Public`] if it is no key for that algorithm, or cannot be read.
    pub fn decoding(&self, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
        self.verifying(algorithm.to_jsonwebtoken())
    }

    /// The same for what others sign with: RSA with PSS too.
    ///
    /// # Errors
    /// As [`PublicKey::decoding`].
    pub(crate) fn verifying(&self, algorithm: jsonwebtoken::Algorithm) -> Result<DecodingKey, KeyError> {
        use jsonwebtoken::Algorithm as Alg;
        let key = match (algorithm, self) {
            (Alg::ES256, Self::Ec { crv, x, y }) if crv == "P-256" => DecodingKey::from_ec_components(x, y),
            (Alg::EdDSA, Self::Okp { crv, x }) if crv == "Ed25519" => DecodingKey::from_ed_components(x),
            (Alg::RS256 | Alg::PS256, Self::Rsa { n, e }) if rsa_length_is_good(n) => {
                DecodingKey::from_rsa_components(n, e)
            }
            _ => return Err(KeyError::Public),
        };
        key.map_err(|_| KeyError::Public)
    }

    /// Its thumbprint: SHA-256 over the required members in lexicographic order, without white space (RFC 7638 §3).
    pub fn thumbprint(&self) -> Thumbprint {
        // The values are base64url and curve names wherever a key can be used: nothing in them needs escaping, and a
        // text that does is no key of anybody's.
        let canonical = match self {
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        Thumbprint::from_bytes(Sha256::digest(canonical.as_bytes()).into())
    }
}

fn rsa_length_is_good(n: &str) -> bool {
    URL_SAFE_NO_PAD.decode(n).is_ok_and(|bytes| RSA_LEN.contains(&bytes.len()))
}

/// A public key of this portal as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The key itself.
    #[serde(flatten)]
    pub key: PublicKey,
    /// Its name.
    pub kid: String,
    /// The one algorithm that it is used with.
    pub alg: Algorithm,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// A JWK set (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1_comes_out() {
        let text = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let key: PublicKey = serde_json::from_str(text).unwrap();
        assert_eq!(key.thumbprint().to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert!(key.decoding(Algorithm::Rs256).is_ok());
        assert!(key.decoding(Algorithm::Es256).is_err());
    }

    #[test]
    fn a_short_rsa_key_is_refused() {
        let key = PublicKey::Rsa { n: URL_SAFE_NO_PAD.encode([0xff; 128]), e: "AQAB".into() };
        assert!(key.decoding(Algorithm::Rs256).is_err());
    }
}
