use super::*;

#[tokio::test]
async fn a_callback_of_another_issuer_is_refused() {
    let op = Op::new().await;
    let provider = op.provider();
    let start = op.start(&provider).await;
    for iss in [None, Some("https://evil.example".to_owned()), Some(format!("{}/", op.uri()))] {
        let callback = Callback { iss, ..op.back() };
        let refused = op.finish(&provider, &start.secrets, &callback).await;
        assert_eq!(refused.unwrap_err(), ProviderError::WrongIssuer);
        // Not even its error is believed (RFC 9207 §2.4).
        let callback = Callback { error: Some("access_denied".into()), code: None, ..callback };
        assert_eq!(
            op.finish(&provider, &start.secrets, &callback).await.unwrap_err(),
            ProviderError::WrongIssuer
        );
    }
    assert_eq!(op.asked("/token").await, 0);
}

#[tokio::test]
async fn a_provider_that_never_says_iss_may_leave_it_out_but_not_say_anothers() {
    let op = Op::silent().await;
    let mut configuration = op.configuration();
    configuration.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
    op.answers("/.well-known/openid-configuration", configuration).await;
    op.answers("/jwks", json!({ "keys": [op.key.public_jwk().unwrap()] })).await;
    let provider = op.provider();
    let start = op.start(&provider).await;
    op.gives(&op.key.sign_as(ID_TOKEN_TYPE, &op.claims(&start.secrets)).unwrap()).await;
    let silent = Callback { iss: None, ..op.back() };
    assert!(op.finish(&provider, &start.secrets, &silent).await.is_ok());
    let other = Callback { iss: Some("https://evil.example".into()), ..op.back() };
    assert_eq!(op.finish(&provider, &start.secrets, &other).await.unwrap_err(), ProviderError::WrongIssuer);
}

#[tokio::test]
async fn errors_in_the_callback_are_put_in_our_words() {
    let op = Op::new().await;
    let provider = op.provider();
    let start = op.start(&provider).await;
    let refused = |code: &str| ProviderError::Refused { code: ErrorCode::clean(code) };
    for (code, expected) in [
        ("access_denied", ProviderError::Denied),
        ("temporarily_unavailable", ProviderError::Down),
        ("unauthorized_client", ProviderError::ClientRefused),
        ("invalid_scope", refused("invalid_scope")),
        ("<b>you\u{1b} won</b>", refused("byouwonb")),
    ] {
        let callback = Callback {
            error: Some(code.into()),
            error_description: Some("Call 0900-EVIL".into()),
            code: None,
            ..op.back()
        };
        let error = op.finish(&provider, &start.secrets, &callback).await.unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("EVIL") && !error.to_string().contains('<'));
    }
    for code in [None, Some(String::new()), Some("x".repeat(5_000))] {
        let callback = Callback { code, ..op.back() };
        assert_eq!(
            op.finish(&provider, &start.secrets, &callback).await.unwrap_err(),
            ProviderError::Nonsense
        );
    }
}

/// What a sign-in comes to if the token endpoint answers so.
async fn token_answer(response: ResponseTemplate) -> ProviderError {
    let op = Op::new().await;
    let provider = op.provider();
    let start = op.start(&provider).await;
    op.responds("/token", response).await;
    op.finish(&provider, &start.secrets, &op.back()).await.unwrap_err()
}

#[tokio::test]
async fn what_the_token_endpoint_answers_never_gets_further() {
    let json = |status: u16, body: Value| ResponseTemplate::new(status).set_body_json(body);
    let error = |status: u16, code: &str| json(status, json!({ "error": code, "error_description": "EVIL" }));
    let large = ResponseTemplate::new(200).set_body_raw(vec![b' '; 10_000_000], "application/json");
    let away =
        ResponseTemplate::new(302).insert_header("location", "http://169.254.169.254/latest/meta-data/");
    let page = ResponseTemplate::new(200).set_body_raw("<html>EVIL</html>", "text/html");
    for (response, expected) in [
        (ResponseTemplate::new(500), ProviderError::Down),
        (ResponseTemplate::new(503).set_body_string("EVIL"), ProviderError::Down),
        (ResponseTemplate::new(429), ProviderError::Down),
        (page, ProviderError::Nonsense),
        (ResponseTemplate::new(200).set_body_raw("{", "application/json"), ProviderError::Nonsense),
        (ResponseTemplate::new(200), ProviderError::Nonsense),
        (json(200, json!({ "access_token": "", "token_type": "Bearer" })), ProviderError::Nonsense),
        (json(200, json!({ "access_token": "a b", "token_type": "Bearer" })), ProviderError::Nonsense),
        (large, ProviderError::Nonsense),
        (away, ProviderError::Nonsense),
        (error(400, "invalid_grant"), ProviderError::CodeDied),
        (error(401, "invalid_client"), ProviderError::ClientRefused),
        (error(400, "odd"), ProviderError::Refused { code: ErrorCode::clean("odd") }),
    ] {
        let error = token_answer(response).await;
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("EVIL"));
    }
}

/// What starting comes to if the discovery document is this.
async fn discovery(response: impl FnOnce(&Op) -> ResponseTemplate) -> ProviderError {
    let op = Op::silent().await;
    op.responds("/.well-known/openid-configuration", response(&op)).await;
    let started = op.provider().start(&op.outgoing, &op.clock, &op.random, BACK, Asked::default()).await;
    started.unwrap_err()
}

fn changed(op: &Op, member: &str, value: &str) -> ResponseTemplate {
    let mut configuration = op.configuration();
    configuration[member] = value.into();
    ResponseTemplate::new(200).set_body_json(configuration)
}

#[tokio::test]
async fn a_discovery_document_must_be_the_issuers_own_and_lead_outside() {
    let other = |op: &Op| changed(op, "issuer", "https://elsewhere.example");
    assert_eq!(discovery(other).await, ProviderError::WrongIssuer);
    let slash = |op: &Op| changed(op, "issuer", &format!("{}/", op.uri()));
    assert_eq!(discovery(slash).await, ProviderError::WrongIssuer);
    assert_eq!(discovery(|_| ResponseTemplate::new(500)).await, ProviderError::Down);
    let garbage = |_: &Op| ResponseTemplate::new(200).set_body_string("garbage");
    assert_eq!(discovery(garbage).await, ProviderError::Nonsense);
    assert_eq!(
        discovery(|_| ResponseTemplate::new(404)).await.to_string(),
        ProviderError::Refused { code: ErrorCode::status(404) }.to_string()
    );
    for bad in ["https://10.0.0.1/authorize", "http://example.com/authorize", "javascript:alert(1)"] {
        assert_eq!(
            discovery(|op| changed(op, "authorization_endpoint", bad)).await,
            ProviderError::Unreachable
        );
    }
}

#[tokio::test]
async fn endpoints_in_private_networks_are_not_called() {
    for member in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        let op = Op::silent().await;
        op.responds("/.well-known/openid-configuration", changed(&op, member, "https://192.168.0.1/x")).await;
        op.answers("/jwks", json!({ "keys": [op.key.public_jwk().unwrap()] })).await;
        let without_email = |claims: &mut Value| drop(claims.as_object_mut().unwrap().remove("email"));
        assert_eq!(op.sign_in(without_email).await.unwrap_err(), ProviderError::Unreachable, "{member}");
    }
}

#[tokio::test]
async fn nobody_listening_is_said_at_once() {
    let op = Op::silent().await;
    let mut definition = op.definition(Kind::Oidc);
    definition.issuer = Some("http://localhost:1".into());
    let provider = Provider::new(definition).unwrap();
    let started = provider.start(&op.outgoing, &op.clock, &op.random, BACK, Asked::default()).await;
    assert_eq!(started.unwrap_err(), ProviderError::Down);
}

#[tokio::test]
async fn texts_are_made_fit_to_be_shown() {
    let op = Op::new().await;
    let ada = op.sign_in(|claims| {
        claims["preferred_username"] = "a\u{0}d\u{1b}a".into();
        claims["name"] = "é".repeat(500).into();
        claims["email"] = "no address".into();
    });
    op.answers("/me", json!({ "sub": "ada-1" })).await;
    let ada = ada.await.unwrap();
    assert_eq!((ada.account.as_str(), ada.name.unwrap().chars().count()), ("ada", 100));
    assert!(ada.email.is_none());
    let op = Op::new().await;
    let long = op.sign_in(|claims| claims["sub"] = "x".repeat(256).into()).await;
    assert_eq!(long.unwrap_err(), ProviderError::NoSubject);
}
