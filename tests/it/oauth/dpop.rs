//! Tokens that are bound to a key (RFC 9449), from the authorization request to the API.

use keyway_core::Duration;
use keyway_core::oauth::{ClientKind, GrantType, TokenFormat};

use crate::harness::actors::{Actor, JwtClient, OauthClient, Prover};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::notebook;
use crate::harness::browser::Browser;
use crate::harness::reply::Reply;

const NO_GRANT: (u16, &str) = (400, "invalid_grant");
const NO_PROOF: (u16, &str) = (400, "invalid_dpop_proof");

/// The product with ada, who is signed in, and two keys.
struct World {
    app: TestApp,
    browser: Browser,
    mine: Prover,
    other: Prover,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let app = TestApp::start(backend).await;
        app.person("ada@example.com", false).await;
        let browser = app.signed_in("ada@example.com").await;
        let prover = || Prover::new(app.clock.clone());
        let (mine, other) = (prover(), prover());
        Self { app, browser, mine, other }
    }

    async fn code(&self, client: &OauthClient) -> String {
        client.code(&self.browser, "notes:read").await
    }
    async fn code_for_key(&self, client: &OauthClient, thumbprint: &str) -> String {
        client.code_with(&self.browser, &[("scope", "notes:read"), ("dpop_jkt", thumbprint)]).await
    }
}

#[track_caller]
fn refused(reply: &Reply, (status, code): (u16, &str)) {
    assert_eq!(reply.refusal(), (status, code.to_owned()), "{}", reply.body);
}

#[track_caller]
fn pair(reply: Reply, token_type: &str) -> JwtClient {
    let reply = reply.expect(200);
    assert_eq!(reply.text("/token_type"), token_type);
    JwtClient::from_answer(&crate::harness::actors::http(), &reply.json())
}

#[tokio::test]
async fn the_refresh_tokens_of_a_public_client_are_bound_to_its_key() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let client = world.app.client(notebook(ClientKind::Public)).await;
        let first = pair(client.redeem_proven(&world.mine, &world.code(&client).await).await, "DPoP");
        let token = first.refresh.as_deref().unwrap();
        refused(&client.refresh(token).await, NO_GRANT);
        refused(&client.refresh_proven(&world.other, token).await, NO_GRANT);
        // Neither changed anything.
        let next = pair(client.refresh_proven(&world.mine, token).await, "DPoP");
        // Nor does a thief of the spent one, without the key.
        refused(&client.refresh(token).await, NO_GRANT);
        pair(client.refresh_proven(&world.mine, next.refresh.as_deref().unwrap()).await, "DPoP");
        world.app.stop().await;
    }
}

#[tokio::test]
async fn a_confidential_client_may_change_its_key() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let client = world.app.client(notebook(ClientKind::Confidential)).await;
        let first = pair(client.redeem_proven(&world.mine, &world.code(&client).await).await, "DPoP");
        let next = client.refresh_proven(&world.other, first.refresh.as_deref().unwrap()).await;
        let next = pair(next, "DPoP");
        let seen = client.ask("/oauth/introspect", &[("token", &next.access)]).await.expect(200);
        assert_eq!(seen.text("/cnf/jkt"), world.other.thumbprint());
        assert_eq!(seen.text("/token_type"), "DPoP");
        pair(client.refresh(next.refresh.as_deref().unwrap()).await, "Bearer");
        world.app.stop().await;
    }
}

#[tokio::test]
async fn a_code_for_a_key_needs_that_key() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let client = world.app.client(notebook(ClientKind::Public)).await;
        let code = world.code_for_key(&client, &world.mine.thumbprint()).await;
        refused(&client.redeem(&code).await, NO_GRANT);
        refused(&client.redeem_proven(&world.other, &code).await, NO_GRANT);
        pair(client.redeem_proven(&world.mine, &code).await, "DPoP");
        let reply = client.authorize(&world.browser, &[("dpop_jkt", "short")]).await;
        assert!(reply.location().contains("error=invalid_request"), "{}", reply.location());
        world.app.stop().await;
    }
}

#[tokio::test]
async fn a_proof_works_once_and_costs_nothing_where_it_is_wrong() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let client = world.app.client(notebook(ClientKind::Public)).await;
        let code = world.code(&client).await;
        let url = world.app.url("/oauth/token");
        let with = |proofs: &[&str]| {
            let mut request = client.http.post(&url).form(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", crate::harness::apps::CALLBACK),
                ("code_verifier", crate::harness::apps::VERIFIER),
                ("client_id", &client.id),
            ]);
            for proof in proofs {
                request = request.header("dpop", *proof);
            }
            client.send(request)
        };
        let good = world.mine.proof("POST", &url, None);
        let another = world.mine.proof("POST", &url, None);
        refused(&with(&[&good, &another]).await, NO_PROOF);
        refused(&with(&[""]).await, NO_PROOF);
        refused(&with(&["a.b.c"]).await, NO_PROOF);
        refused(&with(&[&world.mine.proof("GET", &url, None)]).await, NO_PROOF);
        refused(&with(&[&world.mine.proof("POST", &world.app.url("/oauth/par"), None)]).await, NO_PROOF);
        world.app.advance(Duration::seconds(-61));
        let old = world.mine.proof("POST", &url, None);
        world.app.advance(Duration::seconds(61));
        refused(&with(&[&old]).await, NO_PROOF);
        pair(with(&[&good]).await, "DPoP");
        refused(&with(&[&good]).await, NO_PROOF);
        world.app.stop().await;
    }
}

#[tokio::test]
async fn a_client_can_be_bound_to_prove_a_key_always() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let mut new = notebook(ClientKind::Confidential);
        new.profile.grant_types.push(GrantType::ClientCredentials);
        new.profile.dpop_bound = true;
        let client = world.app.client(new).await;
        let fields = [("grant_type", "client_credentials"), ("scope", "notes:read")];
        refused(&client.token(&fields).await, NO_PROOF);
        pair(client.token_proven(&world.mine, &fields).await, "DPoP");
        let code = world.code(&client).await;
        refused(&client.redeem(&code).await, NO_PROOF);
        let first = pair(client.redeem_proven(&world.mine, &code).await, "DPoP");
        refused(&client.refresh(first.refresh.as_deref().unwrap()).await, NO_PROOF);
        world.app.stop().await;
    }
}

#[tokio::test]
async fn an_exchanged_key_gives_a_bound_jwt() {
    let world = World::new(Backend::Sqlite).await;
    let ada = world.app.person("eve@example.com", false).await;
    let key = world.app.key(ada, "notes:read").await;
    let request = key.http.post(world.app.url("/oauth/token")).form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &key.key),
        ("subject_token_type", "urn:keyway:params:oauth:token-type:api-key"),
    ]);
    let token = pair(world.mine.send(request, None).await, "DPoP");
    assert_eq!(token.access.matches('.').count(), 2);
}

/// What the API says to a bound token, presented in any way but the right one and then in that.
async fn is_guarded(world: &World, url: &str, token: &str) {
    let http = &world.app.anonymous.http;
    let get = || http.get(url);
    let fail = |status: u16, code: &str| (status, code.to_owned());
    let bearer = JwtClient { http: http.clone(), access: token.to_owned(), refresh: None };
    assert_eq!(bearer.get(url).await.refusal(), fail(401, "proof_required"));
    let naked = get().header("authorization", format!("DPoP {token}"));
    assert_eq!(world.app.anonymous.send(naked).await.refusal(), fail(401, "invalid_proof"));
    assert_eq!(world.other.send(get(), Some(token)).await.refusal(), fail(401, "invalid_proof"));
    world.mine.send(get(), Some(token)).await.expect(200);
    world.mine.send(get(), Some(token)).await.expect(200);
    let again = get()
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", world.mine.proof("GET", url, Some(token)));
    let copy = again.try_clone().unwrap();
    world.app.anonymous.send(again).await.expect(200);
    let replayed = world.app.anonymous.send(copy).await;
    assert_eq!(replayed.refusal(), fail(401, "invalid_proof"));
    let challenges: Vec<_> = replayed.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    let dpop = challenges[1].to_str().unwrap();
    assert!(
        dpop.starts_with("DPoP algs=\"ES256 EdDSA Ed25519 RS256 PS256\", error=\"invalid_dpop_proof\""),
        "{dpop}"
    );
    // Still no Bearer token, from the cache.
    assert_eq!(bearer.get(url).await.refusal(), fail(401, "proof_required"));
}

#[tokio::test]
async fn apis_accept_bound_tokens_with_proof_alone() {
    for backend in Backend::ALL {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let world = World::new(backend).await;
            let mut new = notebook(ClientKind::Public);
            new.profile.token_format = format;
            new.profile.scopes = "notes:read keys:read".parse().unwrap();
            let client = world.app.client(new).await;
            for (scope, url) in [
                ("notes:read", world.app.api("/v1/notes?limit=1")),
                ("keys:read", world.app.url("/api/v1/keys")),
            ] {
                let code = client.code(&world.browser, scope).await;
                let token = pair(client.redeem_proven(&world.mine, &code).await, "DPoP");
                is_guarded(&world, &url, &token.access).await;
            }
            world.app.stop().await;
        }
    }
}

#[tokio::test]
async fn what_is_served_is_published() {
    let app = TestApp::start(Backend::Sqlite).await;
    let algorithms = serde_json::json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]);
    let portal = app.anonymous.get(&app.url("/.well-known/oauth-authorization-server")).await.expect(200);
    assert_eq!(portal.json()["dpop_signing_alg_values_supported"], algorithms);
    let api = app.anonymous.get(&app.api("/.well-known/oauth-protected-resource")).await.expect(200);
    assert_eq!(api.json()["dpop_signing_alg_values_supported"], algorithms);
    assert_eq!(api.json()["dpop_bound_access_tokens_required"], false);
    for (url, origin) in
        [(app.api("/v1/notes"), app.portal.as_str()), (app.url("/oauth/token"), "https://a.example")]
    {
        let preflight = app
            .anonymous
            .http
            .request(reqwest::Method::OPTIONS, url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,dpop");
        let reply = app.anonymous.send(preflight).await;
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
        assert!(allowed.split(", ").any(|name| name == "dpop"), "{allowed}");
    }
}
