//! Requests over HTTP, as browsers and clients send them.

use keyway_core::Duration;
use keyway_core::jwt::{Algorithm, Purpose};
use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_store::testing::Backend;
use serde_json::Value;

use super::*;
use crate::flows::jwt;
use crate::flows::tokens::tests::world::{VERIFIER, World};
use crate::testing::{Answer, Browser};

const CALLBACK: &str = "https://app.example.com/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GRACE: &str = "grace@example.com";
const PASSWORD: &str = "correct horse 42";

#[test]
fn signing_in_again_is_asked_for_once() {
    assert_eq!(without_login("a=1&prompt=login&b=2"), "a=1&b=2");
    assert_eq!(without_login("prompt=login+consent"), "prompt=consent");
    assert_eq!(without_login("max_age=0&b=2"), "b=2");
    assert_eq!(without_login("max_age=00"), "");
    assert_eq!(without_login("max_age=60"), "max_age=60");
}

async fn app(it: &World) -> Client {
    let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    it.it.execute(&format!("UPDATE clients SET redirect_uris = '[\"{CALLBACK}\"]'"));
    app
}

fn query(app: &Client, more: &[(&str, &str)]) -> String {
    let id = app.id.to_string();
    let mut all = vec![
        ("client_id", id.as_str()),
        ("response_type", "code"),
        ("scope", "notes:read"),
        ("state", "s1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    if !more.iter().any(|(name, _)| *name == "redirect_uri") {
        all.push(("redirect_uri", CALLBACK));
    }
    all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
}

fn path(app: &Client, more: &[(&str, &str)]) -> String {
    again(&query(app, more))
}

/// What came back to the app by redirect.
#[track_caller]
fn answered(answer: &Answer, name: &str) -> Option<String> {
    let to = answer.location();
    assert!(to.starts_with(CALLBACK), "{} {to} {}", answer.status, answer.body);
    let url = url::Url::parse(to).unwrap();
    let value = url.query_pairs().find(|(key, _)| key == name);
    value.map(|(_, value)| value.into_owned())
}

fn hidden(page: &Answer, name: &str) -> String {
    let (_, rest) = page.body.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#x2F;", "/")
}

/// Presses a button of the consent page.
async fn press(browser: &mut Browser<'_>, page: &Answer, decision: &str) -> Answer {
    let (csrf, request) = (page.csrf(), hidden(page, "request"));
    let fields = [("csrf", csrf.as_str()), ("request", &request), ("decision", decision)];
    browser.post_raw("/oauth/consent", &fields).await
}

async fn push(it: &World, app: &Client, more: &[(&str, &str)]) -> Answer {
    let text = query(app, more);
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let fields: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Browser::new(&it.it).post_raw("/oauth/par", &fields).await
}

fn pushed_path(app: &Client, pushed: &Answer) -> String {
    let body: Value = serde_json::from_str(&pushed.body).unwrap();
    assert_eq!(body["expires_in"], 600);
    let id = app.id.to_string();
    let pairs = [("client_id", id.as_str()), ("request_uri", body["request_uri"].as_str().unwrap())];
    crate::state::with_query("/oauth/authorize", &pairs)
}

#[tokio::test]
async fn a_pushed_request_outlives_the_sign_in_and_is_answered_once() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = app(&it).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        browser.submit("/", "/sign-out", &[]).await.expect(303);
        let pushed = push(&it, &app, &[]).await.expect(201);
        assert_eq!(pushed.header("cache-control"), "no-store");
        // Whatever stands beside it does not count.
        let path =
            format!("{}&state=other&redirect_uri=https%3A%2F%2Fevil.example", pushed_path(&app, &pushed));
        let away = browser.get(&path).await.expect(303);
        let sign_in = away.location().to_owned();
        let page = browser.get(&sign_in).await.expect(200);
        assert!(page.body.contains("to continue to"));
        assert!(
            page.header("content-security-policy").contains("form-action 'self' https://app.example.com")
        );
        let fields = [("email", GRACE), ("password", PASSWORD), ("return_to", &hidden(&page, "return_to"))];
        let back = browser.submit(&sign_in, "/sign-in", &fields).await.expect(303);
        let consent = browser.get(back.location()).await.expect(200);
        let given = press(&mut browser, &consent, "allow").await.expect(303);
        assert_eq!(answered(&given, "state").as_deref(), Some("s1"));
        assert_eq!(answered(&given, "iss").as_deref(), Some("http://localhost:8080"));
        let code = answered(&given, "code").unwrap();
        let id = app.id.to_string();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", &id),
        ];
        browser.post_raw("/oauth/token", &fields).await.expect(200);
        browser.get(&path).await.expect(400);
    }
}

#[tokio::test]
async fn a_pushed_request_is_its_clients_own_and_over_after_ten_minutes_or_a_refusal() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = app(&it).await;
        let other = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        let pushed = push(&it, &app, &[]).await.expect(201);
        browser.get(&pushed_path(&other, &pushed)).await.expect(400);
        let consent = browser.get(&pushed_path(&app, &pushed)).await.expect(200);
        let refused = press(&mut browser, &consent, "deny").await.expect(303);
        assert_eq!(answered(&refused, "error").as_deref(), Some("access_denied"));
        assert_eq!(answered(&refused, "state").as_deref(), Some("s1"));
        browser.get(&pushed_path(&app, &pushed)).await.expect(400);
        let late = push(&it, &app, &[]).await.expect(201);
        it.it.clock.advance(Duration::minutes(10));
        browser.get(&pushed_path(&app, &late)).await.expect(400);
    }
}

#[tokio::test]
async fn what_may_not_be_asked_may_not_be_pushed() {
    let it = World::new(Backend::Sqlite).await;
    let app = app(&it).await;
    for (more, error) in [
        (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
        (("request", "e30.e30."), "request_not_supported"),
        (("redirect_uri", "https://evil.example/"), "invalid_request"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("response_mode", "fragment"), "invalid_request"),
    ] {
        let refused = push(&it, &app, &[more]).await.expect(400);
        let body: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(body["error"], error, "{more:?}");
    }
    Browser::new(&it.it).post_raw("/oauth/par", &[("client_id", "nobody")]).await.expect(401);
}

#[tokio::test]
async fn errors_go_back_with_state_and_issuer() {
    let it = World::new(Backend::Sqlite).await;
    let app = app(&it).await;
    let mut browser = Browser::new(&it.it);
    for (more, error) in [
        (("request", "e30.e30."), "request_not_supported"),
        (("request_uri", "https://app.example.com/request"), "request_uri_not_supported"),
        (("registration", "{}"), "registration_not_supported"),
        (("prompt", "none"), "login_required"),
        (("id_token_hint", "e30.e30.x"), "invalid_request"),
    ] {
        let refused = browser.get(&path(&app, &[more])).await.expect(303);
        assert_eq!(answered(&refused, "error").as_deref(), Some(error), "{more:?}");
        assert_eq!(answered(&refused, "state").as_deref(), Some("s1"));
        assert_eq!(answered(&refused, "iss").as_deref(), Some("http://localhost:8080"));
    }
    browser.get(&path(&app, &[("redirect_uri", "https://evil.example/")])).await.expect(400);
}

#[tokio::test]
async fn an_answer_by_form_goes_to_the_app_alone() {
    let it = World::new(Backend::Sqlite).await;
    let app = app(&it).await;
    let mut browser = Browser::new(&it.it);
    browser.sign_up(GRACE).await.expect(303);
    let path = path(&app, &[("response_mode", "form_post")]);
    let consent = browser.get(&path).await.expect(200);
    let given = press(&mut browser, &consent, "allow").await.expect(200);
    assert!(given.header("content-security-policy").ends_with("form-action https://app.example.com"));
    assert_eq!(given.header("cache-control"), "no-store");
    assert!(hidden(&given, "code").starts_with("keyway_ac_"));
    assert_eq!(
        (hidden(&given, "state"), hidden(&given, "iss")),
        ("s1".into(), "http://localhost:8080".into())
    );
    assert!(!given.body.contains("name=\"csrf\"") && given.body.contains("form_post."));
}

#[tokio::test]
async fn a_request_without_redirect_uri_goes_to_the_only_one() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = app(&it).await;
        let mut browser = Browser::new(&it.it);
        browser.sign_up(GRACE).await.expect(303);
        let consent = browser.get(&path(&app, &[("redirect_uri", "")])).await.expect(200);
        let given = press(&mut browser, &consent, "allow").await.expect(303);
        let (code, id) = (answered(&given, "code").unwrap(), app.id.to_string());
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", VERIFIER),
            ("client_id", &id),
        ];
        browser.post_raw("/oauth/token", &fields).await.expect(200);
        // OpenID Connect Core §3.1.2.1.
        let openid = path(&app, &[("redirect_uri", "")]).replace("notes%3Aread", "openid");
        browser.get(&openid).await.expect(400);
        it.it.execute("UPDATE clients SET redirect_uris = '[\"https://a.example/\",\"https://b.example/\"]'");
        browser.get(&path(&app, &[("redirect_uri", "")])).await.expect(400);
    }
}

#[tokio::test]
async fn asked_to_sign_in_again_the_user_does_so_once() {
    let it = World::new(Backend::Sqlite).await;
    let app = app(&it).await;
    let mut browser = Browser::new(&it.it);
    browser.sign_up(GRACE).await.expect(303);
    let consent = browser.get(&path(&app, &[])).await.expect(200);
    press(&mut browser, &consent, "allow").await.expect(303);
    let known = browser.get(&path(&app, &[])).await.expect(303);
    assert!(answered(&known, "code").is_some(), "consent is remembered");
    browser.get(&path(&app, &[("prompt", "consent")])).await.expect(200);
    it.it.clock.advance(Duration::minutes(1));
    let pushed = push(&it, &app, &[("prompt", "login")]).await.expect(201);
    let ways = [
        pushed_path(&app, &pushed),
        path(&app, &[("prompt", "login")]),
        path(&app, &[("max_age", "0")]),
        path(&app, &[("max_age", "30")]),
    ];
    for way in ways {
        it.it.clock.advance(Duration::minutes(1));
        let away = browser.get(&way).await.expect(303);
        let fresh = away.location().to_owned();
        assert!(fresh.starts_with("/fresh?"), "{way}: {fresh}");
        let page = browser.get(&fresh).await.expect(200);
        let fields = [("password", PASSWORD), ("return_to", &hidden(&page, "return_to"))];
        let back = browser.submit(&fresh, "/fresh", &fields).await.expect(303);
        let given = browser.get(back.location()).await.expect(303);
        assert!(answered(&given, "code").is_some(), "{way}");
    }
}

#[tokio::test]
async fn somebody_else_is_led_through_and_too_many_requests_wait() {
    let it = World::with(Backend::Sqlite, |settings| {
        settings.limits.authorize = "60/min burst=3".parse().unwrap();
    })
    .await;
    let app = app(&it).await;
    let mut browser = Browser::new(&it.it);
    browser.sign_up(GRACE).await.expect(303);
    let path = path(&app, &[]);
    let consent = browser.get(&path).await.expect(200);
    let csrf = consent.csrf();
    let fields = [("csrf", csrf.as_str()), ("return_to", &hidden(&consent, "return_to"))];
    let out = browser.post_raw("/sign-out", &fields).await.expect(303);
    assert!(out.location().starts_with("/sign-in?return_to=%2Foauth%2Fauthorize%3F"));
    for _ in 0..3 {
        browser.get(&path).await.expect(303);
    }
    browser.get(&path).await.expect(429);
}

/// The ID token that `app` gets for who is signed in.
async fn id_token(browser: &mut Browser<'_>, app: &Client) -> String {
    let ask = path(app, &[("scope", "openid")]).replacen("scope=notes%3Aread&", "", 1);
    let consent = browser.get(&ask).await.expect(200);
    let given = press(browser, &consent, "allow").await.expect(303);
    let (code, id) = (answered(&given, "code").unwrap(), app.id.to_string());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &id),
    ];
    let tokens = browser.post_raw("/oauth/token", &fields).await.expect(200);
    let tokens: Value = serde_json::from_str(&tokens.body).unwrap();
    tokens["id_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hint_at_another_user_asks_that_one_to_sign_in() {
    let it = World::new(Backend::Sqlite).await;
    let (portal, purpose) = (&it.it.portal, Purpose::IdToken(Algorithm::Es256));
    jwt::ensure(&portal.store, &portal.issuance.ring, it.act(), &[purpose]).await.unwrap();
    let app = app(&it).await;
    it.it.execute("UPDATE clients SET id_token_algorithm = 'ES256'");
    let mut browser = Browser::new(&it.it);
    browser.sign_up(GRACE).await.expect(303);
    let hint = id_token(&mut browser, &app).await;
    let consent = browser.get(&path(&app, &[("id_token_hint", &hint)])).await.expect(200);
    press(&mut browser, &consent, "allow").await.expect(303);
    browser.submit("/", "/sign-out", &[]).await.expect(303);
    browser.sign_up("bob@example.com").await.expect(303);
    let silent = browser.get(&path(&app, &[("id_token_hint", &hint), ("prompt", "none")])).await.expect(303);
    assert_eq!(answered(&silent, "error").as_deref(), Some("login_required"));
    let away = browser.get(&path(&app, &[("id_token_hint", &hint)])).await.expect(303);
    let sign_in = away.location().to_owned();
    let page = browser.get(&sign_in).await.expect(200);
    let fields = [("email", GRACE), ("password", PASSWORD), ("return_to", &hidden(&page, "return_to"))];
    let back = browser.submit(&sign_in, "/sign-in", &fields).await.expect(303);
    let to = back.location().to_owned();
    assert!(to.starts_with("/oauth/authorize?"), "{to}");
    let next = browser.get(&to).await;
    assert!(next.status.as_u16() == 200 || answered(&next, "code").is_some(), "{}", next.body);
}
