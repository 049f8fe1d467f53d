//! Who sends requests: anonymous callers, holders of credentials, apps. All share one trait.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyway_core::Clock;
use keyway_core::jwt::{Algorithm, SigningKey, generate_key};
use keyway_core::oauth::dpop::{ProvenRequest, make_proof};
use keyway_core::secret::SecretDigest;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::reply::Reply;

/// Sends requests. Redirects are answers like others.
pub trait Actor: Sync {
    fn http(&self) -> &Client;
    /// Adds what the actor has to show.
    fn sign(&self, request: RequestBuilder) -> RequestBuilder;

    fn send(&self, request: RequestBuilder) -> impl Future<Output = Reply> + Send {
        let request = self.sign(request).build().expect("the request");
        let what = format!("{} {}", request.method(), request.url());
        let http = self.http().clone();
        async move {
            let response = http.execute(request).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            Reply::read(what, response).await
        }
    }
    fn get(&self, url: &str) -> impl Future<Output = Reply> + Send {
        self.send(self.http().get(url))
    }
    fn delete(&self, url: &str) -> impl Future<Output = Reply> + Send {
        self.send(self.http().delete(url))
    }
    fn json(&self, method: Method, url: &str, body: &Value) -> impl Future<Output = Reply> + Send {
        self.send(self.http().request(method, url).json(body))
    }
    fn post_json(&self, url: &str, body: &Value) -> impl Future<Output = Reply> + Send {
        self.json(Method::POST, url, body)
    }
    fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> impl Future<Output = Reply> + Send {
        self.send(self.http().post(url).form(fields))
    }
}

/// A client without redirects and with a deadline.
pub fn http() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .expect("an HTTP client")
}

/// Shows nothing.
#[derive(Clone)]
pub struct Anonymous {
    pub http: Client,
}

impl Actor for Anonymous {
    fn http(&self) -> &Client {
        &self.http
    }
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request
    }
}

/// Shows an API key in its own header.
#[derive(Clone)]
pub struct KeyClient {
    pub http: Client,
    pub id: String,
    pub key: String,
}

impl Actor for KeyClient {
    fn http(&self) -> &Client {
        &self.http
    }
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("x-api-key", &self.key)
    }
}

/// Shows an access token: a JWT or an opaque one.
#[derive(Clone)]
pub struct JwtClient {
    pub http: Client,
    pub access: String,
    pub refresh: Option<String>,
}

impl JwtClient {
    /// From a token response (RFC 6749 §5.1).
    #[track_caller]
    pub fn from_answer(http: &Client, answer: &Value) -> Self {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let access = text("access_token").unwrap_or_else(|| panic!("no access token: {answer}"));
        Self { http: http.clone(), access, refresh: text("refresh_token") }
    }
}

impl Actor for JwtClient {
    fn http(&self) -> &Client {
        &self.http
    }
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.access)
    }
}

/// An app that proves itself with its secret (HTTP Basic), or names itself if it has none.
#[derive(Clone)]
pub struct OauthClient {
    pub http: Client,
    pub portal: String,
    pub id: String,
    pub secret: Option<String>,
}

impl Actor for OauthClient {
    fn http(&self) -> &Client {
        &self.http
    }
    fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.secret {
            Some(secret) => request.basic_auth(&self.id, Some(secret)),
            None => request,
        }
    }
}

impl OauthClient {
    /// Asks the token endpoint, or one of its siblings.
    pub async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut fields = fields.to_vec();
        if self.secret.is_none() {
            fields.push(("client_id", &self.id));
        }
        self.post_form(&format!("{}{path}", self.portal), &fields).await
    }
    pub async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        self.ask("/oauth/token", fields).await
    }
}

/// The key of a client that proves for each request to hold it (RFC 9449).
#[derive(Clone)]
pub struct Prover {
    key: SigningKey,
    clock: Arc<dyn Clock>,
    count: Arc<AtomicU64>,
}

impl Prover {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let der = generate_key(Algorithm::Es256).expect("a key");
        let key = SigningKey::from_pkcs8("unused", Algorithm::Es256, &der).expect("the key");
        Self { key, clock, count: Arc::default() }
    }
    pub fn thumbprint(&self) -> String {
        self.key.public_jwk().expect("the public half").key.thumbprint().to_string()
    }
    /// A new proof for a request to `url`, with `token` if it carries one.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>) -> String {
        let access_token = token.map(|token| SecretDigest::of(token.as_bytes()));
        let request = ProvenRequest { method, url, access_token };
        let jti = self.count.fetch_add(1, Ordering::Relaxed).to_string();
        make_proof(&self.key, &request, &jti, self.clock.now()).expect("a proof")
    }
    /// Sends `request` with a proof for it and, if it carries one, with the token that it is for.
    pub async fn send(&self, request: RequestBuilder, token: Option<&str>) -> Reply {
        let (client, request) = request.build_split();
        let mut request = request.expect("the request");
        let proof = self.proof(request.method().as_str(), request.url().as_str(), token);
        request.headers_mut().insert("dpop", proof.parse().expect("a header"));
        if let Some(token) = token {
            let value = format!("DPoP {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let what = format!("{} {}", request.method(), request.url());
        Reply::read(what, client.execute(request).await.expect("an answer")).await
    }
}

impl OauthClient {
    /// Asks the token endpoint with a proof.
    pub async fn token_proven(&self, prover: &Prover, fields: &[(&str, &str)]) -> Reply {
        let mut fields = fields.to_vec();
        if self.secret.is_none() {
            fields.push(("client_id", &self.id));
        }
        let request = self.http.post(format!("{}/oauth/token", self.portal)).form(&fields);
        prover.send(self.sign(request), None).await
    }
}
