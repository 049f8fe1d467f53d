//! Sign-ins at a provider that says what each test has it say.

mod answers;
mod caching;
mod definitions;
mod github;
mod id_tokens;
mod kept;
mod kinds;
mod renewal;

use keyway_core::address::AddressList;
use keyway_core::clock::ManualClock;
use keyway_core::jwt::{Algorithm, ID_TOKEN_TYPE, SigningKey, at_hash, generate_key};
use keyway_core::random::SeededRandom;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Timestamp};
use serde_json::{Value, json};
use url::Url;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::outgoing::Outgoing;

pub(super) const CLIENT: &str = "portal";
pub(super) const BACK: &str = "http://localhost:8080/connect/work/callback";

/// An OpenID Connect provider, and the portal beside it.
pub(super) struct Op {
    pub(super) server: MockServer,
    pub(super) clock: ManualClock,
    pub(super) random: SeededRandom,
    pub(super) outgoing: Outgoing,
    pub(super) key: SigningKey,
}

impl Op {
    /// A provider that publishes its configuration and one key.
    pub(super) async fn new() -> Self {
        let op = Self::silent().await;
        op.answers("/.well-known/openid-configuration", op.configuration()).await;
        op.answers("/jwks", json!({ "keys": [op.key.public_jwk().unwrap()] })).await;
        op
    }

    /// One that answers 404 to everything.
    pub(super) async fn silent() -> Self {
        Self {
            server: MockServer::start().await,
            clock: ManualClock::at(Timestamp::from_seconds(1_795_000_000)),
            random: SeededRandom::new(7),
            outgoing: Outgoing::new(true, AddressList::default()).unwrap(),
            key: key("1", Algorithm::Es256),
        }
    }

    pub(super) fn uri(&self) -> String {
        self.server.uri()
    }

    pub(super) fn configuration(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.uri());
        json!({
            "issuer": self.uri(),
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/me"),
            "revocation_endpoint": at("/revoke"),
            "jwks_uri": at("/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none", "XX512"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// From now on this is what lies at a path; what is said there later counts less.
    pub(super) async fn answers(&self, at: &str, body: Value) {
        self.responds(at, ResponseTemplate::new(200).set_body_json(body)).await;
    }

    pub(super) async fn responds(&self, at: &str, response: ResponseTemplate) {
        Mock::given(path(at)).respond_with(response).mount(&self.server).await;
    }

    pub(super) fn definition(&self, kind: Kind) -> Definition {
        Definition {
            id: "work".parse().unwrap(),
            kind,
            label: None,
            issuer: Some(self.uri()),
            client_id: CLIENT.into(),
            client_secret: Some(PlainSecret::new("s3cr3t")),
            scopes: Vec::new(),
            sign_up: true,
            email_domains: Vec::new(),
            keep_tokens: false,
            tenants: Vec::new(),
            endpoints: None,
            claims: ClaimNames::default(),
            demo: false,
        }
    }

    pub(super) fn provider(&self) -> Provider {
        Provider::new(self.definition(Kind::Oidc)).unwrap()
    }

    /// The claims of an ID token that holds.
    pub(super) fn claims(&self, secrets: &FlowSecrets) -> Value {
        let now = self.clock.now().as_seconds();
        json!({
            "iss": self.uri(),
            "sub": "ada-1",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": secrets.nonce.expose(),
            "at_hash": at_hash(Algorithm::Es256, "access-1"),
            "preferred_username": "ada",
            "name": "Ada Lovelace",
            "email": "Ada@Example.com",
            "email_verified": true,
        })
    }

    /// An answer of the token endpoint's with this ID token.
    pub(super) async fn gives(&self, id_token: &str) {
        let body = json!({ "access_token": "access-1", "token_type": "Bearer", "expires_in": 600, "id_token": id_token });
        self.answers("/token", body).await;
    }

    pub(super) async fn start(&self, provider: &Provider) -> Start {
        self.start_with(provider, Asked::default()).await
    }

    pub(super) async fn start_with(&self, provider: &Provider, asked: Asked) -> Start {
        provider.start(&self.outgoing, &self.clock, &self.random, BACK, asked).await.unwrap()
    }

    pub(super) async fn finish(
        &self,
        provider: &Provider,
        secrets: &FlowSecrets,
        callback: &Callback,
    ) -> Result<Identity, ProviderError> {
        provider.finish(&self.outgoing, &self.clock, BACK, secrets, callback).await
    }

    /// The callback of somebody who agreed.
    pub(super) fn back(&self) -> Callback {
        Callback { code: Some("code-1".into()), iss: Some(self.uri()), ..Callback::default() }
    }

    /// A whole sign-in, with claims that a test has changed.
    pub(super) async fn sign_in(&self, change: impl FnOnce(&mut Value)) -> Result<Identity, ProviderError> {
        let provider = self.provider();
        let start = self.start(&provider).await;
        let mut claims = self.claims(&start.secrets);
        change(&mut claims);
        self.gives(&self.key.sign_as(ID_TOKEN_TYPE, &claims).unwrap()).await;
        self.finish(&provider, &start.secrets, &self.back()).await
    }

    /// How often a path was asked.
    pub(super) async fn asked(&self, at: &str) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.iter().filter(|request| request.url.path() == at).count()
    }

    /// The form that the newest request at a path brought.
    pub(super) async fn form(&self, at: &str) -> Vec<(String, String)> {
        let all = self.server.received_requests().await.unwrap();
        let newest = all.iter().rfind(|request| request.url.path() == at).unwrap();
        url::form_urlencoded::parse(&newest.body).into_owned().collect()
    }
}

pub(super) fn key(kid: &str, algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(kid, algorithm, &generate_key(algorithm).unwrap()).unwrap()
}

/// A parameter of a URL.
pub(super) fn param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[test]
fn what_is_kept_between_comes_back_whole() {
    let secrets = FlowSecrets {
        state: PlainSecret::new("s"),
        nonce: PlainSecret::new("n"),
        verifier: PlainSecret::new("v"),
        fresh_since: Some(Timestamp::from_seconds(5)),
    };
    let again = FlowSecrets::from_json(&secrets.to_json()).unwrap();
    assert_eq!((again.state.expose(), again.nonce.expose(), again.verifier.expose()), ("s", "n", "v"));
    assert_eq!(again.fresh_since, secrets.fresh_since);
    let tokens = Tokens {
        access: PlainSecret::new("a"),
        refresh: Some(PlainSecret::new("r")),
        expires_at: None,
        scopes: vec!["repo".into()],
    };
    let again = Tokens::from_json(&tokens.to_json()).unwrap();
    assert_eq!((again.access.expose(), again.refresh.unwrap().expose()), ("a", "r"));
    assert_eq!((again.expires_at, again.scopes), (None, tokens.scopes));
    assert!(Tokens::from_json(b"{}").is_none());
}
