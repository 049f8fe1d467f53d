use crate::harness::app::{Backend, PASSWORD, TestApp};
use crate::harness::browser::Browser;

#[tokio::test]
async fn signing_up_leads_to_the_overview_and_signing_out_back() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let browser = app.browser();
        let page = browser.get("/sign-up").await.expect(200);
        let form = Browser::form(&page, "/sign-up")
            .set("name", "Ada Lovelace")
            .set("email", "ada@example.com")
            .set("password", PASSWORD);
        let overview = browser.submit(&form).await.expect(200);
        assert!(overview.what.ends_with("/"), "{}", overview.what);
        assert!(overview.body.contains("Create key"), "{}", overview.body);
        let out = Browser::form(&overview, "/sign-out");
        browser.submit(&out).await.expect(200);
        assert!(browser.get_only("/").await.location().contains("/sign-in"));
        app.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_get_the_same_answer() {
    let app = TestApp::start(Backend::Sqlite).await;
    app.person("ada@example.com", false).await;
    let mut pages = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let browser = app.browser();
        let page = browser.get("/sign-in").await.expect(200);
        let form = Browser::form(&page, "/sign-in").set("email", email).set("password", "not the password");
        let answer = browser.submit_only(&form).await;
        let csrf = Browser::form(&answer, "/sign-in").get("csrf").map(str::to_owned).unwrap_or_default();
        // The order of attributes is the template engine's own, and differs from run to run.
        let body = answer.body.replace(email, "[email]").replace(&csrf, "[csrf]").replace('>', " >");
        let mut words: Vec<String> = body.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        pages.push((answer.status, words));
    }
    assert_eq!(pages[0], pages[1]);
}
