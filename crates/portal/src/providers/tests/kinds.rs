use super::*;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER: &str = "11111111-2222-4333-8444-555555555555";

/// A Microsoft whose common documents lie at `authority`, and a sign-in of somebody of `tid`.
async fn microsoft(
    tenants: &[&str],
    authority: &str,
    named: &str,
    tid: &str,
) -> Result<Identity, ProviderError> {
    let op = Op::silent().await;
    let mut configuration = op.configuration();
    configuration["issuer"] = format!("{}/{named}/v2.0", op.uri()).into();
    configuration.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
    op.answers(&format!("/{authority}/v2.0/.well-known/openid-configuration"), configuration).await;
    op.answers("/jwks", json!({ "keys": [op.key.public_jwk().unwrap()] })).await;
    let tenants = tenants.iter().map(ToString::to_string).collect();
    let provider = Provider::new(Definition { tenants, ..op.definition(Kind::Microsoft) }).unwrap();
    let start = op.start(&provider).await;
    let mut claims = op.claims(&start.secrets);
    claims["iss"] = format!("{}/{tid}/v2.0", op.uri()).into();
    claims["tid"] = tid.into();
    op.gives(&op.key.sign_as(ID_TOKEN_TYPE, &claims).unwrap()).await;
    op.finish(&provider, &start.secrets, &Callback { iss: None, ..op.back() }).await
}

#[tokio::test]
async fn microsofts_tenants_are_told_apart_and_its_addresses_unverified() {
    let ada = microsoft(&[TENANT], TENANT, TENANT, TENANT).await.unwrap();
    assert!(ada.issuer.ends_with(&format!("/{TENANT}/v2.0")));
    assert!(!ada.email.unwrap().verified);
    let ada = microsoft(&[TENANT, OTHER], "organizations", "{tenantid}", OTHER).await.unwrap();
    assert!(ada.issuer.ends_with(&format!("/{OTHER}/v2.0")));
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    assert!(microsoft(&[TENANT, personal], "common", "{tenantid}", personal).await.is_ok());
    let refused = ProviderError::BadIdToken(IdTokenFault::Tenant);
    assert_eq!(microsoft(&[TENANT], TENANT, TENANT, OTHER).await.unwrap_err(), refused);
    let elsewhere = "99999999-2222-4333-8444-555555555555";
    let outside = microsoft(&[TENANT, OTHER], "organizations", "{tenantid}", elsewhere).await;
    assert_eq!(outside.unwrap_err(), refused);
}

fn plain(op: &Op) -> Definition {
    let at = |path: &str| format!("{}{path}", op.uri());
    Definition {
        issuer: None,
        endpoints: Some(Endpoints {
            authorization: at("/authorize"),
            token: at("/token"),
            userinfo: at("/whoami"),
            revocation: None,
        }),
        claims: ClaimNames {
            subject: "/data/id".into(),
            account: "/data/username".into(),
            name: "/data/name".into(),
            email: "mail".into(),
            email_verified: "confirmed".into(),
        },
        scopes: vec!["identify".into()],
        ..op.definition(Kind::Oauth2)
    }
}

#[tokio::test]
async fn a_plain_provider_says_who_it_is_in_its_own_words() {
    let op = Op::silent().await;
    op.answers("/token", json!({ "access_token": "access-1", "token_type": "bearer", "scope": "identify" }))
        .await;
    let said =
        json!({ "data": { "id": 42, "username": "ada" }, "mail": "ada@example.com", "confirmed": true });
    op.answers("/whoami", said).await;
    let provider = Provider::new(plain(&op)).unwrap();
    let start = op.start(&provider).await;
    assert_eq!(param(&start.url, "scope").as_deref(), Some("identify"));
    let ada = op.finish(&provider, &start.secrets, &Callback { iss: None, ..op.back() }).await.unwrap();
    assert_eq!((ada.issuer, ada.subject, ada.account), (op.uri(), "42".into(), "ada".into()));
    assert!(ada.email.unwrap().verified);
}

#[tokio::test]
async fn nobody_without_an_id_comes_in() {
    for said in [
        json!({}),
        json!({ "data": { "id": "" } }),
        json!({ "data": { "id": 1.5 } }),
        json!({ "data": { "id": "é" } }),
    ] {
        let op = Op::silent().await;
        op.answers("/token", json!({ "access_token": "access-1", "token_type": "bearer" })).await;
        op.answers("/whoami", said).await;
        let provider = Provider::new(plain(&op)).unwrap();
        let start = op.start(&provider).await;
        let nobody = op.finish(&provider, &start.secrets, &op.back()).await;
        assert_eq!(nobody.unwrap_err(), ProviderError::NoSubject);
    }
}

#[tokio::test]
async fn a_provider_that_takes_the_secret_in_the_body_alone_gets_it_there() {
    let op = Op::silent().await;
    let mut configuration = op.configuration();
    configuration["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    op.answers("/.well-known/openid-configuration", configuration).await;
    op.answers("/jwks", json!({ "keys": [op.key.public_jwk().unwrap()] })).await;
    op.sign_in(|_| {}).await.unwrap();
    assert!(op.form("/token").await.contains(&("client_secret".into(), "s3cr3t".into())));
    let op = Op::new().await;
    op.sign_in(|_| {}).await.unwrap();
    assert!(!op.form("/token").await.iter().any(|(name, _)| name == "client_secret"));
}
