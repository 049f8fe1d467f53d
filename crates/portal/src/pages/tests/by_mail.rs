//! What comes by mail: links that set a password or verify an address, and notices.

use super::*;

#[actix_web::test]
async fn a_forgotten_password_is_set_by_a_link_that_works_once() {
    for portal in portals() {
        let mut owner = Browser::new(&portal);
        owner.sign_up(ADA).await.expect(303);
        let mut browser = Browser::new(&portal);
        let known = browser.submit("/forgot", "/forgot", &[("email", ADA)]).await.expect(200);
        let unknown = browser.submit("/forgot", "/forgot", &[("email", "bob@example.com")]).await.expect(200);
        assert!(known.body.contains("If <strong>ada@example.com</strong>"));
        assert!(unknown.body.contains("If <strong>bob@example.com</strong>"));
        let link = link_in_mail(&portal, 1).await;
        browser.get(&link).await.expect(200);
        let token = link.split_once("token=").unwrap().1;
        browser.submit(&link, "/reset", &[("token", token), ("password", "short")]).await.expect(422);
        let fields = [("token", token), ("password", "battery staple")];
        let done = browser.submit(&link, "/reset", &fields).await.expect(303);
        assert_eq!(done.location(), "/sign-in");
        owner.get("/").await.expect(303);
        browser.get(&link).await.expect(410);
        browser.sign_in(ADA, "battery staple").await.expect(303);
    }
}

#[actix_web::test]
async fn a_sign_in_from_another_browser_is_told_by_mail() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut own = Browser::new(&portal);
    own.sign_up(ADA).await.expect(303);
    own.submit("/", "/sign-out", &[]).await.expect(303);
    own.sign_in(ADA, PASSWORD).await.expect(303);
    Browser::new(&portal).sign_in(ADA, PASSWORD).await.expect(303);
    assert_eq!(link_in_mail(&portal, 1).await, "/settings/sessions");
}

/// Delivers into the folder and gives the path of the link in the newest of `expected` mails.
async fn link_in_mail(portal: &TestPortal, expected: usize) -> String {
    let data_dir = &portal.portal.settings.data_dir;
    let mut mails = Vec::new();
    // Some are written beside the answer: the bell rings once they are.
    while mails.len() < expected {
        if deliver_due(&portal.portal, &Mailer::folder(data_dir)).await.unwrap() == 0 {
            portal.portal.mail_bell.wait().await;
        }
        mails = list_folder(data_dir, 10);
    }
    assert_eq!(mails.len(), expected);
    let mut words = mails[0].text.split_whitespace();
    words.find_map(|word| word.strip_prefix("http://localhost:8080")).unwrap().to_owned()
}

#[actix_web::test]
async fn with_verification_sign_up_says_the_same_for_every_address() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |settings| settings.verify_email = VerifyEmail::BeforeSignIn);
        let mut browser = Browser::new(&portal);
        let first = browser.sign_up(ADA).await.expect(200);
        let link = link_in_mail(&portal, 1).await;
        browser.get(&link).await.expect(200);
        let token = link.split_once("token=").unwrap().1;
        let done = browser.submit(&link, "/verify", &[("token", token)]).await.expect(303);
        assert_eq!(done.location(), "/");
        browser.get("/").await.expect(200);
        portal.clock.advance(Duration::minutes(1));
        let second = Browser::new(&portal).sign_up(ADA).await.expect(200);
        let sentence = "A mail with a link to confirm <strong>ada@example.com</strong> is on its way.";
        assert!(first.body.contains(sentence) && second.body.contains(sentence));
        assert_eq!(link_in_mail(&portal, 2).await, "/sign-in");
    }
}

#[actix_web::test]
async fn an_unverified_account_is_not_signed_in_where_that_comes_first() {
    let portal =
        TestPortal::new(Backend::Sqlite, |settings| settings.verify_email = VerifyEmail::BeforeSignIn);
    let mut browser = Browser::new(&portal);
    browser.sign_up(ADA).await.expect(200);
    browser.sign_in(ADA, PASSWORD).await.expect(200);
    browser.get("/").await.expect(303);
}

#[actix_web::test]
async fn signing_in_to_an_unverified_account_again_and_again_fills_no_mailbox() {
    let portal =
        TestPortal::new(Backend::Sqlite, |settings| settings.verify_email = VerifyEmail::BeforeSignIn);
    let mut browser = Browser::new(&portal);
    browser.sign_up(ADA).await.expect(200);
    for _ in 0..2 {
        browser.sign_in(ADA, PASSWORD).await.expect(200);
    }
    // One for the sign-up, one for the sign-ins.
    link_in_mail(&portal, 2).await;
    portal.clock.advance(Duration::minutes(5));
    browser.sign_in(ADA, PASSWORD).await.expect(200);
    link_in_mail(&portal, 3).await;
}

#[actix_web::test]
async fn a_link_opened_in_another_browser_asks_for_a_new_password() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |settings| settings.verify_email = VerifyEmail::BeforeLiveKey);
        let mut stranger = Browser::new(&portal);
        stranger.sign_up(ADA).await.expect(200);
        stranger.sign_in(ADA, PASSWORD).await.expect(303);
        let link = link_in_mail(&portal, 1).await;
        let token = link.split_once("token=").unwrap().1;
        let mut owner = Browser::new(&portal);
        let done = owner.submit(&link, "/verify", &[("token", token)]).await.expect(303);
        assert_eq!(done.location(), "/settings/password");
        stranger.get("/").await.expect(303);
        stranger.sign_in(ADA, PASSWORD).await.expect(422);
        let page = owner.get("/settings/password").await.expect(200);
        assert!(!page.body.contains("current_password"));
        let fields = [("password", "battery staple")];
        owner.submit("/settings/password", "/settings/password", &fields).await.expect(303);
        owner.get("/").await.expect(200);
    }
}
