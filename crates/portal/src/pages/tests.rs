//! The pages of accounts, as a browser meets them.

mod by_mail;
mod errors;
mod many;
mod notices;

use keyway_core::Duration;
use keyway_store::testing::Backend;

use crate::mail::{Mailer, deliver_due, list_folder};
use crate::settings::{SignUp, VerifyEmail};
use crate::testing::{Browser, TestPortal};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse 42";

fn portals() -> impl Iterator<Item = TestPortal> {
    Backend::ALL.into_iter().map(|backend| TestPortal::new(backend, |_| {}))
}

#[actix_web::test]
async fn signing_up_leads_to_an_overview_that_offers_a_key() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        let to_sign_in = browser.get("/").await.expect(303);
        assert_eq!(to_sign_in.location(), "/sign-in");
        let anonymous = browser.get("/sign-up").await.expect(200).header("set-cookie").to_owned();
        assert_eq!(browser.sign_up(ADA).await.expect(303).location(), "/");
        let overview = browser.get("/").await.expect(200);
        assert!(overview.body.contains("Create key") && overview.body.contains("/keys/new"));
        let again = browser.get("/sign-up").await.expect(303);
        assert!(again.header("set-cookie") != anonymous);
    }
}

#[actix_web::test]
async fn signing_in_changes_the_cookie_and_signing_out_ends_the_session() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let stolen = browser.cookies.clone();
        assert_eq!(browser.submit("/", "/sign-out", &[]).await.expect(303).location(), "/sign-in");
        browser.get("/sign-in").await.expect(200);
        assert_ne!(browser.cookies, stolen);
        let mut thief = Browser::new(&portal);
        thief.cookies = stolen;
        thief.get("/").await.expect(303);
        let before = browser.cookies.clone();
        assert_eq!(browser.sign_in(ADA, PASSWORD).await.expect(303).location(), "/");
        assert_ne!(browser.cookies, before);
        browser.get("/").await.expect(200);
    }
}

#[actix_web::test]
async fn unknown_and_known_accounts_get_the_same_words() {
    for portal in portals() {
        Browser::new(&portal).sign_up(ADA).await.expect(303);
        let wrong = Browser::new(&portal).sign_in(ADA, "wrong password").await.expect(422);
        let unknown = Browser::new(&portal).sign_in("bob@example.com", "wrong password").await.expect(422);
        let sentence = "The e-mail address or the password is wrong.";
        assert!(wrong.body.contains(sentence) && unknown.body.contains(sentence));
        assert!(wrong.body.contains(ADA), "what was typed is kept");
        assert!(!wrong.body.contains("wrong password"), "but not the password");
    }
}

#[actix_web::test]
async fn guesses_are_slowed_down_and_the_known_browser_is_not() {
    for portal in portals() {
        let mut own = Browser::new(&portal);
        own.sign_up(ADA).await.expect(303);
        own.submit("/", "/sign-out", &[]).await.expect(303);
        let mut stranger = Browser::new(&portal);
        for _ in 0..3 {
            stranger.sign_in(ADA, "wrong password").await.expect(422);
        }
        let held = stranger.sign_in(ADA, PASSWORD).await.expect(429);
        assert_eq!(held.header("retry-after"), "5");
        own.sign_in(ADA, PASSWORD).await.expect(303);
        portal.clock.advance(Duration::seconds(5));
        stranger.sign_in(ADA, PASSWORD).await.expect(303);
    }
}

#[actix_web::test]
async fn forms_from_elsewhere_change_nothing() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    let csrf = browser.get("/sign-up").await.csrf();
    let fields = |csrf| [("name", "Ada"), ("email", ADA), ("password", PASSWORD), ("csrf", csrf)];
    browser.post_raw("/sign-up", &fields("")).await.expect(403);
    browser.post_raw("/sign-up", &fields("AAAA")).await.expect(403);
    let mut other = Browser::new(&portal);
    other.post_raw("/sign-up", &fields(&csrf)).await.expect(403);
    browser.headers.retain(|(name, _)| *name != "sec-fetch-site");
    browser.headers.push(("sec-fetch-site", "cross-site".into()));
    browser.post_raw("/sign-up", &fields(&csrf)).await.expect(403);
    browser.headers.retain(|(name, _)| *name != "sec-fetch-site");
    browser.headers.push(("origin", "http://evil.example".into()));
    browser.post_raw("/sign-up", &fields(&csrf)).await.expect(403);
    browser.headers.retain(|(name, _)| *name != "origin");
    browser.post_raw("/sign-up", &fields(&csrf)).await.expect(303);
}

#[actix_web::test]
async fn bad_input_is_refused_in_words_and_kept() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        let (long, longer) = ("x".repeat(300), "y".repeat(300));
        for (name, email, password) in
            [("", "", ""), ("Ada\u{7}", ADA, PASSWORD), (&long, "a@b@c", "short"), ("Ada", &long, &longer)]
        {
            let fields = [("name", name), ("email", email), ("password", password)];
            let again = browser.submit("/sign-up", "/sign-up", &fields).await.expect(422);
            assert!(again.body.contains("Nothing was saved."));
            assert!(password.is_empty() || !again.body.contains(&format!("value=\"{password}\"")));
        }
        let fields = [("name", "a\0b"), ("email", ADA), ("password", PASSWORD)];
        browser.submit("/sign-up", "/sign-up", &fields).await.expect(400);
        let large = "x".repeat(1_000_000);
        browser.post_raw("/sign-up", &[("name", &large)]).await.expect(413);
        let json = actix_web::test::TestRequest::post().uri("/sign-up").set_json(["a"]);
        let refused = browser.send(json).await.expect(415);
        assert!(refused.body.contains("Not a form") && !refused.header("x-request-id").is_empty());
        browser.sign_up(ADA).await.expect(303);
        let taken = Browser::new(&portal).sign_up("ADA@example.com ").await.expect(422);
        assert!(taken.body.contains("There is an account with this address."));
    }
}

#[actix_web::test]
async fn every_answer_has_its_headers_and_every_error_its_words() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    let page = browser.get("/sign-in").await.expect(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-store");
    let cookie = page.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"));
    let missing = browser.get("/no-such-page").await.expect(404);
    assert!(missing.body.contains("There is nothing here"));
    assert!(missing.body.contains(missing.header("x-request-id")));
    let wrong = browser.get("/sign-out").await.expect(405);
    assert!(wrong.header("content-type").starts_with("text/html"));
    assert_eq!(wrong.header("allow"), "POST");
    let asked = actix_web::test::TestRequest::with_uri("/sign-in").method(actix_web::http::Method::HEAD);
    browser.send(asked).await.expect(200);
    assert_eq!(browser.post_raw("/sign-out", &[]).await.expect(303).location(), "/sign-in");
}

#[actix_web::test]
async fn under_https_the_cookie_is_bound_to_its_host() {
    let portal = TestPortal::new(Backend::Sqlite, |settings| {
        settings.public_url = "https://keys.example.com".parse().unwrap();
    });
    let page = Browser::new(&portal).get("/sign-in").await.expect(200);
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-keyway_session=") && cookie.contains("Secure"), "{cookie}");
    assert!(!page.header("strict-transport-security").is_empty());
}

#[actix_web::test]
async fn pages_under_another_loopback_name_are_redirected() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.headers = vec![("host", "127.0.0.1:8080".into())];
    assert_eq!(browser.get("/sign-in?x=1").await.expect(307).location(), "http://localhost:8080/sign-in?x=1");
    browser.get("/healthz").await.expect(200);
    browser.get("/readyz").await.expect(200);
}

#[actix_web::test]
async fn return_to_stays_here() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    let asked = browser.get("/audit?action=key").await.expect(303);
    assert_eq!(asked.location(), "/sign-in?return_to=%2Faudit%3Faction%3Dkey");
    browser.sign_up(ADA).await.expect(303);
    for (given, expected) in [("//evil.example", "/"), ("https://evil.example", "/"), ("/audit", "/audit")] {
        browser.submit("/", "/sign-out", &[]).await.expect(303);
        let fields = [("email", ADA), ("password", PASSWORD), ("return_to", given)];
        let answer = browser.submit("/sign-in", "/sign-in", &fields).await.expect(303);
        assert_eq!(answer.location(), expected);
    }
}

#[actix_web::test]
async fn what_matters_asks_for_a_fresh_sign_in() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let mut second = Browser::new(&portal);
        second.sign_in(ADA, PASSWORD).await.expect(303);
        portal.clock.advance(Duration::minutes(11));
        let page = "/settings/sessions";
        let end = "/settings/sessions/end-others";
        let asked = browser.submit(page, end, &[]).await.expect(303);
        assert_eq!(asked.location(), "/fresh?return_to=%2Fsettings%2Fsessions%2Fend-others");
        assert_eq!(browser.get(end).await.expect(303).location(), page);
        browser.submit("/fresh", "/fresh", &[("password", "wrong password")]).await.expect(422);
        let fields = [("password", PASSWORD), ("return_to", page)];
        assert_eq!(browser.submit("/fresh", "/fresh", &fields).await.expect(303).location(), page);
        browser.submit(page, end, &[]).await.expect(303);
        let shown = browser.get(page).await.expect(200);
        assert!(shown.body.contains("One other session has ended."));
        second.get("/").await.expect(303);
    }
}

#[actix_web::test]
async fn a_session_ends_after_seven_idle_days_and_after_thirty_in_all() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        for _ in 0..4 {
            portal.clock.advance(Duration::days(6));
            browser.get("/").await.expect(200);
        }
        portal.clock.advance(Duration::days(6));
        browser.get("/").await.expect(303);
        browser.sign_in(ADA, PASSWORD).await.expect(303);
        portal.clock.advance(Duration::days(7));
        browser.get("/").await.expect(303);
    }
}

#[actix_web::test]
async fn another_password_ends_the_other_sessions() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let mut second = Browser::new(&portal);
        second.sign_in(ADA, PASSWORD).await.expect(303);
        let page = "/settings/password";
        let wrong = [("current_password", "wrong password"), ("password", "battery staple")];
        browser.submit(page, page, &wrong).await.expect(422);
        let right = [("current_password", PASSWORD), ("password", "battery staple")];
        browser.submit(page, page, &right).await.expect(303);
        browser.get("/").await.expect(200);
        second.get("/").await.expect(303);
        second.sign_in(ADA, "battery staple").await.expect(303);
    }
}

#[actix_web::test]
async fn every_page_of_an_account_shows() {
    for portal in portals() {
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        for path in [
            "/",
            "/settings/profile",
            "/settings/password",
            "/settings/sessions",
            "/connections",
            "/audit",
            "/audit?action=account",
            "/dev/mail",
            "/dev/gallery",
            "/fresh",
            "/forgot",
        ] {
            browser.get(path).await.expect(200);
        }
        browser.submit("/settings/profile", "/settings/profile", &[("name", "Ada L.")]).await.expect(303);
        let audit = browser.get("/audit").await.expect(200);
        assert!(audit.body.contains("Account renamed") && audit.body.contains("Ada L."));
        browser.get("/audit?before=nonsense").await.expect(400);
        browser.get("/metrics").await.expect(403);
        browser.get("/settings/sessions/nonsense/end").await.expect(405);
    }
}

#[actix_web::test]
async fn what_dev_has_is_nowhere_else() {
    let portal = TestPortal::new(Backend::Sqlite, |settings| {
        settings.dev = false;
        settings.sign_up = SignUp::Closed;
    });
    let mut browser = Browser::new(&portal);
    for path in ["/dev/mail", "/dev/mail/x", "/dev/gallery"] {
        browser.get(path).await.expect(404);
    }
    browser.get("/sign-up").await.expect(403);
}

#[actix_web::test]
async fn the_first_administrator_sees_the_metrics() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.sign_up(ADA).await.expect(303);
    let (random, now) = (std::sync::Arc::clone(&portal.portal.random), portal.portal.now());
    let token = portal
        .portal
        .store
        .write(move |tx| crate::flows::bootstrap::issue(tx, now, &*random, &Default::default()))
        .await
        .unwrap()
        .unwrap();
    let path = format!("/bootstrap?token={}", token.expose());
    browser.submit(&path, "/bootstrap", &[("token", token.expose())]).await.expect(303);
    browser.get(&path).await.expect(410);
    let metrics = browser.get("/metrics").await.expect(200);
    assert!(metrics.body.contains("keyway_portal_requests_total{area=\"pages\",class=\"2xx\"}"));
}

#[actix_web::test]
async fn static_files_are_kept_for_a_year() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    let page = browser.get("/sign-in").await.expect(200);
    let (_, rest) = page.body.split_once("/static/app.").unwrap();
    let path = format!("/static/app.{}", rest.split_once('"').unwrap().0);
    let file = browser.get(&path).await.expect(200);
    assert!(file.header("cache-control").contains("immutable"));
    let tag = file.header("etag").to_owned();
    browser.headers.push(("if-none-match", tag));
    browser.get(&path).await.expect(304);
    browser.get("/static/none.css").await.expect(404);
}
