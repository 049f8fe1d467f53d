//! A device, its person's browser, and strangers.

use keyway_core::Duration;
use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_store::testing::Backend;
use serde_json::Value;

use crate::flows::tokens::tests::world::World;
use crate::testing::{Answer, Browser};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const GRACE: &str = "grace@example.com";

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}

struct Device<'w> {
    it: &'w World,
    client: String,
    code: String,
    user_code: String,
}

impl<'w> Device<'w> {
    async fn start(it: &'w World, app: &Client) -> Self {
        let client = app.id.to_string();
        let fields = [("client_id", client.as_str()), ("scope", "notes:read")];
        let given = Browser::new(&it.it).post_raw("/oauth/device_authorization", &fields).await.expect(200);
        assert_eq!(given.header("cache-control"), "no-store");
        let body = json(&given);
        assert_eq!((&body["expires_in"], &body["interval"]), (&600.into(), &5.into()));
        assert_eq!(body["verification_uri"], "http://localhost:8080/device");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (code, user_code) = (text("device_code"), text("user_code"));
        assert_eq!(
            text("verification_uri_complete"),
            format!("http://localhost:8080/device?user_code={user_code}")
        );
        assert!(code.starts_with("keyway_dc_"));
        Self { it, client, code, user_code }
    }

    async fn poll_as(&self, client: &str) -> Answer {
        let fields = [("grant_type", GRANT), ("device_code", self.code.as_str()), ("client_id", client)];
        Browser::new(&self.it.it).post_raw("/oauth/token", &fields).await
    }

    async fn refused(&self) -> String {
        let answer = self.poll_as(&self.client).await.expect(400);
        json(&answer)["error"].as_str().unwrap().to_owned()
    }

    /// Types the code and presses a button.
    async fn decide(&self, browser: &mut Browser<'_>, decision: &str) -> Answer {
        let code = self.user_code.to_lowercase();
        let page = browser.submit("/device", "/device", &[("user_code", &code)]).await.expect(200);
        assert!(page.body.contains("Read your notes") && page.body.contains("127.0.0.1"), "{}", page.body);
        assert!(page.body.contains("only if you started this yourself"));
        let csrf = page.csrf();
        let fields = [("user_code", self.user_code.as_str()), ("decision", decision), ("csrf", &csrf)];
        browser.post_raw("/device/decision", &fields).await
    }
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_after_its_person_said_yes() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        let device = Device::start(&it, &app).await;
        assert_eq!(device.refused().await, "authorization_pending");
        let done = device.decide(&mut browser, "allow").await.expect(303);
        assert_eq!(done.location(), "/device/connected");
        browser.get("/device/connected").await.expect(200);
        // Another client does not get them.
        let other = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let stolen = device.poll_as(&other.id.to_string()).await.expect(400);
        assert_eq!(json(&stolen)["error"], "invalid_grant");
        it.it.clock.advance(Duration::seconds(5));
        let tokens = json(&device.poll_as(&device.client).await.expect(200));
        assert!(tokens["scope"].as_str().unwrap().contains("notes:read"));
        assert!(tokens["refresh_token"].is_string());
        assert_eq!(device.refused().await, "invalid_grant");
        // The device is not the browser: signing out there leaves it connected.
        browser.submit("/", "/sign-out", &[]).await.expect(303);
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ("client_id", &device.client),
        ];
        Browser::new(&it.it).post_raw("/oauth/token", &fields).await.expect(200);
        // What was answered is not answered again.
        browser.sign_in(GRACE, "correct horse 42").await.expect(303);
        browser.submit("/device", "/device", &[("user_code", &device.user_code)]).await.expect(422);
        // Consent to one device is none for the next.
        let next = Device::start(&it, &app).await;
        assert_eq!(next.refused().await, "authorization_pending");
        next.decide(&mut browser, "deny").await.expect(303);
        assert_eq!(next.refused().await, "access_denied");
    }
}

#[tokio::test]
async fn of_many_polls_at_once_one_gets_the_tokens() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        let device = Device::start(&it, &app).await;
        device.decide(&mut browser, "allow").await.expect(303);
        let polls = futures_util::future::join_all((0..8).map(|_| device.poll_as(&device.client))).await;
        let given = polls.iter().filter(|answer| answer.status.as_u16() == 200).count();
        assert_eq!(given, 1, "{backend:?}");
        assert!(
            polls
                .iter()
                .all(|answer| answer.status.as_u16() == 200 || json(answer)["error"] == "invalid_grant")
        );
    }
}

#[tokio::test]
async fn a_device_that_polls_too_often_waits_five_seconds_longer_each_time() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let device = Device::start(&it, &app).await;
        assert_eq!(device.refused().await, "authorization_pending");
        it.it.clock.advance(Duration::seconds(5));
        assert_eq!(device.refused().await, "authorization_pending");
        it.it.clock.advance(Duration::seconds(3));
        assert_eq!(device.refused().await, "slow_down");
        it.it.clock.advance(Duration::seconds(9));
        assert_eq!(device.refused().await, "slow_down", "the interval is ten seconds by now");
        it.it.clock.advance(Duration::seconds(15));
        assert_eq!(device.refused().await, "authorization_pending");
        it.it.clock.advance(Duration::minutes(10));
        assert_eq!(device.refused().await, "expired_token");
    }
}

#[tokio::test]
async fn guesses_at_a_code_are_limited_and_a_right_one_takes_nothing_back() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        let device = Device::start(&it, &app).await;
        let typed = |code: &'static str| [("user_code", code)];
        browser.submit("/device", "/device", &typed("BCDF")).await.expect(422);
        for _ in 0..4 {
            browser.submit("/device", "/device", &typed("BBBB-BBBB")).await.expect(422);
        }
        browser.submit("/device", "/device", &[("user_code", &device.user_code)]).await.expect(200);
        browser.submit("/device", "/device", &typed("BBBB-BBBB")).await.expect(422);
        let over =
            browser.submit("/device", "/device", &[("user_code", &device.user_code)]).await.expect(429);
        assert_eq!(over.header("retry-after"), "5");
        // Another account at this address waits too.
        let mut other = Browser::new(&it.it);
        other.sign_up("bob@example.com").await.expect(303);
        other.submit("/device", "/device", &typed("BBBB-BBBB")).await.expect(429);
        it.it.clock.advance(Duration::seconds(5));
        browser.submit("/device", "/device", &[("user_code", &device.user_code)]).await.expect(200);
    }
}

#[tokio::test]
async fn who_is_not_signed_in_comes_back_to_the_code() {
    let it = World::new(Backend::Sqlite).await;
    let mut browser = Browser::new(&it.it);
    let away = browser.get("/device?user_code=BCDF-GHJK").await.expect(303);
    assert_eq!(away.location(), "/sign-in?return_to=%2Fdevice%3Fuser_code%3DBCDF-GHJK");
    browser.sign_up(GRACE).await.expect(303);
    let page = browser.get("/device?user_code=bcdfghjk").await.expect(200);
    assert!(page.body.contains("value=\"BCDF-GHJK\""));
    // A form from elsewhere decides nothing.
    let fields = [("user_code", "BCDF-GHJK"), ("decision", "allow")];
    browser.post_raw("/device/decision", &fields).await.expect(403);
}

#[tokio::test]
async fn only_clients_registered_for_devices_get_codes() {
    let it = World::new(Backend::Sqlite).await;
    let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    let (id, path) = (app.id.to_string(), "/oauth/device_authorization");
    let ask = async |fields: &[(&str, &str)]| Browser::new(&it.it).post_raw(path, fields).await;
    assert_eq!(json(&ask(&[]).await.expect(401))["error"], "invalid_client");
    let unknown = [("client_id", id.as_str()), ("scope", "notes:burn")];
    assert_eq!(json(&ask(&unknown).await.expect(400))["error"], "invalid_scope");
    it.it.execute("UPDATE clients SET grant_types = 'authorization_code'");
    assert_eq!(json(&ask(&[("client_id", &id)]).await.expect(400))["error"], "unauthorized_client");
}
