//! Every check of the guard's order, failed by a real call and explained by the portal; and where a call fails a later
//! check too, the earlier one is named.

use keyway_core::Duration;
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::ids::OwnerId;
use keyway_core::oauth::ClientKind;
use keyway_core::random::SeededRandom;
use keyway_core::refusal::Check;
use keyway_portal::flows::explain::name;
use keyway_portal::flows::keys::{self, By};
use reqwest::RequestBuilder;
use serde_json::json;

use crate::harness::actors::{Actor, JwtClient, KeyClient, Prover};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::notebook;
use crate::harness::browser::Browser;
use crate::harness::reply::Reply;

/// The product with ada, whose calls fail; bob, whom they do not concern; and an administrator.
struct World {
    app: TestApp,
    owner: OwnerId,
    ada: Browser,
    bob: Browser,
    root: Browser,
}

/// A network that no test calls from.
const ELSEWHERE: &str = "192.0.2.0/24";

impl World {
    async fn new(backend: Backend) -> Self {
        let app = TestApp::start(backend).await;
        let owner = app.person("ada@example.com", false).await;
        app.person("bob@example.com", false).await;
        app.person("root@example.com", true).await;
        let ada = app.signed_in("ada@example.com").await;
        let bob = app.signed_in("bob@example.com").await;
        let root = app.signed_in("root@example.com").await;
        Self { app, owner, ada, bob, root }
    }

    fn whoami(&self) -> RequestBuilder {
        self.app.anonymous.http.get(self.app.api("/v1/whoami"))
    }

    /// A call that wants the scope `notes:write`.
    fn write(&self) -> RequestBuilder {
        self.app
            .anonymous
            .http
            .post(self.app.api("/v1/notes"))
            .json(&json!({ "title": "A note", "body": "" }))
    }

    async fn revoke(&self, key: &KeyClient) {
        let (act, owner, id) = (self.app.house.command(), self.owner, key.id.parse().unwrap());
        let revoke =
            move |tx: &mut keyway_store::Tx<'_>| keys::revoke(tx, &act, &By::Operator, owner, id, "lost");
        self.app.house.store.write(revoke).await.unwrap();
    }

    /// A token that works with the proof of a key alone.
    async fn bound(&self) -> JwtClient {
        let client = self.app.client(notebook(ClientKind::Public)).await;
        let prover = Prover::new(self.app.clock.clone());
        let code = client.code(&self.ada, "notes:read").await;
        let answer = client.redeem_proven(&prover, &code).await.expect(200);
        JwtClient::from_answer(&self.app.anonymous.http, &answer.json())
    }

    /// The portal says that `reply` was refused at `check`, at none before and after; to whose call it was, or where no
    /// credential was found to the administrator alone.
    async fn explains(&self, case: &str, reply: &Reply, check: Check) {
        assert_eq!(reply.text("/check"), check.as_str(), "{case}: {}", reply.body);
        let path = format!("/requests/{}", reply.header("x-request-id").unwrap());
        self.app.guard.flush().await;
        let known = check > Check::Signature;
        self.bob.get(&path).await.expect(404);
        let seen = self.ada.get(&path).await.expect(if known { 200 } else { 404 });
        let page = if known { seen } else { self.root.get(&path).await.expect(200) };
        let steps = steps(&page);
        assert_eq!(steps.len(), Check::ALL.len(), "{case}");
        for (step, expected) in steps.iter().zip(Check::ALL) {
            assert!(step.contains(name(expected)), "{case}: {step}");
            let words: &[&str] = match expected.cmp(&check) {
                std::cmp::Ordering::Less => &["Passed", "Not asked"],
                std::cmp::Ordering::Equal => &["Failed"],
                std::cmp::Ordering::Greater => &["Not reached"],
            };
            assert!(words.iter().any(|word| step.contains(word)), "{case}: {step} is not {words:?}");
        }
        self.root.get(&path).await.expect(200);
    }
}

/// The rows of the checks, in their order.
fn steps(page: &Reply) -> Vec<String> {
    page.body
        .split("<tr")
        .filter(|row| row.contains("data-label=\"Check\""))
        .map(|row| row.split("</tr").next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_no_credential_here_is_explained_to_administrators_alone() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let anonymous = &world.app.anonymous;
        world.explains("none", &anonymous.send(world.whoami()).await, Check::Parsed).await;
        let mistyped = world.whoami().bearer_auth("keyway_live_00000000000000000000000000000000000000");
        world.explains("mistyped", &anonymous.send(mistyped).await, Check::Checksum).await;
        let unknown = generate(&Brand::default(), Kind::LiveKey, &SeededRandom::new(1));
        let unknown = world.whoami().bearer_auth(unknown.expose());
        world.explains("unknown", &anonymous.send(unknown).await, Check::Found).await;
        let token = world.app.pair(world.owner, "notes:read").await.access;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = world.whoami().bearer_auth(format!("{signed}.{other}{}", &signature[1..]));
        world.explains("forged", &anonymous.send(forged).await, Check::Signature).await;
        world.app.stop().await;
    }
}

#[tokio::test]
async fn each_check_from_the_audience_on_is_named_and_never_a_later_one() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (app, ada) = (&world.app, world.owner);
        let key = |scopes, change: fn(&mut keys::RawKey)| app.key_with(ada, scopes, change);

        let elsewhere = key("keys:read", |_| {}).await;
        world.explains("another API", &elsewhere.send(world.whoami()).await, Check::IssuerAndAudience).await;
        world.revoke(&elsewhere).await;
        let reply = elsewhere.send(world.whoami()).await;
        world.explains("another API, revoked", &reply, Check::IssuerAndAudience).await;

        let bound = world.bound().await;
        world.explains("no proof", &bound.send(world.whoami()).await, Check::Proof).await;
        app.advance(Duration::minutes(16));
        world.explains("no proof, expired", &bound.send(world.whoami()).await, Check::Proof).await;

        let revoked = key("notes:read", |_| {}).await;
        revoked.send(world.whoami()).await.expect(200);
        world.revoke(&revoked).await;
        world.explains("revoked", &revoked.send(world.whoami()).await, Check::NotRevoked).await;
        let revoked = key("notes:read", |raw| raw.addresses = ELSEWHERE.into()).await;
        app.enable(ada, &revoked, false).await;
        world.revoke(&revoked).await;
        let reply = revoked.send(world.whoami()).await;
        world.explains("revoked, disabled, address", &reply, Check::NotRevoked).await;

        let disabled = key("notes:read", |raw| raw.expires = "1h".into()).await;
        app.enable(ada, &disabled, false).await;
        world.explains("disabled", &disabled.send(world.whoami()).await, Check::Enabled).await;
        let expired = key("notes:read", |raw| raw.expires = "1h".into()).await;
        let expired_elsewhere = key("notes:read", |raw| {
            raw.expires = "1h".into();
            raw.addresses = ELSEWHERE.into();
        });
        let expired_elsewhere = expired_elsewhere.await;
        app.advance(Duration::hours(1));
        world.explains("disabled, expired", &disabled.send(world.whoami()).await, Check::Enabled).await;
        world.explains("expired", &expired.send(world.whoami()).await, Check::InTime).await;
        let reply = expired_elsewhere.send(world.whoami()).await;
        world.explains("expired, address", &reply, Check::InTime).await;

        let afar = key("notes:read", |raw| raw.addresses = ELSEWHERE.into()).await;
        world.explains("address", &afar.send(world.whoami()).await, Check::Address).await;
        world.explains("address, scope", &afar.send(world.write()).await, Check::Address).await;

        let slow = key("notes:read", |raw| raw.rate = "1/min".into()).await;
        slow.send(world.whoami()).await.expect(200);
        world.explains("limit", &slow.send(world.whoami()).await, Check::Limit).await;
        world.explains("limit, scope", &slow.send(world.write()).await, Check::Limit).await;

        let reading = key("notes:read", |_| {}).await;
        world.explains("scope", &reading.send(world.write()).await, Check::Scope).await;

        let unknown = "/requests/01a20c86-acdc-7453-98eb-30947a507866";
        for browser in [&world.ada, &world.root] {
            browser.get(unknown).await.expect(404);
        }
        world.app.stop().await;
    }
}
