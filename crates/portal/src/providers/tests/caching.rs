use futures_util::future::join_all;
use keyway_core::Duration;

use super::*;

const CONFIGURATION: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn discovery_and_keys_are_fetched_once_an_hour() {
    let op = Op::new().await;
    let provider = op.provider();
    let starts = (0..20).map(|_| op.start(&provider));
    assert_eq!(join_all(starts).await.len(), 20);
    assert_eq!(op.asked(CONFIGURATION).await, 1);
    op.clock.advance(Duration::minutes(59));
    op.start(&provider).await;
    assert_eq!(op.asked(CONFIGURATION).await, 1);
    op.clock.advance(Duration::minutes(1));
    op.start(&provider).await;
    assert_eq!(op.asked(CONFIGURATION).await, 2);
}

#[tokio::test]
async fn a_failure_is_shared_and_remembered_for_a_few_seconds() {
    let op = Op::silent().await;
    let provider = op.provider();
    op.responds(CONFIGURATION, ResponseTemplate::new(503)).await;
    let start = || provider.start(&op.outgoing, &op.clock, &op.random, BACK, Asked::default());
    for started in join_all((0..20).map(|_| start())).await {
        assert_eq!(started.unwrap_err(), ProviderError::Down);
    }
    assert_eq!(op.asked(CONFIGURATION).await, 1);
    op.clock.advance(Duration::seconds(5));
    assert_eq!(start().await.unwrap_err(), ProviderError::Down);
    assert_eq!(op.asked(CONFIGURATION).await, 2);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_in_a_while() {
    let op = Op::silent().await;
    op.answers(CONFIGURATION, op.configuration()).await;
    let (old, new) = (json!({ "keys": [op.key.public_jwk().unwrap()] }), key("2", Algorithm::Es256));
    let both = json!({ "keys": [op.key.public_jwk().unwrap(), new.public_jwk().unwrap()] });
    Mock::given(path("/jwks"))
        .respond_with(ResponseTemplate::new(200).set_body_json(old))
        .up_to_n_times(1)
        .mount(&op.server)
        .await;
    op.answers("/jwks", both).await;
    let provider = op.provider();
    let start = op.start(&provider).await;
    let claims = op.claims(&start.secrets);
    let token = |key: &SigningKey| {
        let answer = json!({ "access_token": "access-1", "token_type": "Bearer",
            "id_token": key.sign_as(ID_TOKEN_TYPE, &claims).unwrap() });
        Mock::given(path("/token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
            .up_to_n_times(1)
            .mount(&op.server)
    };
    let back = op.back();
    let finish = || op.finish(&provider, &start.secrets, &back);
    token(&op.key).await;
    finish().await.unwrap();
    assert_eq!(op.asked("/jwks").await, 1);
    // The provider has a new key by now.
    token(&new).await;
    finish().await.unwrap();
    assert_eq!(op.asked("/jwks").await, 2);
    // Names made up are not asked about again and again.
    let unknown = key("3", Algorithm::Es256);
    let refused = ProviderError::BadIdToken(IdTokenFault::UnknownKey);
    for _ in 0..5 {
        token(&unknown).await;
        assert_eq!(finish().await.unwrap_err(), refused);
    }
    assert_eq!(op.asked("/jwks").await, 2);
    op.clock.advance(Duration::minutes(1));
    token(&unknown).await;
    assert_eq!(finish().await.unwrap_err(), refused);
    assert_eq!(op.asked("/jwks").await, 3);
}

#[tokio::test]
async fn keys_that_are_not_safe_are_left_out() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let op = Op::silent().await;
    op.answers(CONFIGURATION, op.configuration()).await;
    let short = json!({ "kty": "RSA", "kid": "short", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xff; 64]) });
    let shared = json!({ "kty": "oct", "kid": "shared", "k": "AAAA" });
    op.answers("/jwks", json!({ "keys": [short, shared, 7, op.key.public_jwk().unwrap()] })).await;
    let provider = op.provider();
    let service = provider.service(&op.outgoing, &op.clock).await.unwrap();
    let keys = provider.keys(service.keys.as_deref().unwrap(), &op.outgoing, &op.clock).await.unwrap();
    assert_eq!(keys.keys().len(), 1);
}
