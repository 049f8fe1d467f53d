use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use keyway_core::Duration;

use super::*;

fn fault(identity: Result<Identity, ProviderError>) -> IdTokenFault {
    match identity.unwrap_err() {
        ProviderError::BadIdToken(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn somebody_signs_in() {
    let op = Op::new().await;
    let ada = op.sign_in(|_| {}).await.unwrap();
    assert_eq!((ada.issuer.as_str(), ada.subject.as_str()), (op.uri().as_str(), "ada-1"));
    assert_eq!((ada.account.as_str(), ada.name.as_deref()), ("ada", Some("Ada Lovelace")));
    let email = ada.email.unwrap();
    assert_eq!((email.address.as_str(), email.verified), ("ada@example.com", true));
    assert_eq!(ada.scopes, ["openid", "profile", "email"]);
    // Nobody asked for them to be kept.
    assert!(ada.tokens.is_none());
    assert_eq!(op.asked("/me").await, 0);
    let form = op.form("/token").await;
    let sent = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((sent("code"), sent("redirect_uri")), (Some("code-1"), Some(BACK)));
    assert_eq!(sent("code_verifier").map(str::len), Some(43));
}

#[tokio::test]
async fn the_request_carries_state_nonce_and_an_s256_challenge() {
    use keyway_core::oauth::pkce::Challenge;
    let op = Op::new().await;
    let asked = Asked { max_age_zero: true, login_hint: Some("ada@example.com".into()) };
    let Start { url, secrets } = op.start_with(&op.provider(), asked).await;
    assert!(url.starts_with(&format!("{}/authorize?", op.uri())));
    assert_eq!(param(&url, "state").as_deref(), Some(secrets.state.expose()));
    assert_eq!(param(&url, "nonce").as_deref(), Some(secrets.nonce.expose()));
    assert_eq!(param(&url, "code_challenge_method").as_deref(), Some("S256"));
    let challenge = Challenge::parse(&param(&url, "code_challenge").unwrap()).unwrap();
    assert!(challenge.is_met_by(secrets.verifier.expose()));
    assert_eq!(param(&url, "scope").as_deref(), Some("openid profile email"));
    assert_eq!(param(&url, "max_age").as_deref(), Some("0"));
    assert_eq!(param(&url, "login_hint").as_deref(), Some("ada@example.com"));
    assert_eq!(secrets.fresh_since, Some(op.clock.now()));
    // 256 bits each, and never the same twice.
    let again = op.start(&op.provider()).await.secrets;
    for secret in [&secrets.state, &secrets.nonce, &secrets.verifier, &again.state] {
        assert_eq!(URL_SAFE_NO_PAD.decode(secret.expose()).unwrap().len(), 32);
    }
    assert_ne!(secrets.state.expose(), again.state.expose());
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, IdTokenFault); 15] = [
        (|c| c["nonce"] = "another".into(), IdTokenFault::Nonce),
        (|c| drop(c.as_object_mut().unwrap().remove("nonce")), IdTokenFault::Nonce),
        (|c| c["iss"] = "https://elsewhere.example".into(), IdTokenFault::Issuer),
        (|c| c["iss"] = format!("{}/", c["iss"].as_str().unwrap()).into(), IdTokenFault::Issuer),
        (|c| c["aud"] = "another".into(), IdTokenFault::Audience),
        (|c| c["aud"] = json!([CLIENT, "another"]), IdTokenFault::Audience),
        (|c| drop(c.as_object_mut().unwrap().remove("aud")), IdTokenFault::Audience),
        (|c| c["azp"] = "another".into(), IdTokenFault::AuthorizedParty),
        (|c| c["aud"] = json!([CLIENT, CLIENT]), IdTokenFault::AuthorizedParty),
        (|c| c["exp"] = c["iat"].clone(), IdTokenFault::Expired),
        (|c| c["iat"] = (c["iat"].as_i64().unwrap() + 61).into(), IdTokenFault::NotYet),
        (|c| c["auth_time"] = (c["iat"].as_i64().unwrap() + 61).into(), IdTokenFault::AuthTime),
        (|c| c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into(), IdTokenFault::AccessTokenHash),
        (|c| drop(c.as_object_mut().unwrap().remove("sub")), IdTokenFault::Malformed),
        (|c| drop(c.as_object_mut().unwrap().remove("exp")), IdTokenFault::Malformed),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let op = Op::new().await;
        assert_eq!(fault(op.sign_in(change).await), expected, "case {number}");
    }
    for fine in [
        |c: &mut Value| c["azp"] = CLIENT.into(),
        |c: &mut Value| drop(c.as_object_mut().unwrap().remove("at_hash")),
    ] {
        assert!(Op::new().await.sign_in(fine).await.is_ok());
    }
}

/// A sign-in whose ID token is `forge`'s.
async fn forged(op: &Op, forge: impl FnOnce(&Value) -> String) -> Result<Identity, ProviderError> {
    let provider = op.provider();
    let start = op.start(&provider).await;
    op.gives(&forge(&op.claims(&start.secrets))).await;
    op.finish(&provider, &start.secrets, &op.back()).await
}

#[tokio::test]
async fn an_unsigned_id_token_is_refused() {
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","kid":"1"}"#, r#"{"alg":"NONE","kid":"1"}"#] {
        let op = Op::new().await;
        let unsigned = |claims: &Value| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            format!("{}.{}.", part(header), part(&claims.to_string()))
        };
        let fault = fault(forged(&op, unsigned).await);
        assert!(matches!(fault, IdTokenFault::Algorithm | IdTokenFault::Malformed), "{header}: {fault:?}");
    }
}

#[tokio::test]
async fn shared_secrets_sign_no_id_token() {
    // With the public key as the secret, and with the client's own.
    for public in [true, false] {
        let op = Op::new().await;
        let jwk = serde_json::to_vec(&op.key.public_jwk().unwrap()).unwrap();
        let secret = if public { jwk } else { b"s3cr3t".to_vec() };
        let hmac = |claims: &Value| {
            let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
            header.kid = Some("1".into());
            jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&secret)).unwrap()
        };
        assert_eq!(fault(forged(&op, hmac).await), IdTokenFault::Algorithm);
    }
}

#[tokio::test]
async fn an_algorithm_that_the_provider_does_not_name_is_refused() {
    let op = Op::silent().await;
    let key = key("ed", Algorithm::EdDsa);
    op.answers("/.well-known/openid-configuration", op.configuration()).await;
    op.answers("/jwks", json!({ "keys": [key.public_jwk().unwrap()] })).await;
    let signed = |claims: &Value| key.sign_as(ID_TOKEN_TYPE, claims).unwrap();
    assert_eq!(fault(forged(&op, signed).await), IdTokenFault::Algorithm);
}

#[tokio::test]
async fn rsa_and_ed25519_keys_verify_too() {
    for (algorithm, named) in [(Algorithm::Rs256, "RS256"), (Algorithm::EdDsa, "EdDSA")] {
        let op = Op::silent().await;
        let key = key("other", algorithm);
        let mut configuration = op.configuration();
        configuration["id_token_signing_alg_values_supported"] = json!([named]);
        op.answers("/.well-known/openid-configuration", configuration).await;
        op.answers("/jwks", json!({ "keys": [key.public_jwk().unwrap()] })).await;
        let signed = |claims: &Value| {
            let mut claims = claims.clone();
            claims["at_hash"] = at_hash(algorithm, "access-1").into();
            key.sign_as(ID_TOKEN_TYPE, &claims).unwrap()
        };
        forged(&op, signed).await.unwrap();
    }
}

#[tokio::test]
async fn anothers_signature_is_refused() {
    let op = Op::new().await;
    // The same name, another key.
    let other = key("1", Algorithm::Es256);
    let signed = |claims: &Value| other.sign_as(ID_TOKEN_TYPE, claims).unwrap();
    assert_eq!(fault(forged(&op, signed).await), IdTokenFault::Signature);
}

#[tokio::test]
async fn an_access_token_is_no_id_token() {
    let op = Op::new().await;
    let signed = |claims: &Value| op.key.sign_as("at+jwt", claims).unwrap();
    assert_eq!(fault(forged(&op, signed).await), IdTokenFault::Malformed);
    let nothing = Op::new().await;
    let gone = nothing.start(&nothing.provider()).await;
    nothing.answers("/token", json!({ "access_token": "access-1", "token_type": "Bearer" })).await;
    let identity = nothing.finish(&nothing.provider(), &gone.secrets, &nothing.back()).await;
    assert_eq!(fault(identity), IdTokenFault::Missing);
}

#[tokio::test]
async fn freshness_needs_a_recent_auth_time() {
    let cases = [
        (None, false),
        (Some(-61), false),
        (Some(-59), true),
        (Some(0), true),
        (Some(70), true),
        (Some(200), false),
    ];
    for (since_start, good) in cases {
        let op = Op::new().await;
        let provider = op.provider();
        let asked = Asked { max_age_zero: true, login_hint: None };
        let start = op.start_with(&provider, asked).await;
        let started = op.clock.now().as_seconds();
        op.clock.advance(Duration::seconds(60));
        let mut claims = op.claims(&start.secrets);
        if let Some(seconds) = since_start {
            claims["auth_time"] = (started + seconds).into();
        }
        op.gives(&op.key.sign_as(ID_TOKEN_TYPE, &claims).unwrap()).await;
        let identity = op.finish(&provider, &start.secrets, &op.back()).await;
        if good {
            assert_eq!(
                identity.unwrap().auth_time.map(Timestamp::as_seconds),
                since_start.map(|s| started + s)
            );
        } else {
            assert_eq!(fault(identity), IdTokenFault::AuthTime, "{since_start:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_address_is_asked_of_userinfo_about_the_same_person() {
    let without = |claims: &mut Value| drop(claims.as_object_mut().unwrap().remove("email"));
    let op = Op::new().await;
    op.answers("/me", json!({ "sub": "ada-1", "email": "ada@work.example", "email_verified": "true" })).await;
    let email = op.sign_in(without).await.unwrap().email.unwrap();
    assert_eq!((email.address.as_str(), email.verified), ("ada@work.example", true));

    let op = Op::new().await;
    op.answers("/me", json!({ "sub": "eve-1", "email": "ada@work.example", "email_verified": true })).await;
    assert_eq!(op.sign_in(without).await.unwrap_err(), ProviderError::WrongSubject);

    let op = Op::new().await;
    op.answers("/me", json!({ "sub": "ada-1" })).await;
    assert!(op.sign_in(without).await.unwrap().email.is_none());

    for (status, expected) in [(403, Ok(true)), (500, Err(ProviderError::Down))] {
        let op = Op::new().await;
        op.responds("/me", ResponseTemplate::new(status)).await;
        assert_eq!(op.sign_in(without).await.map(|ada| ada.email.is_none()), expected);
    }
}
