//! Tokens of a trusted issuer: good for who has connected the account, as long as it is connected, and no longer.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration as StdDuration, Instant};

use actix_web::web;
use keyway_cli::house::sample_settings;
use keyway_cli::servers::Servers;
use keyway_core::ids::{ConnectionId, OwnerId};
use keyway_core::jwt::{Algorithm, SigningKey, generate_key};
use keyway_core::oauth::{ClientKind, GrantType};
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Duration};
use keyway_guard::remote::RemoteSource;
use keyway_portal::flows::accounts;
use keyway_portal::flows::clients::NewClient;
use keyway_portal::flows::connections::end_connections;
use keyway_store::StoreError;
use keyway_store::tables::connections::{self, Connection};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::harness::actors::{Actor, JwtClient, http};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::notebook;
use crate::harness::reply::Reply;

/// The API, and what the issuer calls it.
const API: &str = "http://notes.example";
const AUDIENCE: &str = "https://notes.example/of-the-issuer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Somebody else's authorization server.
struct Issuer {
    server: MockServer,
    signer: SigningKey,
    published: Arc<Mutex<Value>>,
    fetches: Arc<AtomicUsize>,
}

fn signer(kid: &str) -> SigningKey {
    let der = generate_key(Algorithm::Es256).unwrap();
    SigningKey::from_pkcs8(kid, Algorithm::Es256, &der).unwrap()
}

fn set_of(signer: &SigningKey) -> Value {
    json!({ "keys": [signer.public_jwk().unwrap()] })
}

impl Issuer {
    async fn start() -> Self {
        let (server, signer) = (MockServer::start().await, signer("1"));
        let published = Arc::new(Mutex::new(set_of(&signer)));
        let fetches = Arc::new(AtomicUsize::new(0));
        let metadata = json!({ "issuer": server.uri(), "jwks_uri": format!("{}/keys", server.uri()) });
        let found = ResponseTemplate::new(200).set_body_json(metadata);
        let discovery = Mock::given(method("GET")).and(path("/.well-known/openid-configuration"));
        discovery.respond_with(found).mount(&server).await;
        let (keys, count) = (Arc::clone(&published), Arc::clone(&fetches));
        let answer = move |_: &Request| {
            count.fetch_add(1, Ordering::SeqCst);
            ResponseTemplate::new(200).set_body_json(&*keys.lock())
        };
        Mock::given(method("GET")).and(path("/keys")).respond_with(answer).mount(&server).await;
        Self { server, signer, published, fetches }
    }

    fn uri(&self) -> String {
        self.server.uri()
    }

    /// Signs with another key from now on; the first is published no more.
    fn rotate(&mut self, kid: &str) {
        self.signer = signer(kid);
        *self.published.lock() = set_of(&self.signer);
    }

    fn claims(&self, app: &TestApp) -> Value {
        let now = app.clock.now().as_seconds();
        json!({ "iss": self.uri(), "sub": "ada-there", "aud": AUDIENCE, "exp": now + 300, "iat": now,
            "client_id": "spa", "jti": "1", "scope": "openid read keys:write" })
    }

    fn token(&self, app: &TestApp) -> JwtClient {
        holder(self.signer.sign_as("at+jwt", &self.claims(app)).unwrap())
    }

    /// Knows the opaque token `token`, and says `claims` of it to whom it trusts.
    async fn knows(&self, token: &str, claims: Value) {
        let asked = Mock::given(method("POST"))
            .and(path("/introspect"))
            .and(header("authorization", "Basic a2V5d2F5Om91ciUyRnNlY3JldA=="))
            .and(body_string_contains(format!("token={token}&")));
        asked.respond_with(ResponseTemplate::new(200).set_body_json(claims)).mount(&self.server).await;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn holder(access: String) -> JwtClient {
    JwtClient { http: http(), access, refresh: None }
}

async fn start(backend: Backend, issuer: &Issuer) -> TestApp {
    let trusted = format!(
        r#"[{{issuer="{uri}",audience="{AUDIENCE}",api="{API}",algorithms=["ES256"],scopes=[{{when="read",grant=["notes:read"]}}],introspection_endpoint="{uri}/introspect",client_id="keyway",client_secret="our/secret"}}]"#,
        uri = issuer.uri()
    );
    let apis = format!(
        r#"[{{audience="{API}",name="Notes",base_url="{API}",scopes=[{{name="notes:read",description="r"}},{{name="notes:write",description="w"}}]}}]"#
    );
    let settings = [
        ("KEYWAY_TRUSTED_ISSUERS", trusted.as_str()),
        ("KEYWAY_APIS", &apis),
        ("KEYWAY_AUDIENCE", API),
        ("KEYWAY_LIMITS__UNKNOWN_CREDENTIALS", "off"),
    ];
    TestApp::start_with(backend, &settings).await
}

async fn connect(app: &TestApp, issuer: &Issuer, owner: OwnerId) {
    let now = app.clock.now();
    let connection = Connection {
        id: ConnectionId::new(now, &*app.house.random),
        owner,
        provider: "login".into(),
        issuer: issuer.uri(),
        subject: "ada-there".into(),
        account: "ada".into(),
        demo: false,
        scopes: vec![],
        connected_at: now,
        last_sign_in_at: None,
        tokens: None,
        refreshed_at: None,
        broken_at: None,
    };
    let insert = app.house.store.write(move |tx| connections::insert(tx.conn(), &connection));
    insert.await.map_err(|error: StoreError| error).unwrap();
}

async fn disconnect(app: &TestApp, owner: OwnerId) {
    let act = app.house.command();
    app.house.store.write(move |tx| end_connections(tx, &act, owner)).await.unwrap();
}

async fn exchange(app: &TestApp, subject: &str, subject_type: &str, more: &[(&str, &str)]) -> Reply {
    let mut fields =
        vec![("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", subject_type)];
    fields.extend_from_slice(more);
    app.anonymous.post_form(&app.url("/oauth/token"), &fields).await
}

#[tokio::test]
async fn a_trusted_issuers_token_works_for_who_connected_the_account_until_it_is_disconnected() {
    for backend in Backend::ALL {
        let issuer = Issuer::start().await;
        let app = start(backend, &issuer).await;
        let ada = app.person("ada@example.com", false).await;
        let (token, url) = (issuer.token(&app), app.api("/v1/whoami"));
        assert_eq!(token.get(&url).await.refusal(), (401, "invalid_credential".into()), "not connected");
        connect(&app, &issuer, ada).await;
        app.advance(Duration::seconds(3));
        let told = token.get(&url).await.expect(200).json();
        assert_eq!((&told["method"], &told["subject"]), (&json!("jwt"), &json!(ada.to_string())));
        assert_eq!((&told["scopes"], &told["client"]), (&json!(["notes:read"]), &Value::Null));
        assert_eq!(told["checked_by"], "look-up");
        assert_eq!(token.get(&url).await.expect(200).json()["checked_by"], "cache");
        let note = json!({ "title": "t", "body": "b" });
        let written = token.post_json(&app.api("/v1/notes"), &note).await;
        assert_eq!(written.refusal(), (403, "insufficient_scope".into()));
        let managed = token.get(&app.url("/api/v1/keys")).await;
        assert_eq!(managed.refusal(), (401, "invalid_credential".into()));
        let act = app.house.command();
        app.house.store.write(move |tx| accounts::suspend(tx, &act, ada)).await.unwrap();
        assert_eq!(token.get(&url).await.refusal(), (401, "owner_suspended".into()));
        let act = app.house.command();
        app.house.store.write(move |tx| accounts::resume(tx, &act, ada)).await.unwrap();
        token.get(&url).await.expect(200);
        disconnect(&app, ada).await;
        assert_eq!(token.get(&url).await.refusal(), (401, "invalid_credential".into()));
        app.stop().await;
    }
}

#[tokio::test]
async fn after_the_issuers_key_rotates_its_tokens_still_work() {
    let mut issuer = Issuer::start().await;
    let app = start(Backend::Sqlite, &issuer).await;
    let ada = app.person("ada@example.com", false).await;
    connect(&app, &issuer, ada).await;
    let (first, url) = (issuer.token(&app), app.api("/v1/whoami"));
    first.get(&url).await.expect(200);
    issuer.rotate("2");
    issuer.token(&app).get(&url).await.expect(200);
    assert_eq!(issuer.fetches(), 2);
    // What the key that is gone has signed is known for a minute at most.
    app.advance(Duration::seconds(61));
    assert_eq!(first.get(&url).await.status, 401);
    app.advance(Duration::minutes(60));
    issuer.token(&app).get(&url).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn unknown_keys_do_not_make_the_portal_hammer_the_issuer() {
    let issuer = Issuer::start().await;
    let app = start(Backend::Sqlite, &issuer).await;
    let ada = app.person("ada@example.com", false).await;
    connect(&app, &issuer, ada).await;
    let url = app.api("/v1/whoami");
    let mut calls = JoinSet::new();
    for n in 0..1_000 {
        let token = holder(signer(&format!("unknown-{n}")).sign_as("at+jwt", &issuer.claims(&app)).unwrap());
        let token = JwtClient { http: app.anonymous.http.clone(), ..token };
        let url = url.clone();
        calls.spawn(async move { token.get(&url).await.status.as_u16() });
        if n % 50 == 49 {
            while let Some(status) = calls.join_next().await {
                assert_eq!(status.unwrap(), 401);
            }
        }
    }
    assert!(issuer.fetches() <= 2, "{}", issuer.fetches());
    issuer.token(&app).get(&url).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_exactly_what_is_trusted_is_refused() {
    let issuer = Issuer::start().await;
    let app = start(Backend::Sqlite, &issuer).await;
    let ada = app.person("ada@example.com", false).await;
    connect(&app, &issuer, ada).await;
    let url = app.api("/v1/whoami");
    let with = |typ: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = issuer.claims(&app);
        change(&mut claims);
        holder(issuer.signer.sign_as(typ, &claims).unwrap())
    };
    with("at+jwt", &|_| {}).get(&url).await.expect(200);
    for (what, token) in [
        ("an ID token", with("JWT", &|claims| claims["aud"] = json!("client"))),
        ("an ID token's claims", with("at+jwt", &|claims| claims["nonce"] = json!("n"))),
        ("typ", with("JWT", &|_| {})),
        ("aud", with("at+jwt", &|claims| claims["aud"] = json!(API))),
        ("iss", with("at+jwt", &|claims| claims["iss"] = json!(format!("{}/", issuer.uri())))),
        ("sub", with("at+jwt", &|claims| claims["sub"] = json!("eve-there"))),
        ("no exp", with("at+jwt", &|claims| claims["exp"] = Value::Null)),
        ("another key", holder(signer("1").sign_as("at+jwt", &issuer.claims(&app)).unwrap())),
    ] {
        assert_eq!(token.get(&url).await.refusal(), (401, "invalid_credential".into()), "{what}");
    }
    let der = generate_key(Algorithm::EdDsa).unwrap();
    let other = SigningKey::from_pkcs8("1", Algorithm::EdDsa, &der).unwrap();
    *issuer.published.lock() = set_of(&other);
    app.advance(Duration::minutes(60));
    let of_other = holder(other.sign_as("at+jwt", &issuer.claims(&app)).unwrap());
    assert_eq!(of_other.get(&url).await.status, 401, "an algorithm that is not accepted");
    *issuer.published.lock() = set_of(&issuer.signer);
    app.advance(Duration::minutes(60));
    let expired = with("at+jwt", &|claims| claims["exp"] = claims["iat"].clone());
    assert_eq!(expired.get(&url).await.refusal(), (401, "expired".into()));
    let early = with("at+jwt", &|claims| claims["nbf"] = json!(claims["iat"].as_i64().unwrap() + 120));
    assert_eq!(early.get(&url).await.refusal(), (401, "not_yet_valid".into()));
    let proof = json!({ "jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" });
    let bound = with("at+jwt", &|claims| claims["cnf"] = proof.clone());
    assert_eq!(bound.get(&url).await.refusal(), (401, "proof_required".into()));
    app.stop().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_leaves_others_alone() {
    let issuer = Issuer::start().await;
    let app = start(Backend::Sqlite, &issuer).await;
    let ada = app.person("ada@example.com", false).await;
    connect(&app, &issuer, ada).await;
    *issuer.published.lock() = json!("out of order");
    let url = app.api("/v1/whoami");
    for _ in 0..8 {
        let reply = issuer.token(&app).get(&url).await;
        assert_eq!(reply.refusal(), (503, "cannot_tell".into()));
        app.advance(Duration::seconds(2));
    }
    app.key_with(ada, "notes:read", |key| key.audiences = vec![API.into()]).await.get(&url).await.expect(200);
    *issuer.published.lock() = set_of(&issuer.signer);
    app.advance(Duration::seconds(30));
    issuer.token(&app).get(&url).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn an_outside_token_is_exchanged_for_one_that_ends_with_the_connection() {
    for backend in Backend::ALL {
        let issuer = Issuer::start().await;
        let app = start(backend, &issuer).await;
        let ada = app.person("ada@example.com", false).await;
        connect(&app, &issuer, ada).await;
        let (token, url) = (issuer.token(&app), app.api("/v1/whoami"));
        let mut opaque = issuer.claims(&app);
        opaque["active"] = json!(true);
        issuer.knows("opaque-1", opaque.clone()).await;
        opaque["aud"] = json!("somebody-else");
        issuer.knows("opaque-2", opaque).await;
        issuer.knows("opaque-3", json!({ "active": false })).await;
        let mut got = Vec::new();
        for (subject, kind) in
            [(&*token.access, JWT), (&token.access, ACCESS_TOKEN), ("opaque-1", ACCESS_TOKEN)]
        {
            let reply = exchange(&app, subject, kind, &[]).await.expect(200).json();
            assert_eq!((&reply["scope"], &reply["expires_in"]), (&json!("notes:read"), &json!(300)));
            assert_eq!((&reply["token_type"], &reply["refresh_token"]), (&json!("Bearer"), &Value::Null));
            let ours = JwtClient::from_answer(&app.anonymous.http, &reply);
            let told = ours.get(&url).await.expect(200).json();
            assert_eq!(
                (&told["subject"], &told["checked_by"]),
                (&json!(ada.to_string()), &json!("signature"))
            );
            got.push(ours);
        }
        for (subject, kind) in [("opaque-1", JWT), ("opaque-2", ACCESS_TOKEN), ("opaque-3", ACCESS_TOKEN)] {
            let refused = exchange(&app, subject, kind, &[]).await;
            assert_eq!(refused.refusal(), (400, "invalid_request".into()), "{subject} as {kind}");
        }
        let elsewhere = [("subject_issuer", "https://other.example")];
        assert_eq!(exchange(&app, "opaque-1", ACCESS_TOKEN, &elsewhere).await.status, 400);
        let scope = exchange(&app, &token.access, JWT, &[("scope", "keys:write notes:write")]).await;
        assert_eq!(scope.refusal(), (400, "invalid_scope".into()));
        let managing = [("audience", &*app.url("/api/v1"))];
        let managed = exchange(&app, &token.access, JWT, &managing).await;
        assert_eq!(managed.refusal(), (400, "invalid_target".into()));
        disconnect(&app, ada).await;
        for ours in &got {
            assert_eq!(ours.get(&url).await.refusal(), (401, "revoked".into()));
        }
        assert_eq!(exchange(&app, &token.access, JWT, &[]).await.refusal(), (400, "invalid_request".into()));
        app.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_exchanges_gets_no_more_than_its_own_scopes() {
    let issuer = Issuer::start().await;
    let app = start(Backend::Sqlite, &issuer).await;
    let ada = app.person("ada@example.com", false).await;
    connect(&app, &issuer, ada).await;
    let token = issuer.token(&app);
    let fields = [("grant_type", EXCHANGE), ("subject_token", &*token.access), ("subject_token_type", JWT)];
    for (grants, scopes, status) in [
        (vec![GrantType::TokenExchange], "notes:read notes:write", 200),
        (vec![GrantType::TokenExchange], "notes:write", 400),
        (vec![GrantType::ClientCredentials], "notes:read", 400),
    ] {
        let mut new = notebook(ClientKind::Confidential);
        new.profile.redirect_uris.clear();
        new.profile.grant_types = grants;
        new.profile.scopes = scopes.parse().unwrap();
        let reply = app.client(new).await.token(&fields).await.expect(status);
        if status == 200 {
            assert_eq!(reply.text("/scope"), "notes:read");
        }
    }
    app.stop().await;
}

/// Another server of the API, which asks the portal over HTTP.
async fn elsewhere(app: &TestApp) -> (String, Servers) {
    let mut new: NewClient = notebook(ClientKind::ResourceServer);
    new.audience = Some(API.parse().unwrap());
    new.profile.redirect_uris.clear();
    new.profile.grant_types.clear();
    new.profile.scopes = keyway_core::scope::ScopeSet::empty();
    let client = app.client(new).await;
    let secret = PlainSecret::new(client.secret.clone().unwrap());
    let source = RemoteSource::new(&app.portal, &client.id, secret).unwrap();
    let clock = Arc::clone(&app.clock) as Arc<dyn Clock>;
    let settings = sample_settings(&app.house.config).unwrap();
    let random = Arc::clone(&app.house.random);
    let guard = keyway_guard::Guard::new(settings, Arc::new(source), None, clock, random);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut servers = Servers::new().unwrap();
    servers.guard("elsewhere", &guard);
    let api = web::Data::new(app.house.sample_api(guard).unwrap());
    let configure = move |cfg: &mut web::ServiceConfig| keyway_sample_api::configure(cfg, api.clone());
    servers.serve(vec![listener], 1, configure).unwrap();
    (address, servers)
}

#[tokio::test]
async fn a_guard_elsewhere_hears_of_the_end_of_a_connection_within_a_second() {
    for backend in Backend::ALL {
        let mut issuer = Issuer::start().await;
        let app = start(backend, &issuer).await;
        let ada = app.person("ada@example.com", false).await;
        connect(&app, &issuer, ada).await;
        let (address, servers) = elsewhere(&app).await;
        let url = format!("{address}/v1/whoami");
        issuer.token(&app).get(&url).await.expect(200);
        issuer.rotate("2");
        let token = issuer.token(&app);
        let told = token.get(&url).await.expect(200).json();
        assert_eq!((&told["subject"], &told["checked_by"]), (&json!(ada.to_string()), &json!("look-up")));
        assert_eq!(issuer.fetches(), 2, "the portal has the keys, and no guard");
        disconnect(&app, ada).await;
        let begun = Instant::now();
        let mut turn = tokio::time::interval(StdDuration::from_millis(10));
        loop {
            turn.tick().await;
            let reply = token.get(&url).await;
            if reply.status == 401 {
                break;
            }
            assert!(begun.elapsed() < StdDuration::from_secs(1), "{}", reply.body);
        }
        servers.stop().await;
        app.stop().await;
    }
}
