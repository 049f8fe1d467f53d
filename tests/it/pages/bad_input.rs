//! Bad input to every form that a person meets gets a 4xx with a message, and never a 5xx.

use crate::harness::app::{Backend, TestApp};
use crate::harness::browser::Browser;
use crate::harness::html::{Form, forms};

/// Pages with forms, for somebody signed in; those before are for everybody.
const OPEN: [&str; 3] = ["/sign-up", "/sign-in", "/forgot"];
const SIGNED_IN: [&str; 6] =
    ["/keys/new", "/tokens", "/apps/new", "/settings/profile", "/settings/password", "/settings/sessions"];

/// What a form becomes when somebody means no good.
fn spoilt(form: &Form) -> Vec<(String, Form)> {
    let mut all = vec![("no token".to_owned(), form.clone().without("csrf"))];
    for name in form.names.iter().filter(|name| *name != "csrf") {
        let long = "x".repeat(20_000);
        for (what, value) in
            [("empty", ""), ("long", long.as_str()), ("control", "a\u{0}\u{1b}b"), ("odd", "\u{202e}<b>'\"")]
        {
            all.push((format!("{name} {what}"), form.clone().set(name, value)));
        }
        all.push((format!("{name} missing"), form.clone().without(name)));
        all.push((format!("{name} twice"), form.clone().add(name, "again")));
    }
    all
}

async fn sweep(browser: &Browser, pages: &[&str]) {
    for path in pages {
        let page = browser.get(path).await.expect(200);
        for form in
            forms(&page.body).iter().filter(|form| form.method == "post" && form.action != "/sign-out")
        {
            for (what, spoilt) in spoilt(form) {
                let reply = browser.submit_only(&spoilt).await;
                assert!(reply.status.as_u16() < 500, "{path}: {} with {what}: {}", form.action, reply.body);
                if what == "no token" {
                    assert!(
                        reply.status.is_client_error(),
                        "{path}: {} without token: {}",
                        form.action,
                        reply.status
                    );
                }
            }
            let huge = form.clone().set("name", &"x".repeat(1_000_000));
            assert_eq!(browser.submit_only(&huge).await.status, 413, "{path}: {}", form.action);
        }
    }
}

#[tokio::test]
async fn no_form_of_strangers_answers_5xx() {
    let app = TestApp::start_with(Backend::Sqlite, &[("KEYWAY_LIMITS__SIGN_IN", "off")]).await;
    sweep(&app.browser(), &OPEN).await;
}

#[tokio::test]
async fn no_form_of_the_dashboard_answers_5xx() {
    for backend in Backend::ALL {
        let app = TestApp::start_with(backend, &[("KEYWAY_LIMITS__SIGN_IN", "off")]).await;
        app.person("ada@example.com", false).await;
        sweep(&app.signed_in("ada@example.com").await, &SIGNED_IN).await;
        app.stop().await;
    }
}
