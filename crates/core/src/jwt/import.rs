//! A private key given from outside, as a JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::jwk::RSA_LEN;
use super::keys::rsa_pkcs8;
use super::{Algorithm, KeyError};

/// The longest `kid` that is taken over.
const MAX_KID_LEN: usize = 128;

/// A private key read from a JWK.
pub struct ImportedKey {
    /// Its own `kid`, if it has one of 1 to 128 printable characters.
    pub kid: Option<String>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS #8 in DER, to be sealed.
    pub pkcs8: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct PrivateJwk {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(flatten)]
    parts: Parts,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Parts {
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String, d: Zeroizing<String> },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String, d: Zeroizing<String> },
    #[serde(rename = "RSA")]
    Rsa(RsaParts),
}

/// RFC 7518 §6.3.2; the numbers for the Chinese remainder theorem are needed too.
#[derive(Deserialize)]
struct RsaParts {
    n: String,
    e: String,
    d: Zeroizing<String>,
    p: Zeroizing<String>,
    q: Zeroizing<String>,
    dp: Zeroizing<String>,
    dq: Zeroizing<String>,
    qi: Zeroizing<String>,
}

/// Reads a private JWK: `EC` on `P-256`, `OKP` on `Ed25519`, or `RSA` of 2048 to 4096 bits.
///
/// # Errors
/// [`KeyError::Private`] if it is anything else, its `alg` says otherwise, or its two halves do not belong together.
pub fn private_jwk(text: &str) -> Result<ImportedKey, KeyError> {
    let jwk: PrivateJwk = serde_json::from_str(text).map_err(|_| KeyError::Private)?;
    let (algorithm, pkcs8) = match &jwk.parts {
        Parts::Ec { crv, x, y, d } if crv == "P-256" => {
            // SEC 1 §2.3.3: an uncompressed point.
            let mut point = vec![4_u8];
            point.extend_from_slice(&bytes(x)?);
            point.extend_from_slice(&bytes(y)?);
            let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &bytes(d)?, &point)
                .map_err(|_| KeyError::Private)?;
            let document = pair.to_pkcs8v1().map_err(|_| KeyError::Private)?;
            (Algorithm::Es256, Zeroizing::new(document.as_ref().to_vec()))
        }
        Parts::Okp { crv, x, d } if crv == "Ed25519" => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&bytes(d)?, &bytes(x)?)
                .map_err(|_| KeyError::Private)?;
            let document = pair.to_pkcs8v1().map_err(|_| KeyError::Private)?;
            (Algorithm::EdDsa, Zeroizing::new(document.as_ref().to_vec()))
        }
        Parts::Rsa(parts) => (Algorithm::Rs256, rsa(parts)?),
        Parts::Ec { .. } | Parts::Okp { .. } => return Err(KeyError::Private),
    };
    if jwk.alg.as_deref().is_some_and(|alg| alg != algorithm.as_str()) {
        return Err(KeyError::Private);
    }
    let fits = |kid: &String| {
        !kid.is_empty() && kid.len() <= MAX_KID_LEN && kid.bytes().all(|b| b.is_ascii_graphic())
    };
    Ok(ImportedKey { kid: jwk.kid.filter(fits), algorithm, pkcs8 })
}

fn bytes(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| KeyError::Private)
}

fn rsa(parts: &RsaParts) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let n = bytes(&parts.n)?;
    if !RSA_LEN.contains(&n.len()) {
        return Err(KeyError::Private);
    }
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e: bytes(&parts.e)? },
        d: bytes(&parts.d)?,
        p: bytes(&parts.p)?,
        q: bytes(&parts.q)?,
        dP: bytes(&parts.dp)?,
        dQ: bytes(&parts.dq)?,
        qInv: bytes(&parts.qi)?,
    };
    let pair = RsaKeyPair::from_components(&components).map_err(|_| KeyError::Private)?;
    rsa_pkcs8(&pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{PublicKey, SigningKey};

    #[test]
    fn a_private_jwk_is_read_and_signs_as_its_public_half_says() {
        // RFC 8037 appendix A.1.
        let text = r#"{"kty":"OKP","crv":"Ed25519","kid":"own",
            "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = private_jwk(text).unwrap();
        assert_eq!(key.algorithm, Algorithm::EdDsa);
        let signing = SigningKey::from_pkcs8("own", key.algorithm, &key.pkcs8).unwrap();
        let PublicKey::Okp { x, .. } = signing.public_jwk().unwrap().key else { unreachable!() };
        assert_eq!(x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    #[test]
    fn a_p256_jwk_is_read() {
        // RFC 7517 appendix A.2.
        let text = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
        let key = private_jwk(text).unwrap();
        let signing = SigningKey::from_pkcs8("k", key.algorithm, &key.pkcs8).unwrap();
        let PublicKey::Ec { x, .. } = signing.public_jwk().unwrap().key else { unreachable!() };
        assert_eq!(x, "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let text = r#"{"kty":"OKP","crv":"Ed25519",
            "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}"#;
        assert!(private_jwk(text).is_err());
        assert!(private_jwk(r#"{"kty":"oct","k":"AAAA"}"#).is_err());
    }
}
