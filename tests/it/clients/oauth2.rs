//! Every grant that the `oauth2` crate knows.

use std::cell::Cell;

use keyway_core::oauth::{AuthMethod, ClientKind, GrantType};
use keyway_portal::flows::clients::NewClient;
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IntrospectionUrl, PkceCodeChallenge, RedirectUrl,
    RequestTokenError, RevocationUrl, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken,
    TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};

use crate::harness::actors::{Actor as _, JwtClient};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::{CALLBACK, notebook};
use crate::harness::browser::Browser;

/// The library's client, told all our endpoints.
type App = BasicClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

/// The portal with an app, as the library sees it.
struct World {
    app: TestApp,
    client: App,
}

impl World {
    async fn new(backend: Backend, new: NewClient) -> Self {
        let app = TestApp::start(backend).await;
        app.person("ada@example.com", false).await;
        let auth = match new.profile.auth_method {
            AuthMethod::ClientSecretPost => AuthType::RequestBody,
            _ => AuthType::BasicAuth,
        };
        let registered = app.client(new).await;
        let mut client = BasicClient::new(ClientId::new(registered.id));
        if let Some(secret) = registered.secret {
            client = client.set_client_secret(ClientSecret::new(secret));
        }
        let client = client
            .set_auth_type(auth)
            .set_auth_uri(AuthUrl::new(app.url("/oauth/authorize")).unwrap())
            .set_token_uri(TokenUrl::new(app.url("/oauth/token")).unwrap())
            .set_introspection_url(IntrospectionUrl::new(app.url("/oauth/introspect")).unwrap())
            // The library revokes over https alone: see `plainly`.
            .set_revocation_url(
                RevocationUrl::new(app.url("/oauth/revoke").replace("http://", "https://")).unwrap(),
            )
            .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
        Self { app, client }
    }

    /// Tokens by a code, as the library does it.
    async fn tokens(&self) -> BasicTokenResponse {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state) = self
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new("notes:read".into()))
            .set_pkce_challenge(challenge)
            .url();
        let back = self.app.signed_in("ada@example.com").await.authorize(address.as_str()).await.answers();
        assert_eq!(back["state"], *state.secret());
        self.client
            .exchange_code(AuthorizationCode::new(back["code"].clone()))
            .set_pkce_verifier(verifier)
            .request_async(&self.app.anonymous.http)
            .await
            .unwrap()
    }

    /// What the sample API answers to a token.
    async fn calls(&self, tokens: &BasicTokenResponse) -> u16 {
        let access = tokens.access_token().secret().clone();
        let caller = JwtClient { http: self.app.anonymous.http.clone(), access, refresh: None };
        caller.get(&self.app.api("/v1/whoami")).await.status.as_u16()
    }

    async fn is_active(&self, tokens: &BasicTokenResponse) -> bool {
        let told = self.client.introspect(tokens.access_token());
        told.request_async(&self.app.anonymous.http).await.unwrap().active()
    }
}

/// Sends a request without TLS: the test's server has none, and the proxy that would end it is not tested.
async fn plainly(
    http: &reqwest::Client,
    mut request: HttpRequest,
) -> Result<HttpResponse, oauth2::HttpClientError<oauth2::reqwest::Error>> {
    *request.uri_mut() = request.uri().to_string().replace("https://", "http://").parse().unwrap();
    oauth2::AsyncHttpClient::call(http, request).await
}

/// The error code of a refusal (RFC 6749 §5.2).
#[track_caller]
fn code_of<E: std::error::Error + 'static>(
    error: RequestTokenError<E, oauth2::basic::BasicErrorResponse>,
) -> String {
    match error {
        RequestTokenError::ServerResponse(response) => response.error().to_string(),
        other => panic!("no answer of RFC 6749: {other}"),
    }
}

fn by(method: AuthMethod) -> NewClient {
    let kind = if method == AuthMethod::None { ClientKind::Public } else { ClientKind::Confidential };
    let mut new = notebook(kind);
    new.profile.auth_method = method;
    new
}

#[actix_web::test]
async fn a_code_gives_a_pair_and_the_pair_its_successor() {
    for backend in Backend::ALL {
        for method in [AuthMethod::None, AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
            let world = World::new(backend, by(method)).await;
            let tokens = world.tokens().await;
            assert_eq!(tokens.scopes().unwrap().as_slice(), [Scope::new("notes:read".into())]);
            assert_eq!(world.calls(&tokens).await, 200);
            let refresh = tokens.refresh_token().unwrap();
            let http = &world.app.anonymous.http;
            let next = world.client.exchange_refresh_token(refresh).request_async(http).await.unwrap();
            assert_ne!(next.refresh_token().unwrap().secret(), refresh.secret());
            assert_eq!(world.calls(&next).await, 200);
            world.app.stop().await;
        }
    }
}

#[actix_web::test]
async fn a_wrong_verifier_is_invalid_grant_to_the_library() {
    for backend in Backend::ALL {
        let world = World::new(backend, by(AuthMethod::None)).await;
        let (challenge, _) = PkceCodeChallenge::new_random_sha256();
        let (_, other) = PkceCodeChallenge::new_random_sha256();
        let (address, _) =
            world.client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
        let back = world.app.signed_in("ada@example.com").await.authorize(address.as_str()).await.answers();
        let exchange = world.client.exchange_code(AuthorizationCode::new(back["code"].clone()));
        let refused = exchange.set_pkce_verifier(other).request_async(&world.app.anonymous.http).await;
        assert_eq!(code_of(refused.unwrap_err()), "invalid_grant");
        world.app.stop().await;
    }
}

#[actix_web::test]
async fn a_client_acts_for_itself_and_is_told_of_its_token_until_it_revokes_it() {
    for backend in Backend::ALL {
        let mut new = by(AuthMethod::ClientSecretBasic);
        new.profile.grant_types = vec![GrantType::ClientCredentials];
        new.profile.redirect_uris.clear();
        let world = World::new(backend, new).await;
        let http = &world.app.anonymous.http;
        let asked = world.client.exchange_client_credentials().add_scope(Scope::new("notes:read".into()));
        let tokens = asked.request_async(http).await.unwrap();
        assert!(tokens.refresh_token().is_none());
        assert_eq!(world.calls(&tokens).await, 200);
        assert!(world.is_active(&tokens).await);

        let ended = StandardRevocableToken::AccessToken(tokens.access_token().clone());
        let revoke = world.client.revoke_token(ended).unwrap();
        revoke.request_async(&|request| plainly(http, request)).await.unwrap();
        assert_eq!(world.calls(&tokens).await, 401);
        assert!(!world.is_active(&tokens).await);
        world.app.stop().await;
    }
}

#[actix_web::test]
async fn a_revoked_refresh_token_takes_its_family_along() {
    for backend in Backend::ALL {
        let world = World::new(backend, by(AuthMethod::ClientSecretBasic)).await;
        let tokens = world.tokens().await;
        let http = &world.app.anonymous.http;
        let refresh = tokens.refresh_token().unwrap();
        let revoke = world.client.revoke_token(refresh.into()).unwrap();
        revoke.request_async(&|request| plainly(http, request)).await.unwrap();
        assert_eq!(world.calls(&tokens).await, 401);
        let refused = world.client.exchange_refresh_token(refresh).request_async(http).await;
        assert_eq!(code_of(refused.unwrap_err()), "invalid_grant");
        world.app.stop().await;
    }
}

#[actix_web::test]
async fn a_device_waits_until_its_user_says_yes() {
    for backend in Backend::ALL {
        let mut new = by(AuthMethod::None);
        new.profile.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
        new.profile.redirect_uris.clear();
        let world = World::new(backend, new).await;
        let http = &world.app.anonymous.http;
        let endpoint = DeviceAuthorizationUrl::new(world.app.url("/oauth/device_authorization")).unwrap();
        let client = world.client.clone().set_device_authorization_url(endpoint);
        let asked = client.exchange_device_code().add_scope(Scope::new("notes:read".into()));
        let shown: StandardDeviceAuthorizationResponse = asked.request_async(http).await.unwrap();
        let browser = world.app.signed_in("ada@example.com").await;
        let complete = shown.verification_uri_complete().unwrap().secret();

        // The library asks, is told to wait, and waits as long as it was told to: meanwhile ada says yes.
        let waits = Cell::new(0);
        let wait = |time: std::time::Duration| {
            waits.set(waits.get() + 1);
            assert_eq!(time.as_secs(), 5);
            world.app.advance(keyway_core::Duration::seconds(5));
            connect(&browser, complete)
        };
        let asked = client.exchange_device_access_token(&shown);
        let tokens = asked.request_async(http, wait, None).await.unwrap();
        assert_eq!(waits.get(), 1);
        assert_eq!(world.calls(&tokens).await, 200);
        assert!(tokens.refresh_token().is_some());
        world.app.stop().await;
    }
}

/// Says yes to a device.
async fn connect(browser: &Browser, address: &str) {
    let page = browser.get(address).await.expect(200);
    let page = browser.submit(&Browser::form(&page, "/device")).await.expect(200);
    browser.submit(&Browser::form(&page, "/device/decision").add("decision", "allow")).await.expect(200);
}
