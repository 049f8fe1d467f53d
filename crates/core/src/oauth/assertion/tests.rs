use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::jwt::{self, SigningKey, generate_key};

const CLIENT: &str = "01a20c9b-777c-7000-8000-000000000000";
const ISSUER: &str = "https://keys.example.com";
const TOKEN: &str = "https://keys.example.com/oauth/token";
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn claims() -> Value {
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": 1_700_000_060, "iat": 1_700_000_000, "jti": "once" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn key(algorithm: jwt::Algorithm) -> (SigningKey, ClientKeys) {
    let key = SigningKey::from_pkcs8("1", algorithm, &generate_key(algorithm).unwrap()).unwrap();
    let keys = ClientKeys::from_json(&json!({ "keys": [key.public_jwk().unwrap()] })).unwrap();
    (key, keys)
}

fn check(assertion: &str, keys: &ClientKeys) -> Result<Assertion, AssertionError> {
    verify_assertion(assertion, keys, CLIENT, &[ISSUER, TOKEN], NOW)
}

#[test]
fn an_assertion_of_the_clients_own_key_proves_it() {
    for algorithm in jwt::Algorithm::ALL {
        let (key, keys) = key(algorithm);
        for aud in [json!(ISSUER), json!(TOKEN), json!([ISSUER]), json!([ISSUER, TOKEN])] {
            let assertion = key.sign_as("JWT", &with("aud", aud)).unwrap();
            let proven = check(&assertion, &keys).unwrap();
            assert_eq!(
                proven,
                Assertion { jti: "once".into(), expires_at: Timestamp::from_seconds(1_700_000_060) }
            );
            assert_eq!(claimed_client(&assertion).as_deref(), Some(CLIENT));
        }
        let named = key.sign_as("client-authentication+jwt", &claims()).unwrap();
        assert!(check(&named, &keys).is_ok());
    }
}

#[test]
fn ed25519_may_be_called_by_either_of_its_names() {
    let (key, _) = key(jwt::Algorithm::EdDsa);
    let mut public = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
    for registered in ["EdDSA", "Ed25519"] {
        public["alg"] = json!(registered);
        let keys = ClientKeys::from_json(&json!({ "keys": [public] })).unwrap();
        for alg in ["EdDSA", "Ed25519"] {
            let assertion = key.sign_parts(&json!({ "alg": alg }), &claims()).unwrap();
            assert!(check(&assertion, &keys).is_ok(), "{registered}, {alg}");
        }
        let assertion = key.sign_parts(&json!({ "alg": "ES256" }), &claims()).unwrap();
        assert_eq!(check(&assertion, &keys), Err(AssertionError::Signature));
    }
}

#[test]
fn another_key_type_or_algorithm_proves_nothing() {
    let (ours, keys) = key(jwt::Algorithm::Es256);
    let (theirs, _) = key(jwt::Algorithm::Es256);
    let sign = |key: &SigningKey, typ| key.sign_as(typ, &claims()).unwrap();
    assert!(check(&sign(&ours, "jwt"), &keys).is_ok());
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt"] {
        assert_eq!(check(&sign(&ours, typ), &keys), Err(AssertionError::Signature), "{typ}");
    }
    assert_eq!(check(&sign(&theirs, "JWT"), &keys), Err(AssertionError::Signature));
    let public = ours.public_jwk().unwrap();
    let shared = EncodingKey::from_secret(serde_json::to_string(&public).unwrap().as_bytes());
    let shared = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &shared).unwrap();
    assert_eq!(check(&shared, &keys), Err(AssertionError::Signature));
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(claims().to_string())
    );
    for text in [unsigned.as_str(), "", "a.b.c", "a"] {
        assert_eq!(check(text, &keys), Err(AssertionError::Signature), "{text}");
    }
}

#[test]
fn every_claim_is_checked() {
    let (key, keys) = key(jwt::Algorithm::EdDsa);
    let cases = [
        (with("iss", json!("other")), AssertionError::Party),
        (with("sub", json!("other")), AssertionError::Party),
        (with("aud", json!("https://other.example")), AssertionError::Audience),
        (with("aud", json!([ISSUER, "https://other.example"])), AssertionError::Audience),
        (with("aud", json!([])), AssertionError::Audience),
        (with("aud", json!(format!("{ISSUER}/"))), AssertionError::Audience),
        (with("exp", json!(1_700_000_000)), AssertionError::Expired),
        (with("exp", json!(1_700_003_661)), AssertionError::TooLong),
        (with("exp", json!(1e300)), AssertionError::Claims),
        (with("exp", json!("soon")), AssertionError::Claims),
        (with("exp", Value::Null), AssertionError::Claims),
        (with("iat", json!(1_700_000_061)), AssertionError::NotYet),
        (with("nbf", json!(1_700_000_061)), AssertionError::NotYet),
        (with("jti", json!("")), AssertionError::Claims),
        (with("jti", json!("x".repeat(257))), AssertionError::Claims),
        (with("jti", Value::Null), AssertionError::Claims),
    ];
    for (claims, error) in cases {
        let assertion = key.sign_as("JWT", &claims).unwrap();
        assert_eq!(check(&assertion, &keys), Err(error), "{claims}");
    }
    for good in
        [with("exp", json!(1_700_003_600.5)), with("nbf", json!(1_700_000_060)), with("iat", Value::Null)]
    {
        assert!(check(&key.sign_as("JWT", &good).unwrap(), &keys).is_ok(), "{good}");
    }
}
