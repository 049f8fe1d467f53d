//! Two processes: the portal, and a sample API of its own that learns from the database or over HTTP. What is taken
//! away at one is refused by the other within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyway_core::clock::SystemClock;
use serde_json::Value;

use crate::harness::actors::{Actor, Anonymous, JwtClient, KeyClient, OauthClient, Prover, http};
use crate::harness::process::{Dev, Process, free_port, run_json};
use crate::harness::reply::Reply;

/// The portal of `dev`, and another sample API beside it for the same audience.
pub struct Pair {
    pub dev: Dev,
    pub api: String,
    other: Process,
    /// The resource server that the other one is at the portal.
    server: Value,
}

impl Pair {
    pub async fn start(verify: &str, more: &[(&str, &str)]) -> Self {
        let dev = Dev::start_with(more).await;
        run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
        let server = run_json(&mut dev.command(&[
            "client",
            "create",
            "--name",
            "Sample API",
            "--resource-server",
            "--audience",
            &dev.api,
            "--json",
        ]));
        let (other, api) = start_api(&dev, &server, verify, &[]).await;
        Self { dev, api, other, server }
    }

    /// One more sample API, which finds the portal at `portal`.
    pub async fn another(&self, portal: &str) -> (Process, String) {
        start_api(&self.dev, &self.server, "remote", &[("KEYWAY_PUBLIC_URL", portal)]).await
    }

    /// A key that may change others of its person.
    pub fn maker(&self) -> KeyClient {
        self.key_for("keys:read keys:write notes:read notes:write")
    }

    fn whoami(&self) -> String {
        format!("{}/v1/whoami", self.api)
    }

    fn key(&self) -> KeyClient {
        self.key_for("notes:read")
    }

    fn key_for(&self, scopes: &str) -> KeyClient {
        let made = run_json(&mut self.dev.command(&[
            "key",
            "create",
            "--user",
            "ada@example.com",
            "--name",
            "k",
            "--scope",
            scopes,
            "--json",
        ]));
        KeyClient { http: http(), id: text(&made, "id"), key: text(&made, "key") }
    }

    fn jwt(&self) -> JwtClient {
        let made = run_json(&mut self.dev.command(&[
            "token",
            "mint",
            "--user",
            "ada@example.com",
            "--scope",
            "notes:read",
            "--json",
        ]));
        JwtClient::from_answer(&http(), &made)
    }

    async fn opaque(&self) -> (OauthClient, JwtClient) {
        let made = run_json(&mut self.dev.command(&[
            "client",
            "create",
            "--name",
            "Robot",
            "--grant",
            "client_credentials",
            "--scope",
            "notes:read",
            "--json",
        ]));
        let client = OauthClient {
            http: http(),
            portal: self.dev.portal.clone(),
            id: text(&made, "client_id"),
            secret: Some(text(&made, "client_secret")),
        };
        let answer = client.token(&[("grant_type", "client_credentials")]).await.expect(200);
        let token = JwtClient::from_answer(&client.http, &answer.json());
        assert!(token.access.starts_with("keyway_at_"), "{}", token.access);
        (client, token)
    }

    /// Waits for the refusal; fails if it takes longer than a second from now.
    async fn refused_within_a_second(&self, actor: &impl Actor) {
        let begun = Instant::now();
        let mut turn = tokio::time::interval(Duration::from_millis(10));
        loop {
            turn.tick().await;
            let reply = actor.get(&self.whoami()).await;
            if reply.status == 401 {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(1),
                "still accepted after a second: {}",
                reply.body
            );
        }
    }
}

async fn start_api(dev: &Dev, server: &Value, verify: &str, more: &[(&str, &str)]) -> (Process, String) {
    let port = free_port();
    let mut command = dev.command(&["sample-api", "--verify", verify]);
    command
        .env("KEYWAY_API_ADDR", format!("127.0.0.1:{port}"))
        .env("KEYWAY_AUDIENCE", &dev.api)
        .env("KEYWAY_CLIENT_ID", text(server, "client_id"))
        .env("KEYWAY_CLIENT_SECRET", text(server, "client_secret"));
    if verify == "remote" {
        // Nothing but the portal's address: neither its database nor its keys.
        let folder = dev.folder.path().join(format!("elsewhere-{port}"));
        command.env("KEYWAY_DATA_DIR", &folder).env_remove("KEYWAY_DATABASE_URL");
    }
    command.envs(more.iter().copied());
    let mut other = Process::start(command);
    let api = format!("http://127.0.0.1:{port}");
    other.ready(&format!("{api}/ping")).await;
    (other, api)
}

fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}")).to_owned()
}

async fn everything_taken_away_is_refused(pair: Pair) {
    let (key, jwt, (robot, opaque)) = (pair.key(), pair.jwt(), pair.opaque().await);
    for reply in
        [key.get(&pair.whoami()).await, jwt.get(&pair.whoami()).await, opaque.get(&pair.whoami()).await]
    {
        reply.expect(200);
    }
    let at_dev = format!("{}/v1/whoami", pair.dev.api);
    key.get(&at_dev).await.expect(200);

    run_json(&mut pair.dev.command(&["key", "revoke", &key.id, "--json"]));
    pair.refused_within_a_second(&key).await;
    assert_eq!(key.get(&pair.whoami()).await.refusal(), (401, "revoked".into()));

    let anonymous = Anonymous { http: http() };
    let refresh = jwt.refresh.clone().unwrap();
    let revoke = format!("{}/oauth/revoke", pair.dev.portal);
    anonymous.post_form(&revoke, &[("token", &refresh), ("client_id", "keyway-cli")]).await.expect(200);
    pair.refused_within_a_second(&jwt).await;

    robot.ask("/oauth/revoke", &[("token", &opaque.access)]).await.expect(200);
    pair.refused_within_a_second(&opaque).await;

    // A new key works at once; nobody has asked for it before.
    pair.key().get(&pair.whoami()).await.expect(200);
    assert_eq!(pair.other.terminate().await.code(), Some(0));
    assert_eq!(pair.dev.process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_process_on_the_same_sqlite_file_refuses_within_a_second() {
    everything_taken_away_is_refused(Pair::start("store", &[]).await).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_postgresql_refuses_within_a_second() {
    let database = keyway_store::testing::TestDatabase::postgres();
    let url = [("KEYWAY_DATABASE_URL", database.url_text())];
    everything_taken_away_is_refused(Pair::start("store", &url).await).await;
}

#[tokio::test]
async fn a_guard_that_asks_over_http_refuses_within_a_second() {
    everything_taken_away_is_refused(Pair::start("remote", &[]).await).await;
}

#[tokio::test]
async fn a_guard_that_asks_over_http_wants_proof_of_a_bound_tokens_key() {
    let pair = Pair::start("remote", &[]).await;
    let (robot, free) = pair.opaque().await;
    let prover = Prover::new(Arc::new(SystemClock::new()));
    let answer = robot.token_proven(&prover, &[("grant_type", "client_credentials")]).await.expect(200);
    let bound = JwtClient::from_answer(&robot.http, &answer.json());
    assert_eq!(bound.get(&pair.whoami()).await.refusal(), (401, "proof_required".into()));
    // Callers know the API by its public URL, whichever process answers.
    let public = format!("{}/v1/whoami", pair.dev.api);
    let send = |url: &str, token: &str| {
        let proof = prover.proof("GET", url, Some(token));
        let request = robot.http.get(pair.whoami()).header("dpop", proof);
        request.header("authorization", format!("DPoP {token}")).send()
    };
    assert_eq!(send(&public, &bound.access).await.unwrap().status(), 200);
    assert_eq!(send(&public, &bound.access).await.unwrap().status(), 200);
    assert_eq!(send(&pair.whoami(), &bound.access).await.unwrap().status(), 401);
    assert_eq!(send(&public, &free.access).await.unwrap().status(), 401);
    free.get(&pair.whoami()).await.expect(200);
}

#[tokio::test]
async fn a_guard_whose_portal_is_gone_cannot_tell() {
    let mut pair = Pair::start("remote", &[("KEYWAY_GUARD__MAX_STALENESS", "1s")]).await;
    let key = pair.key();
    key.get(&pair.whoami()).await.expect(200);
    pair.dev.process.kill();
    let begun = Instant::now();
    let mut turn = tokio::time::interval(Duration::from_millis(50));
    loop {
        turn.tick().await;
        let reply = key.get(&pair.whoami()).await;
        if reply.status == 503 {
            assert!(reply.header("retry-after").is_some());
            break;
        }
        reply.expect(200);
        assert!(begun.elapsed() < Duration::from_secs(5), "still accepted without its portal");
    }
    pair.dev.start_again().await;
    let mut turn = tokio::time::interval(Duration::from_millis(50));
    let begun = Instant::now();
    while key.get(&pair.whoami()).await.status != 200 {
        turn.tick().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "still refused with its portal back");
    }
}

#[tokio::test]
async fn guards_over_http_and_beside_the_database_share_a_quota_that_outlives_kill_9() {
    let mut pair = Pair::start("remote", &[("KEYWAY_LIMITS__CREDENTIAL_MONTHLY", "1000")]).await;
    let key = pair.key();
    let left = |reply: Reply| {
        let caller = reply.expect(200).json();
        caller["limits"]["credential_month"]["remaining"].as_u64().expect("a number")
    };
    let here = format!("{}/v1/whoami", pair.dev.api);
    for call in 1..=10 {
        assert_eq!(left(key.get(&here).await), 1000 - call);
    }
    // What the one has counted, the other is told with its next batch.
    let (mut turn, begun, mut calls) = (tokio::time::interval(Duration::from_millis(100)), Instant::now(), 0);
    loop {
        turn.tick().await;
        calls += 1;
        let left = left(key.get(&pair.whoami()).await);
        assert!(left >= 1000 - 10 - calls, "{left} left after {calls} calls");
        if left == 1000 - 10 - calls {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{left} left after {calls} calls");
    }
    pair.dev.process.kill();
    pair.dev.start_again().await;
    let left = left(key.get(&here).await);
    assert!(
        (1000 - 10 - calls - 1..=1000 - 10 - 1).contains(&left),
        "{left} left after {calls} calls elsewhere"
    );
}
