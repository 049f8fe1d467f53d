//! What cannot be shown says why and what to do, to everybody, and tells nothing of its cause.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::*;
use crate::testing::Answer;

/// A page with the status, what happened, what to do, and the request's id.
#[track_caller]
fn explains(answer: Answer, status: u16, title: &str, words: &str) {
    let answer = answer.expect(status);
    assert!(answer.header("content-type").starts_with("text/html"), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    for text in [&format!("<h1>{title}</h1>"), words, answer.header("x-request-id")] {
        assert!(answer.body.contains(text), "no {text:?} in {}", answer.body);
    }
}

fn asked(method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method)
}

#[actix_web::test]
async fn every_status_has_a_page_for_strangers_and_for_people() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut people = [Browser::new(&portal), Browser::new(&portal)];
    people[1].sign_up(ADA).await.expect(303);
    for browser in &mut people {
        for path in ["/nothing", "/keys/nothing/at/all", "/oauth/authorize/nothing"] {
            let missing = browser.get(path).await;
            if missing.header("content-type").starts_with("text/html") {
                explains(missing, 404, "There is nothing here", "start from the overview");
            } else {
                assert_eq!(missing.expect(404).header("content-type"), "application/json");
            }
        }
        for path in ["/sign-in", "/oauth/authorize", "/settings/notifications"] {
            let refused = browser.send(asked(Method::PUT, path)).await;
            explains(refused, 405, "This address cannot be used so", "not for this kind of request");
        }
        let words = "Shorten what you typed";
        let large = "x".repeat(100_000);
        explains(
            browser.post_raw("/sign-in", &[("email", &large)]).await,
            413,
            "The form is too large",
            words,
        );
        let stale = browser.post_raw("/sign-in", &[("email", ADA), ("csrf", "x")]).await;
        explains(stale, 403, "This form is out of date", "reload the page and send it again");
        let json = TestRequest::post().uri("/sign-in").set_json(["a"]);
        explains(browser.send(json).await, 415, "Not a form", "Use the form of the page");
        // OAuth's errors about the client stay here (RFC 6749 §4.1.2.1).
        let unknown = browser.get("/oauth/authorize?client_id=x&response_type=code").await;
        explains(unknown, 400, "This request cannot be answered", "tell whoever sent you here");
        explains(
            browser.get("/verify?token=x").await,
            410,
            "This link does nothing any more",
            "the newest always works",
        );
    }
    let [_, browser] = &mut people;
    explains(browser.get("/audit?before=x").await, 400, "This request cannot be answered", "no such page");
    explains(browser.get("/admin/providers").await, 403, "Not for you", "for administrators");
    let key = "/keys/01a20c86-acdc-7453-98eb-30947a507866";
    explains(browser.get(key).await, 404, "There is nothing here", "belongs to somebody else");
}

#[actix_web::test]
async fn over_a_limit_the_page_says_how_long_in_words() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    for _ in 0..500 {
        let answer = browser.get("/oauth/authorize?client_id=x").await;
        if answer.status != 429 {
            continue;
        }
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        let words = format!("This can be tried again in {}.", crate::error::wait(seconds));
        return explains(answer, 429, "Too many tries", &words);
    }
    panic!("there is no limit");
}

#[actix_web::test]
async fn a_failure_of_the_store_tells_nothing_of_its_cause() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        for table in ["audit", "api_keys", "clients"] {
            portal.execute(&format!("ALTER TABLE {table} RENAME TO gone_{table}"));
        }
        let app = "/oauth/authorize?client_id=01a20c86-acdc-7453-98eb-30947a507866&response_type=code";
        for path in ["/audit", "/audit.csv", "/keys", app] {
            let failed = browser.get(path).await;
            assert!(!failed.body.contains("no such") && !failed.body.contains("relation"), "{}", failed.body);
            explains(failed, 500, "Something went wrong on our side", "tell an administrator the request id");
        }
        let fields =
            [("grant_type", "client_credentials"), ("client_id", "01a20c86-acdc-7453-98eb-30947a507866")];
        let failed = browser.post_raw("/oauth/token", &fields).await;
        assert!(failed.status.is_server_error());
        let said: serde_json::Value = serde_json::from_str(&failed.body).unwrap();
        assert_eq!(said["error"], "server_error");
        for word in ["no such", "relation", "clients", "SELECT"] {
            assert!(!failed.body.contains(word), "{}", failed.body);
        }
        portal.execute("ALTER TABLE sessions RENAME TO gone_sessions");
        let failed = browser.get("/").await;
        assert_eq!(failed.header("retry-after"), "1");
        assert!(!failed.body.contains("sessions"), "{}", failed.body);
        explains(failed, 503, "Not now", "Wait a moment, then try again.");
    }
}
