use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::jwt::{self, ID_TOKEN_TYPE, SigningKey, generate_key};
use crate::outside::{ScopeRule, claimed_issuer};

pub(in crate::outside) const API: &str = "https://api.example.com";
const ISSUER: &str = "https://login.example";

/// Trusted to sign with everything.
pub(in crate::outside) fn issuer() -> TrustedIssuer {
    let rule = |when: &str, grant: &str| ScopeRule { when: when.into(), grant: grant.parse().unwrap() };
    TrustedIssuer {
        issuer: ISSUER.into(),
        audience: API.parse().unwrap(),
        typ: "at+jwt".into(),
        algorithms: SignedWith::ALL.to_vec(),
        jwks_uri: None,
        introspection: None,
        api: API.parse().unwrap(),
        rules: vec![rule("read", "notes:read"), rule("write", "notes:write")],
    }
}

pub(in crate::outside) fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ada", "aud": API, "exp": 1_700_000_600, "iat": 1_700_000_000, "scope": "read x" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn key(kid: &str, algorithm: jwt::Algorithm) -> (SigningKey, IssuerKeys) {
    let key = SigningKey::from_pkcs8(kid, algorithm, &generate_key(algorithm).unwrap()).unwrap();
    let set = json!({ "keys": [key.public_jwk().unwrap()] });
    (key, IssuerKeys::read(set.to_string().as_bytes()).unwrap())
}

fn verify_of(issuer: &TrustedIssuer, token: &str, keys: &IssuerKeys) -> Result<OutsideToken, OutsideError> {
    Candidate::read(token, issuer)?.verified_by(keys)
}

fn verify(token: &str, keys: &IssuerKeys) -> Result<OutsideToken, OutsideError> {
    verify_of(&issuer(), token, keys)
}

#[test]
fn a_token_of_each_algorithm_is_good_where_it_is_accepted() {
    for (signed, accepted) in [
        (jwt::Algorithm::Es256, SignedWith::Es256),
        (jwt::Algorithm::EdDsa, SignedWith::EdDsa),
        (jwt::Algorithm::Rs256, SignedWith::Rs256),
    ] {
        let (key, keys) = key("1", signed);
        let token = key.sign_as("at+jwt", &claims()).unwrap();
        let good = verify(&token, &keys).unwrap();
        assert_eq!((good.subject.as_str(), good.scopes.to_string().as_str()), ("ada", "notes:read"));
        assert_eq!(good.expires_at, Timestamp::from_seconds(1_700_000_600));
        assert_eq!(good.not_before, Timestamp::from_seconds(1_700_000_000) - LEEWAY);
        assert_eq!(claimed_issuer(&token).as_deref(), Some(ISSUER));
        let one = |algorithm| TrustedIssuer { algorithms: vec![algorithm], ..issuer() };
        assert!(verify_of(&one(accepted), &token, &keys).is_ok());
        for other in SignedWith::ALL.into_iter().filter(|other| *other != accepted) {
            assert_eq!(verify_of(&one(other), &token, &keys), Err(OutsideError::Algorithm));
        }
    }
}

#[test]
fn rsa_signatures_of_either_padding_are_told_apart() {
    let der = generate_key(jwt::Algorithm::Rs256).unwrap();
    let signer = SigningKey::from_pkcs8("1", jwt::Algorithm::Rs256, &der).unwrap();
    let mut public = serde_json::to_value(signer.public_jwk().unwrap()).unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(&*der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::PS256);
    header.typ = Some("at+jwt".into());
    header.kid = Some("1".into());
    let token = jsonwebtoken::encode(&header, &claims(), &private).unwrap();
    let keys = |public: &Value| IssuerKeys::read(json!({ "keys": [public] }).to_string().as_bytes()).unwrap();
    assert_eq!(verify(&token, &keys(&public)), Err(OutsideError::UnknownKey), "the key is for RS256");
    public.as_object_mut().unwrap().remove("alg");
    assert!(verify(&token, &keys(&public)).is_ok());
}

#[test]
fn issuer_audience_type_and_key_are_pinned() {
    let (key, keys) = key("1", jwt::Algorithm::Es256);
    let of = |claims: &Value| verify(&key.sign_as("at+jwt", claims).unwrap(), &keys);
    assert_eq!(of(&with("iss", json!("https://login.example/"))), Err(OutsideError::WrongIssuer));
    assert_eq!(of(&with("aud", json!("client-1"))), Err(OutsideError::WrongAudience));
    assert_eq!(of(&with("aud", json!([]))), Err(OutsideError::WrongAudience));
    assert!(of(&with("aud", json!(["https://other.example", API]))).is_ok());
    for typ in ["JWT", "at+jwtx", "", "dpop+jwt", "logout+jwt"] {
        let token = key.sign_as(typ, &claims()).unwrap();
        assert_eq!(verify(&token, &keys), Err(OutsideError::WrongType), "{typ}");
    }
    assert!(verify(&key.sign_as("application/AT+JWT", &claims()).unwrap(), &keys).is_ok());
    let (_, others) = self::key("2", jwt::Algorithm::Es256);
    let token = key.sign_as("at+jwt", &claims()).unwrap();
    assert_eq!(verify(&token, &others), Err(OutsideError::UnknownKey));
    let (_, same_name) = self::key("1", jwt::Algorithm::Es256);
    assert_eq!(verify(&token, &same_name), Err(OutsideError::BadSignature));
}

#[test]
fn headers_that_name_keys_count_for_nothing() {
    let (key, keys) = key("1", jwt::Algorithm::Es256);
    let sign = |header: Value| verify(&key.sign_parts(&header, &claims()).unwrap(), &keys);
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "1" });
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        sign(header)
    };
    assert!(with("jku", json!("https://evil.example/jwks")).is_ok());
    assert_eq!(with("crit", json!(["exp"])), Err(OutsideError::Malformed));
    assert_eq!(with("kid", Value::Null), Err(OutsideError::UnknownKey));
    assert_eq!(with("kid", json!("")), Err(OutsideError::UnknownKey));
    for alg in ["none", "HS256", "ES384", "es256"] {
        assert_eq!(with("alg", json!(alg)), Err(OutsideError::Algorithm), "{alg}");
    }
    let (attacker, _) = self::key("1", jwt::Algorithm::Es256);
    let own = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "1", "jwk": attacker.public_jwk().unwrap() });
    let forged = attacker.sign_parts(&own, &claims()).unwrap();
    assert_eq!(verify(&forged, &keys), Err(OutsideError::BadSignature));
}

#[test]
fn an_id_token_of_a_trusted_issuer_opens_nothing() {
    let (key, keys) = key("1", jwt::Algorithm::Es256);
    // Even where the issuer's access tokens have the type of its ID tokens, and the audience were ours.
    let trusting = TrustedIssuer { typ: ID_TOKEN_TYPE.into(), ..issuer() };
    assert!(verify_of(&trusting, &key.sign_as("JWT", &claims()).unwrap(), &keys).is_ok());
    for name in ["nonce", "at_hash", "c_hash", "s_hash", "events"] {
        let token = key.sign_as("JWT", &with(name, json!("x"))).unwrap();
        assert_eq!(verify_of(&trusting, &token, &keys), Err(OutsideError::IdToken), "{name}");
        let token = key.sign_as("at+jwt", &with(name, json!("x"))).unwrap();
        assert_eq!(verify(&token, &keys), Err(OutsideError::IdToken), "{name}");
    }
    let usual = key.sign_as("JWT", &with("aud", json!("client-1"))).unwrap();
    assert_eq!(verify_of(&trusting, &usual, &keys), Err(OutsideError::WrongAudience));
}

#[test]
fn missing_and_absurd_claims_are_refused() {
    let (key, keys) = key("1", jwt::Algorithm::Es256);
    let of = |claims: &Value| verify(&key.sign_as("at+jwt", claims).unwrap(), &keys);
    for name in ["iss", "sub", "aud", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(of(&without), Err(OutsideError::Malformed), "{name}");
    }
    for (name, value) in [
        ("exp", json!(-1)),
        ("exp", json!(1e20)),
        ("exp", json!("soon")),
        ("iat", json!(-1)),
        ("nbf", json!(1e300)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(MAX_SUBJECT_LEN + 1))),
        ("scope", json!(["read"])),
    ] {
        assert_eq!(of(&with(name, value.clone())), Err(OutsideError::Malformed), "{name} {value}");
    }
    let later = of(&with("nbf", json!(1_700_000_300))).unwrap();
    assert_eq!(later.not_before, Timestamp::from_seconds(1_700_000_300) - LEEWAY);
    let long = key.sign_as("at+jwt", &with("x", json!("x".repeat(MAX_LEN)))).unwrap();
    assert_eq!(verify(&long, &keys), Err(OutsideError::Malformed));
    assert_eq!(claimed_issuer(&long), None);
    for bad in ["", "a", "a.b", "a.b.c", "a.b.c.d", "é.é.é"] {
        assert_eq!(verify(bad, &keys), Err(OutsideError::Malformed), "{bad}");
        assert_eq!(claimed_issuer(bad), None, "{bad}");
    }
    let twice = format!(
        "{}.{}.x",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"at+jwt","kid":"1"}"#),
        URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{ISSUER}","iss":"https://other.example"}}"#))
    );
    assert_eq!((claimed_issuer(&twice), verify(&twice, &keys)), (None, Err(OutsideError::Malformed)));
}

#[test]
fn a_bound_token_stays_bound() {
    let (key, keys) = key("1", jwt::Algorithm::Es256);
    let of = |cnf: Value| verify(&key.sign_as("at+jwt", &with("cnf", cnf)).unwrap(), &keys);
    let jkt = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(of(json!({ "jkt": jkt })).unwrap().bound_to, Some(jkt.parse().unwrap()));
    for other in [
        json!({ "x5t#S256": jkt }),
        json!({ "jkt": jkt, "x5t#S256": jkt }),
        json!({ "jkt": "short" }),
        json!({}),
        json!("x"),
    ] {
        assert_eq!(of(other.clone()), Err(OutsideError::Binding), "{other}");
    }
}
