use keyway_core::Duration;

use super::*;

fn tokens(refresh: Option<&str>) -> Tokens {
    Tokens {
        access: PlainSecret::new("access-1"),
        refresh: refresh.map(PlainSecret::new),
        expires_at: None,
        scopes: vec!["openid".into()],
    }
}

#[tokio::test]
async fn tokens_are_given_out_where_the_settings_ask_for_them() {
    let op = Op::new().await;
    let provider = Provider::new(Definition { keep_tokens: true, ..op.definition(Kind::Oidc) }).unwrap();
    let start = op.start(&provider).await;
    let id_token = op.key.sign_as(ID_TOKEN_TYPE, &op.claims(&start.secrets)).unwrap();
    let answer = json!({ "access_token": "access-1", "token_type": "Bearer", "expires_in": 600,
        "refresh_token": "refresh-1", "scope": "openid email", "id_token": id_token });
    op.answers("/token", answer).await;
    let kept = op.finish(&provider, &start.secrets, &op.back()).await.unwrap().tokens.unwrap();
    assert_eq!((kept.access.expose(), kept.refresh.unwrap().expose()), ("access-1", "refresh-1"));
    assert_eq!(kept.expires_at, Some(op.clock.now() + Duration::seconds(600)));
    assert_eq!(kept.scopes, ["openid", "email"]);
}

#[tokio::test]
async fn a_refresh_keeps_what_the_provider_leaves_out() {
    let op = Op::new().await;
    let provider = op.provider();
    op.answers("/token", json!({ "access_token": "access-2", "token_type": "Bearer", "expires_in": 60 }))
        .await;
    let (old, scopes) = (PlainSecret::new("refresh-1"), ["openid".to_owned()]);
    let new = provider.refresh(&op.outgoing, &op.clock, &op.uri(), &old, &scopes).await.unwrap();
    assert_eq!((new.access.expose(), new.refresh.unwrap().expose()), ("access-2", "refresh-1"));
    assert_eq!(
        (new.expires_at, new.scopes.as_slice()),
        (Some(op.clock.now() + Duration::seconds(60)), &scopes[..])
    );
    let form = op.form("/token").await;
    assert!(form.contains(&("grant_type".into(), "refresh_token".into())));
    assert!(form.contains(&("refresh_token".into(), "refresh-1".into())));
}

#[tokio::test]
async fn a_dead_grant_is_told_from_a_provider_in_trouble() {
    for (response, expected) in [
        (
            ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" })),
            ProviderError::GrantDied,
        ),
        (
            ResponseTemplate::new(200).set_body_json(json!({ "error": "bad_refresh_token" })),
            ProviderError::GrantDied,
        ),
        (ResponseTemplate::new(502), ProviderError::Down),
        (
            ResponseTemplate::new(401).set_body_json(json!({ "error": "invalid_client" })),
            ProviderError::ClientRefused,
        ),
    ] {
        let op = Op::new().await;
        op.responds("/token", response).await;
        let old = PlainSecret::new("refresh-1");
        let refused = op.provider().refresh(&op.outgoing, &op.clock, &op.uri(), &old, &[]).await;
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_grant_is_revoked_by_its_refresh_token_if_there_is_one() {
    for (kept, sent) in [(Some("refresh-1"), "refresh-1"), (None, "access-1")] {
        let op = Op::new().await;
        op.responds("/revoke", ResponseTemplate::new(200)).await;
        assert_eq!(op.provider().revoke(&op.outgoing, &op.clock, &op.uri(), &tokens(kept)).await, Ok(true));
        assert!(op.form("/revoke").await.contains(&("token".into(), sent.into())));
        let requests = op.server.received_requests().await.unwrap();
        // portal:s3cr3t
        assert_eq!(requests.last().unwrap().headers["authorization"], "Basic cG9ydGFsOnMzY3IzdA==");
    }
}

#[tokio::test]
async fn githubs_authorization_is_deleted() {
    let op = Op::silent().await;
    op.responds("/api/v3/applications/portal/grant", ResponseTemplate::new(204)).await;
    let provider = Provider::new(op.definition(Kind::Github)).unwrap();
    assert_eq!(provider.revoke(&op.outgoing, &op.clock, &op.uri(), &tokens(None)).await, Ok(true));
    let requests = op.server.received_requests().await.unwrap();
    let request = requests.last().unwrap();
    assert_eq!(request.method.as_str(), "DELETE");
    assert_eq!(request.body, br#"{"access_token":"access-1"}"#);
}

#[tokio::test]
async fn a_provider_without_a_way_to_revoke_is_said_to_have_none() {
    let op = Op::silent().await;
    let mut configuration = op.configuration();
    configuration.as_object_mut().unwrap().remove("revocation_endpoint");
    op.answers("/.well-known/openid-configuration", configuration).await;
    assert_eq!(op.provider().revoke(&op.outgoing, &op.clock, &op.uri(), &tokens(None)).await, Ok(false));
    let op = Op::new().await;
    op.responds("/revoke", ResponseTemplate::new(503)).await;
    let down = op.provider().revoke(&op.outgoing, &op.clock, &op.uri(), &tokens(None)).await;
    assert_eq!(down, Err(ProviderError::Down));
}
