//! Pages that follow what happens.

use std::time::Duration;

use keyway_portal::live;
use reqwest::Response;

use crate::harness::actors::Actor as _;
use crate::harness::app::{Backend, TestApp};
use crate::harness::browser::Browser;

/// Whatever is to come comes long before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads on until `text` comes, or the stream ends.
async fn until(stream: &mut Response, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while let Some(chunk) = stream.chunk().await.unwrap() {
            read.push_str(std::str::from_utf8(&chunk).unwrap());
            if !text.is_empty() && read.contains(text) {
                break;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "no {text:?} in {read:?}");
    read
}

#[tokio::test]
async fn what_is_done_before_the_first_look_is_told_all_the_same() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let browser = app.signed_in("ada@example.com").await;
    app.advance(keyway_core::Duration::seconds(1));
    let mut stream = browser.open("/live").await;
    app.advance(keyway_core::Duration::seconds(1));
    app.key(ada, "notes:read").await;
    let looking = tokio::spawn(live::keep_looking(app.data.clone().into_inner()));
    until(&mut stream, "event: deeds").await;
    looking.abort();
    app.stop().await;
}

#[tokio::test]
async fn a_page_hears_of_the_first_call_until_its_person_signs_out() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let browser = app.signed_in("ada@example.com").await;
        let page = browser.get("/").await.expect(200);
        assert!(page.body.contains("data-say=\"1 of 4 steps are done\""), "{}", page.body);

        let looking = tokio::spawn(live::keep_looking(app.data.clone().into_inner()));
        let mut stream = browser.open("/live").await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        assert_eq!(stream.headers()["cache-control"], "no-store");
        assert_eq!(stream.headers()["content-encoding"], "identity");
        let hello = until(&mut stream, ":\n\n").await;
        assert!(hello.starts_with("retry: 3000\n\n") && !hello.contains("event"), "{hello}");
        key.get(&app.api("/v1/whoami")).await.expect(200);
        let told = until(&mut stream, "event: calls").await;
        assert!(!told.contains(&key.key) && !told.contains(&key.id), "{told}");
        let page = browser.get("/").await.expect(200);
        assert!(page.body.contains("data-say=\"2 of 4 steps are done\""), "{}", page.body);

        browser.submit(&Browser::form(&page, "/sign-out")).await.expect(200);
        until(&mut stream, "").await;
        looking.abort();
        app.stop().await;
    }
}
