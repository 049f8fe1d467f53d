//! ID tokens (OpenID Connect Core §2): who signed in, for one client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, VerificationKey};
use crate::clock::Duration;
use crate::ids::{ClientId, OwnerId, SessionId};

/// The `typ` header of an ID token. Access tokens have another, so that neither passes for the other.
pub const ID_TOKEN_TYPE: &str = "JWT";
/// How long an ID token may be accepted after it was issued.
pub const ID_TOKEN_LIFETIME: Duration = Duration::minutes(60);

/// The claims of an ID token. What the user is called is told by the userinfo endpoint alone (OpenID Connect Core §5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdClaims {
    /// Issuer: the portal's public URL.
    pub iss: String,
    /// Subject: the person.
    pub sub: OwnerId,
    /// Audience: the client.
    pub aud: ClientId,
    /// Expiry, in seconds since the epoch.
    pub exp: i64,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// When the person signed in, in seconds since the epoch.
    pub auth_time: i64,
    /// As the client asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the access token beside it hashes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// How the person signed in (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The browser session (OpenID Connect Front-Channel Logout §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
}

/// The `at_hash` of an access token (OpenID Connect Core §3.1.3.6): the left half of its hash, by the hash of the ID
/// token's algorithm; for Ed25519 that is SHA-512.
pub fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Es256 => left_half(&Sha256::digest(access_token.as_bytes())),
        Algorithm::EdDsa => left_half(&Sha512::digest(access_token.as_bytes())),
    }
}

fn left_half(digest: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest.get(..digest.len() / 2).unwrap_or_default())
}

/// The `kid` that a JWT names, if it has the form of one.
pub fn kid_of(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// The claims of an ID token of `issuer` that `key` signed, however old: as a hint of whom a client means (OpenID Connect
/// Core §3.1.2.1, RP-Initiated Logout §2). `None` for anything else.
pub fn verify_id_token_hint(token: &str, key: &VerificationKey, issuer: &str) -> Option<IdClaims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let is_id_token = header.typ.as_deref() == Some(ID_TOKEN_TYPE);
    let is_key = header.kid.as_deref() == Some(key.kid.as_str());
    if header.crit.is_some() || !is_id_token || !is_key || header.alg != key.algorithm.to_jsonwebtoken() {
        return None;
    }
    let mut rules = Validation::new(header.alg);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let claims = jsonwebtoken::decode::<IdClaims>(token, &key.decoding, &rules).ok()?.claims;
    (claims.iss == issuer).then_some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::jwt::{SigningKey, generate_key};
    use crate::random::SeededRandom;

    fn claims() -> IdClaims {
        let random = SeededRandom::new(1);
        IdClaims {
            iss: "https://keys.example.com".into(),
            sub: OwnerId::new(Timestamp::default(), &random),
            aud: ClientId::new(Timestamp::default(), &random),
            exp: 60,
            iat: 0,
            auth_time: 0,
            nonce: Some("n".into()),
            at_hash: None,
            amr: vec!["pwd".into()],
            sid: None,
        }
    }

    #[test]
    fn the_hash_of_openid_connect_core_appendix_a_3_comes_out() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(Algorithm::EdDsa, token).len(), 43);
    }

    #[test]
    fn a_hint_is_an_id_token_of_this_issuer_and_key() {
        for algorithm in Algorithm::ALL {
            let der = generate_key(algorithm).unwrap();
            let key = SigningKey::from_pkcs8("k", algorithm, &der).unwrap();
            let public = VerificationKey::from_jwk(&key.public_jwk().unwrap()).unwrap();
            let token = key.sign_as(ID_TOKEN_TYPE, &claims()).unwrap();
            let hint = |token: &str, issuer: &str| verify_id_token_hint(token, &public, issuer);
            assert_eq!(hint(&token, "https://keys.example.com"), Some(claims()), "{algorithm:?}");
            assert_eq!(kid_of(&token).as_deref(), Some("k"));
            assert_eq!(hint(&token, "https://elsewhere.example"), None);
            let other = key.sign_as("at+jwt", &claims()).unwrap();
            assert_eq!(hint(&other, "https://keys.example.com"), None);
            let another = SigningKey::from_pkcs8("k", algorithm, &generate_key(algorithm).unwrap()).unwrap();
            let forged = another.sign_as(ID_TOKEN_TYPE, &claims()).unwrap();
            assert_eq!(hint(&forged, "https://keys.example.com"), None);
        }
    }
}
