use super::*;

/// A GitHub as its REST documentation describes it, with these answers.
async fn github(token: Value, addresses: ResponseTemplate) -> Op {
    let op = Op::silent().await;
    op.answers("/login/oauth/access_token", token).await;
    op.answers(
        "/api/v3/user",
        json!({ "login": "ada", "id": 583_231, "name": null, "email": "shown@example.com" }),
    )
    .await;
    op.responds("/api/v3/user/emails", addresses).await;
    op
}

fn given() -> Value {
    json!({ "access_token": "gho_1", "scope": "repo,user:email", "token_type": "bearer" })
}

fn addresses(primary_verified: bool) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!([
        { "email": "old@example.com", "primary": false, "verified": true, "visibility": null },
        { "email": "ada@example.com", "primary": true, "verified": primary_verified, "visibility": "private" },
    ]))
}

async fn sign_in(op: &Op, iss: Option<String>) -> Result<Identity, ProviderError> {
    let provider = Provider::new(op.definition(Kind::Github)).unwrap();
    let start = op.start(&provider).await;
    assert!(start.url.starts_with(&format!("{}/login/oauth/authorize?", op.uri())));
    assert_eq!(param(&start.url, "scope").as_deref(), Some("user:email"));
    assert_eq!(param(&start.url, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(param(&start.url, "nonce"), None);
    op.finish(&provider, &start.secrets, &Callback { iss, ..op.back() }).await
}

#[tokio::test]
async fn the_number_is_the_person_and_the_primary_address_theirs() {
    let op = github(given(), addresses(true)).await;
    let ada = sign_in(&op, None).await.unwrap();
    assert_eq!((ada.issuer, ada.subject, ada.account), (op.uri(), "583231".into(), "ada".into()));
    let email = ada.email.unwrap();
    assert_eq!((email.address.as_str(), email.verified, ada.name), ("ada@example.com", true, None));
    assert_eq!(ada.scopes, ["repo", "user:email"]);
    let form = op.form("/login/oauth/access_token").await;
    assert!(form.contains(&("client_secret".into(), "s3cr3t".into())));
    let requests = op.server.received_requests().await.unwrap();
    let user = requests.iter().find(|request| request.url.path() == "/api/v3/user").unwrap();
    assert_eq!(user.headers["authorization"], "Bearer gho_1");
    assert_eq!(user.headers["x-github-api-version"], "2022-11-28");
}

#[tokio::test]
async fn an_unverified_primary_address_does_not_count_as_verified() {
    let op = github(given(), addresses(false)).await;
    let email = sign_in(&op, None).await.unwrap().email.unwrap();
    assert_eq!((email.address.as_str(), email.verified), ("ada@example.com", false));
}

#[tokio::test]
async fn without_the_scope_there_is_no_address() {
    let op = github(given(), ResponseTemplate::new(404)).await;
    assert!(sign_in(&op, None).await.unwrap().email.is_none());
    let op = github(given(), ResponseTemplate::new(500)).await;
    assert_eq!(sign_in(&op, None).await.unwrap_err(), ProviderError::Down);
}

#[tokio::test]
async fn errors_come_with_200() {
    for (code, expected) in [
        ("bad_verification_code", ProviderError::CodeDied),
        ("incorrect_client_credentials", ProviderError::ClientRefused),
        ("redirect_uri_mismatch", ProviderError::ClientRefused),
        ("unverified_user_email", ProviderError::Refused { code: ErrorCode::clean("unverified_user_email") }),
    ] {
        let error =
            json!({ "error": code, "error_description": "…", "error_uri": "https://docs.github.com/" });
        let op = github(error, addresses(true)).await;
        assert_eq!(sign_in(&op, None).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn its_authorization_server_may_name_itself() {
    let op = github(given(), addresses(true)).await;
    assert!(sign_in(&op, Some(format!("{}/login/oauth", op.uri()))).await.is_ok());
    assert!(sign_in(&op, Some(op.uri())).await.is_ok());
    let other = sign_in(&op, Some("https://evil.example/login/oauth".into())).await;
    assert_eq!(other.unwrap_err(), ProviderError::WrongIssuer);
}

#[tokio::test]
async fn githubs_own_addresses_are_known() {
    let op = Op::silent().await;
    let provider = Provider::new(Definition { issuer: None, ..op.definition(Kind::Github) }).unwrap();
    let service = provider.service(&op.outgoing, &op.clock).await.unwrap();
    assert_eq!(service.issuer.of_claims(&Value::Null).as_deref(), Ok("https://github.com"));
    assert_eq!(service.authorization, "https://github.com/login/oauth/authorize");
    assert_eq!(service.token, "https://github.com/login/oauth/access_token");
    assert_eq!(service.userinfo.as_deref(), Some("https://api.github.com/user"));
    assert_eq!(service.revocation.as_deref(), Some("https://api.github.com/applications/portal/grant"));
}
