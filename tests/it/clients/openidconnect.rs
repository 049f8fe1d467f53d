//! OpenID Connect as the `openidconnect` crate does it: discovery, ID tokens, userinfo, registration, signing out.

use keyway_core::jwt::Algorithm;
use keyway_core::oauth::ClientKind;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest,
    CoreClientRegistrationResponse, CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreTokenResponse,
    CoreUserInfoClaims,
};
use openidconnect::registration::EmptyAdditionalClientMetadata;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope,
    TokenResponse as _,
};

use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::{CALLBACK, notebook};
use crate::harness::browser::Browser;

const LEFT: &str = "https://app.example.com/left";

/// The library's client, told by discovery where the endpoints are.
type App = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The portal with an app and its user.
struct World {
    app: TestApp,
    metadata: ProviderMetadataWithLogout,
    client: App,
    browser: Browser,
}

impl World {
    async fn new(backend: Backend, algorithm: Algorithm) -> Self {
        let app = TestApp::start_with(backend, &[("KEYWAY_OAUTH__REGISTRATION", "open")]).await;
        app.person("ada@example.com", false).await;
        let mut new = notebook(ClientKind::Confidential);
        new.profile.id_token_algorithm = algorithm;
        new.profile.post_logout_redirect_uris = vec![LEFT.parse().unwrap()];
        let registered = app.client(new).await;
        let issuer = IssuerUrl::new(app.portal.clone()).unwrap();
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, &app.anonymous.http).await.unwrap();
        let client = app_of(&metadata, registered.id, registered.secret);
        let browser = app.signed_in("ada@example.com").await;
        Self { app, metadata, client, browser }
    }

    /// Tokens by a code, and the nonce that the ID token has to carry.
    async fn tokens(&self, client: &App) -> (CoreTokenResponse, Nonce) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut asked = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        for scope in ["profile", "email", "notes:read"] {
            asked = asked.add_scope(Scope::new(scope.into()));
        }
        let (address, state, nonce) = asked.set_pkce_challenge(challenge).url();
        let back = self.browser.authorize(address.as_str()).await.answers();
        assert_eq!(back["state"], *state.secret());
        let exchange = client.exchange_code(AuthorizationCode::new(back["code"].clone())).unwrap();
        let exchange = exchange.set_pkce_verifier(verifier);
        (exchange.request_async(&self.app.anonymous.http).await.unwrap(), nonce)
    }

    /// The library's verifier, by the clock of the test.
    fn verifier<'c>(&self, client: &'c App, algorithm: CoreJwsSigningAlgorithm) -> CoreIdTokenVerifier<'c> {
        let clock = self.app.clock.clone();
        client
            .id_token_verifier()
            .set_allowed_algs([algorithm])
            .set_time_fn(move || keyway_core::Clock::now(&*clock).to_utc())
    }
}

fn app_of(metadata: &ProviderMetadataWithLogout, id: String, secret: Option<String>) -> App {
    CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id), secret.map(ClientSecret::new))
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap())
}

const ALGORITHMS: [(Algorithm, CoreJwsSigningAlgorithm); 3] = [
    (Algorithm::Rs256, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
    (Algorithm::Es256, CoreJwsSigningAlgorithm::EcdsaP256Sha256),
    (Algorithm::EdDsa, CoreJwsSigningAlgorithm::EdDsa),
];

#[actix_web::test]
async fn the_library_verifies_id_tokens_of_each_algorithm_and_asks_userinfo() {
    for (backend, (ours, theirs)) in Backend::ALL.into_iter().flat_map(|b| ALGORITHMS.map(|a| (b, a))) {
        let world = World::new(backend, ours).await;
        let (tokens, nonce) = world.tokens(&world.client).await;
        let verifier = world.verifier(&world.client, theirs.clone());
        let id_token = tokens.id_token().unwrap();
        let claims = id_token.claims(&verifier, &nonce).unwrap();
        let key = id_token.signing_key(&verifier).unwrap();
        let hash = AccessTokenHash::from_token(tokens.access_token(), &theirs, key).unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash));
        assert!(claims.auth_time().is_some());

        let http = &world.app.anonymous.http;
        let subject = claims.subject().clone();
        let asked = world.client.user_info(tokens.access_token().clone(), Some(subject)).unwrap();
        let told: CoreUserInfoClaims = asked.request_async(http).await.unwrap();
        assert_eq!(told.email().unwrap().as_str(), "ada@example.com");
        assert_eq!(told.email_verified(), Some(true));

        let next = world.client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
        let next = next.request_async(http).await.unwrap();
        let no_nonce = |nonce: Option<&Nonce>| match nonce {
            None => Ok(()),
            Some(_) => Err("a refreshed ID token has no nonce".to_owned()),
        };
        let again = next.id_token().unwrap().claims(&verifier, no_nonce).unwrap();
        assert_eq!((again.subject(), again.auth_time()), (claims.subject(), claims.auth_time()));
        world.app.stop().await;
    }
}

#[actix_web::test]
async fn the_library_refuses_an_id_token_that_is_over_or_somebody_elses() {
    let world = World::new(Backend::Sqlite, Algorithm::Rs256).await;
    let theirs = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    let (tokens, nonce) = world.tokens(&world.client).await;
    let id_token = tokens.id_token().unwrap();
    let verifier = world.verifier(&world.client, theirs.clone());
    let refused = id_token.claims(&verifier, &Nonce::new_random()).unwrap_err();
    assert!(matches!(refused, ClaimsVerificationError::InvalidNonce(_)), "{refused}");
    let other = app_of(&world.metadata, "another-app".into(), None);
    let refused = id_token.claims(&world.verifier(&other, theirs), &nonce).unwrap_err();
    assert!(matches!(refused, ClaimsVerificationError::InvalidAudience(_)), "{refused}");
    world.app.advance(keyway_core::Duration::hours(2));
    let refused = id_token.claims(&verifier, &nonce).unwrap_err();
    assert!(matches!(refused, ClaimsVerificationError::Expired(_)), "{refused}");
    world.app.stop().await;
}

#[actix_web::test]
async fn the_library_registers_a_client_and_signs_its_user_in_and_out() {
    for backend in Backend::ALL {
        let world = World::new(backend, Algorithm::Rs256).await;
        let http = &world.app.anonymous.http;
        let registered: CoreClientRegistrationResponse = CoreClientRegistrationRequest::new(
            vec![RedirectUrl::new(CALLBACK.to_owned()).unwrap()],
            EmptyAdditionalClientMetadata::default(),
        )
        .set_token_endpoint_auth_method(Some(CoreClientAuthMethod::ClientSecretBasic))
        .register_async(world.metadata.registration_endpoint().unwrap(), http)
        .await
        .unwrap();
        let (id, secret) = (registered.client_id(), registered.client_secret().unwrap());
        let client = app_of(&world.metadata, id.to_string(), Some(secret.secret().clone()));
        let (tokens, nonce) = world.tokens(&client).await;
        let verifier = world.verifier(&client, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256);
        tokens.id_token().unwrap().claims(&verifier, &nonce).unwrap();

        let (tokens, _) = world.tokens(&world.client).await;
        let endpoint = world.metadata.additional_metadata().end_session_endpoint.clone().unwrap();
        let address = LogoutRequest::from(endpoint)
            .set_id_token_hint(tokens.id_token().unwrap())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(LEFT.to_owned()).unwrap())
            .set_state(CsrfToken::new("s".to_owned()))
            .http_get_url();
        let reply = world.browser.get(address.as_str()).await;
        assert_eq!(reply.location(), format!("{LEFT}?state=s"));
        assert!(world.browser.get_only("/keys").await.location().starts_with("/sign-in"));
        world.app.stop().await;
    }
}
