use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::oauth::Client;
use keyway_store::StoreError;
use keyway_store::tables::{accounts, sessions};
use keyway_store::testing::Backend;

use crate::flows::logout::tests::{LEAVE, app, id_token_of};
use crate::flows::tokens::tests::world::World;
use crate::testing::{Answer, Browser};

const GRACE: &str = "grace@example.com";

/// Grace's browser, an app, who she is and the session that she signed in to.
async fn signed_in(it: &World) -> (Browser<'_>, Client, OwnerId, SessionId) {
    let mut browser = Browser::new(&it.it);
    browser.sign_up(GRACE).await.expect(303);
    let find = |conn: &mut keyway_store::Conn| {
        let account = accounts::find_by_email(conn, GRACE)?.unwrap();
        Ok((account.owner_id, sessions::ids(conn, account.owner_id, None)?[0]))
    };
    let (owner, sid) = it.it.portal.store.read::<_, StoreError, _>(find).await.unwrap();
    (browser, app(it).await, owner, sid)
}

fn logout(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/oauth/logout?{query}")
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/").await.status == 200
}

#[track_caller]
fn error_page(answer: Answer, status: u16) {
    let answer = answer.expect(status);
    assert!(answer.header("content-type").starts_with("text/html"), "{}", answer.body);
    assert_eq!(answer.location(), "");
}

#[tokio::test]
async fn an_app_that_shows_whom_it_means_signs_them_out_at_once() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (mut browser, app, grace, sid) = signed_in(&it).await;
        let stolen = browser.cookies.clone();
        let told = id_token_of(&it, grace, app.id, Some(sid)).await;
        it.it.clock.advance(keyway_core::Duration::days(1));
        let leave = [
            ("id_token_hint", told.expose()),
            ("post_logout_redirect_uri", LEAVE),
            ("state", "a b&c"),
            ("ui_locales", "de"),
            ("logout_hint", GRACE),
        ];
        let gone = browser.get(&logout(&leave)).await.expect(303);
        assert_eq!(gone.location(), format!("{LEAVE}?state=a+b%26c"));
        assert!(!is_signed_in(&mut browser).await);
        browser.cookies = stolen;
        assert!(!is_signed_in(&mut browser).await, "the session is over, not only its cookie");
    }
}

#[tokio::test]
async fn who_was_not_shown_to_be_meant_is_asked() {
    let it = World::new(Backend::Sqlite).await;
    let (mut browser, app, grace, _) = signed_in(&it).await;
    let elsewhere = SessionId::new(it.now(), &*it.it.portal.random);
    let another_session = id_token_of(&it, grace, app.id, Some(elsewhere)).await;
    let another_person = id_token_of(&it, it.owner, app.id, None).await;
    let id = app.id.to_string();
    for by in [
        ("client_id", id.as_str()),
        ("id_token_hint", another_session.expose()),
        ("id_token_hint", another_person.expose()),
    ] {
        let asked = browser.get(&logout(&[by, ("post_logout_redirect_uri", LEAVE)])).await.expect(200);
        assert!(asked.body.contains("Sign out of ") && asked.body.contains("Stay signed in"));
        assert!(asked.body.contains("<strong>Notebook</strong> asks for it."));
        assert!(
            asked.header("content-security-policy").ends_with("; form-action 'self' https://app.example.com")
        );
        assert!(is_signed_in(&mut browser).await);
    }
    let asked = browser.get("/oauth/logout").await.expect(200);
    assert!(!asked.body.contains("asks for it"));
    assert!(asked.header("content-security-policy").ends_with("; form-action 'self'"));
}

#[tokio::test]
async fn who_says_yes_is_signed_out_and_sent_back() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (mut browser, app, ..) = signed_in(&it).await;
        let id = app.id.to_string();
        let page = logout(&[("client_id", &id), ("post_logout_redirect_uri", LEAVE), ("state", "s")]);
        let (_, request) = page.split_once('?').unwrap();
        let confirm = "/oauth/logout/confirm";
        error_page(browser.post_raw(confirm, &[("request", request)]).await, 403);
        error_page(browser.post_raw(confirm, &[("request", request), ("csrf", "AAAA")]).await, 403);
        assert!(is_signed_in(&mut browser).await);
        let wrong = logout(&[("client_id", &id), ("post_logout_redirect_uri", "https://evil.example")]);
        let wrong = [("request", wrong.split_once('?').unwrap().1)];
        error_page(browser.submit(&page, confirm, &wrong).await, 400);
        assert!(is_signed_in(&mut browser).await);
        let gone = browser.submit(&page, confirm, &[("request", request)]).await.expect(303);
        assert_eq!(gone.location(), format!("{LEAVE}?state=s"));
        assert!(!is_signed_in(&mut browser).await);
        // The page was open twice: there is nobody left to ask about.
        let again = browser.post_raw(confirm, &[("request", request), ("csrf", "AAAA")]).await.expect(303);
        assert_eq!(again.location(), "/oauth/logout");
    }
}

#[tokio::test]
async fn who_asked_for_no_address_is_told_here() {
    let it = World::new(Backend::Sqlite).await;
    let (mut browser, ..) = signed_in(&it).await;
    let gone = browser.submit("/oauth/logout", "/oauth/logout/confirm", &[("request", "")]).await.expect(303);
    let told = browser.get(gone.location()).await.expect(200);
    assert!(told.body.contains("You are signed out"));
}

#[tokio::test]
async fn nobody_is_asked_when_nobody_is_signed_in() {
    let it = World::new(Backend::Sqlite).await;
    let (_, app, grace, sid) = signed_in(&it).await;
    let mut browser = Browser::new(&it.it);
    let id = app.id.to_string();
    let leave = ("post_logout_redirect_uri", LEAVE);
    let gone = browser.get(&logout(&[("client_id", &id), leave])).await.expect(303);
    assert_eq!(gone.location(), LEAVE);
    let told = id_token_of(&it, grace, app.id, Some(sid)).await;
    let stays = browser.get(&logout(&[("id_token_hint", told.expose())])).await.expect(200);
    assert!(stays.body.contains("You are signed out"));
    let still = sessions_of(&it, grace).await;
    assert_eq!(still, [sid], "the token alone ends nobody's session in another browser");
}

async fn sessions_of(it: &World, owner: OwnerId) -> Vec<SessionId> {
    let read = move |conn: &mut keyway_store::Conn| sessions::ids(conn, owner, None);
    it.it.portal.store.read::<_, StoreError, _>(read).await.unwrap()
}

#[tokio::test]
async fn what_is_wrong_is_said_here_and_never_by_redirect() {
    let it = World::new(Backend::Sqlite).await;
    let (mut browser, app, grace, sid) = signed_in(&it).await;
    let id = app.id.to_string();
    let told = id_token_of(&it, grace, app.id, Some(sid)).await;
    let (hint, leave) = (("id_token_hint", told.expose()), ("post_logout_redirect_uri", LEAVE));
    for wrong in [
        &[hint, ("post_logout_redirect_uri", "https://evil.example/")][..],
        &[leave],
        &[("client_id", "x"), leave],
        &[hint, ("client_id", &it.owner.to_string()), leave],
        &[hint, hint],
        &[("client_id", &id), leave, leave],
        &[("client_id", &id), leave, ("state", "a\0b")],
        &[("client_id", &id), leave, ("state", &"s".repeat(2049))],
    ] {
        error_page(browser.get(&logout(wrong)).await, 400);
    }
    assert!(is_signed_in(&mut browser).await);
    it.it.execute(&format!("UPDATE clients SET suspended_at = 1 WHERE id = '{id}'"));
    error_page(browser.get(&logout(&[hint, leave])).await, 403);
}

#[tokio::test]
async fn a_post_from_elsewhere_is_asked_again_with_get() {
    let it = World::new(Backend::Sqlite).await;
    let mut elsewhere = Browser::new(&it.it);
    elsewhere.headers.retain(|(name, _)| *name != "sec-fetch-site");
    elsewhere.headers.push(("sec-fetch-site", "cross-site".into()));
    let pairs = [("post_logout_redirect_uri", LEAVE), ("state", "s&t")];
    let again = elsewhere.post_raw("/oauth/logout", &pairs).await.expect(303);
    assert_eq!(again.location(), logout(&pairs));
    error_page(elsewhere.post_raw("/oauth/logout", &[("state", "a"), ("state", "b")]).await, 400);
    error_page(elsewhere.post_raw("/oauth/logout", &[("state", &"s".repeat(70_000))]).await, 413);
    let put = actix_web::test::TestRequest::put().uri("/oauth/logout");
    assert_eq!(elsewhere.send(put).await.expect(405).header("allow"), "GET, POST");
    assert_eq!(elsewhere.get("/oauth/logout/confirm").await.expect(405).header("allow"), "POST");
}

#[tokio::test]
async fn the_metadata_name_the_endpoint_once() {
    let it = World::new(Backend::Sqlite).await;
    let about = Browser::new(&it.it).get("/.well-known/oauth-authorization-server").await.expect(200).body;
    assert_eq!(about.matches("\"end_session_endpoint\":\"http://localhost:8080/oauth/logout\"").count(), 1);
    assert_eq!(about.matches("\"end_session_endpoint\"").count(), 1);
}
