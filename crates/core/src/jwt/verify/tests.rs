use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::facts::Subject;
use crate::ids::{ClientId, EntityId, OwnerId, TokenId};
use crate::jwt::{Algorithm, Jwks, SigningKey, generate_key};
use crate::random::SeededRandom;

const ISSUER: &str = "http://localhost:8080";

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8("k1", algorithm, &generate_key(algorithm).unwrap()).unwrap()
}

fn keys(key: &SigningKey) -> VerificationKeys {
    VerificationKeys::from_jwks(&Jwks { keys: vec![key.public_jwk().unwrap()] }).unwrap()
}

fn claims() -> AccessClaims {
    let (now, random) = (Timestamp::from_seconds(1_795_000_000), SeededRandom::new(3));
    let owner = OwnerId::new(now, &random);
    serde_json::from_value(json!({
        "iss": ISSUER, "sub": owner.to_string(), "aud": "http://localhost:8081",
        "exp": 1_795_000_900, "iat": 1_795_000_000, "jti": TokenId::new(now, &random).to_string(),
        "client_id": "keyway-cli", "scope": "notes:read",
        "keyway": {
            "pos": 12, "own": owner, "anc": [owner.entity()], "env": "live",
            "root": EntityId::new(now, &random), "lim": "600/min burst=100", "shared": "off",
        },
    }))
    .unwrap()
}

/// The parts of `token` put together again after `change` had its way with header and claims, signature kept.
fn forged(token: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let mut parts = token.split('.');
    let mut part = || -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap()
    };
    let (mut header, mut body) = (part(), part());
    change(&mut header, &mut body);
    let encode = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
    format!("{}.{}.{}", encode(&header), encode(&body), token.rsplit('.').next().unwrap())
}

#[test]
fn a_token_of_either_algorithm_verifies() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = key(algorithm);
        let token = key.sign(&claims()).unwrap();
        let verified = verify(&token, &keys(&key), ISSUER).unwrap();
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.position, Position(12));
        assert_eq!(verified.facts.client, Some(ClientId::CLI));
        assert!(matches!(verified.facts.subject, Subject::Owner(_)));
    }
}

#[test]
fn alg_none_is_refused() {
    let key = key(Algorithm::Es256);
    let token = forged(&key.sign(&claims()).unwrap(), |header, _| header["alg"] = json!("none"));
    assert_eq!(verify(&token, &keys(&key), ISSUER), Err(JwtError::Malformed));
}

#[test]
fn an_hmac_with_the_public_key_is_refused() {
    let key = key(Algorithm::Es256);
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some(TOKEN_TYPE.into());
    header.kid = Some("k1".into());
    let public = serde_json::to_vec(&key.public_jwk().unwrap()).unwrap();
    let secret = jsonwebtoken::EncodingKey::from_secret(&public);
    let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(verify(&token, &keys(&key), ISSUER), Err(JwtError::BadSignature));
}

#[test]
fn another_keys_algorithm_or_signature_is_refused() {
    let (ours, theirs) = (key(Algorithm::Es256), key(Algorithm::EdDsa));
    let token = theirs.sign(&claims()).unwrap();
    assert_eq!(verify(&token, &keys(&ours), ISSUER), Err(JwtError::BadSignature));
    let token = key(Algorithm::Es256).sign(&claims()).unwrap();
    assert_eq!(verify(&token, &keys(&ours), ISSUER), Err(JwtError::BadSignature));
}

#[test]
fn changed_claims_are_refused() {
    let key = key(Algorithm::EdDsa);
    let token = forged(&key.sign(&claims()).unwrap(), |_, body| body["scope"] = json!("notes:delete"));
    assert_eq!(verify(&token, &keys(&key), ISSUER), Err(JwtError::BadSignature));
}

#[test]
fn type_issuer_key_and_crit_are_pinned() {
    let key = key(Algorithm::Es256);
    let (token, keys) = (key.sign(&claims()).unwrap(), keys(&key));
    let with = |change: fn(&mut Value, &mut Value)| verify(&forged(&token, change), &keys, ISSUER);
    assert_eq!(with(|header, _| header["typ"] = json!("JWT")), Err(JwtError::WrongType));
    assert_eq!(with(|header, _| header["kid"] = json!("k2")), Err(JwtError::UnknownKey));
    assert_eq!(with(|header, _| header["crit"] = json!(["exp"])), Err(JwtError::Malformed));
    assert_eq!(verify(&token, &keys, "http://elsewhere"), Err(JwtError::WrongIssuer));
}
