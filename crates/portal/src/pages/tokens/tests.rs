//! The pages of JWTs, as a browser meets them.

use keyway_core::Duration;
use keyway_core::audience::Catalogue;
use keyway_core::jwt::Purpose;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::testing::Backend;

use crate::flows::{Act, clients, jwt};
use crate::settings::VerifyEmail;
use crate::testing::{Answer, Browser, TestPortal};

const SAMPLE: (&str, &str) = ("audience", "http://localhost:8081");
const READ: (&str, &str) = ("scope", "notes:read");
const FORM: [(&str, &str); 4] = [("name", "Nightly"), SAMPLE, ("access", "900"), ("refresh", "yes")];

/// With what every portal has since its first start: a signing key and the built-in client.
async fn portal(backend: Backend, verify: VerifyEmail) -> TestPortal {
    let it = TestPortal::new(backend, |settings| settings.verify_email = verify);
    let random = std::sync::Arc::clone(&it.portal.random);
    let act = Act { now: it.portal.now(), random, actor: Actor::system(), address: None };
    jwt::ensure(&it.portal.store, &it.portal.issuance.ring, act.clone(), &[Purpose::AccessToken])
        .await
        .unwrap();
    let catalogue = Catalogue::new(it.portal.catalogue.apis().to_vec());
    let furnish = it.portal.store.write(move |tx| clients::ensure_builtin(tx, &act, &catalogue));
    furnish.await.map_err(|error: StoreError| error).unwrap();
    it
}

async fn signed_up(portal: &TestPortal) -> Browser<'_> {
    let mut browser = Browser::new(portal);
    browser.sign_up("ada@example.com").await.expect(303);
    browser
}

fn between<'a>(page: &'a Answer, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.body.split_once(start).unwrap_or_else(|| panic!("{start} in {}", page.body));
    rest.split_once(end).unwrap().0
}

/// The form as it is shown, with further fields.
async fn filled(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let page = browser.get("/tokens").await.expect(200);
    let once = between(&page, "name=\"once\" value=\"", "\"").to_owned();
    let hidden = [("csrf".to_owned(), page.csrf()), ("once".to_owned(), once)];
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    hidden.into_iter().chain(fields).collect()
}

async fn send(browser: &mut Browser<'_>, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post_raw("/tokens", &fields).await
}

async fn mint(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Answer {
    let fields = filled(browser, fields).await;
    send(browser, &fields).await
}

#[actix_web::test]
async fn a_pair_is_minted_once_and_shown_once() {
    for backend in Backend::ALL {
        let portal = portal(backend, VerifyEmail::Never).await;
        let mut browser = signed_up(&portal).await;
        let empty = browser.get("/tokens").await.expect(200);
        assert!(
            empty
                .body
                .contains("value=\"notes:read\" data-access=\"read\" data-plain=\"read your notes\" checked")
        );
        assert!(empty.body.contains("Current") && empty.body.contains("/.well-known/jwks.json"));
        let fields = filled(&mut browser, &[&FORM[..], &[READ]].concat()).await;
        let first = send(&mut browser, &fields).await.expect(303);
        let again = send(&mut browser, &fields).await.expect(303);
        assert_eq!(first.location(), again.location(), "a form sent twice mints one pair");

        let shown = browser.get(first.location()).await.expect(200);
        let access = between(&shown, "id=\"access\">", "<").to_owned();
        let refresh = between(&shown, "id=\"refresh\">", "<").to_owned();
        assert_eq!(access.split('.').count(), 3);
        assert!(refresh.starts_with("keyway_rt_"));
        assert!(shown.body.contains("at+jwt") && shown.body.contains("client_id&quot;: &quot;keyway-cli"));
        assert!(shown.body.contains("http://localhost:8081/v1/whoami"));
        assert!(shown.body.contains("-d client_id=keyway-cli -d refresh_token=keyway_rt_"));
        assert_eq!(shown.header("cache-control"), "no-store");
        let policy = shown.header("content-security-policy");
        assert!(policy.contains("connect-src 'self' http://localhost:8081;"), "{policy}");

        let reloaded = browser.get(first.location()).await.expect(200);
        assert!(reloaded.body.contains("Already shown") && !reloaded.body.contains(&access));
        let list = browser.get("/tokens").await.expect(200);
        assert_eq!(list.body.matches("Nightly").count(), 1);
        assert!(!list.body.contains(&access) && !list.body.contains(&refresh));
    }
}

#[actix_web::test]
async fn without_a_refresh_token_a_pair_ends_with_its_access_token() {
    let portal = portal(Backend::Sqlite, VerifyEmail::Never).await;
    let mut browser = signed_up(&portal).await;
    let fields = [SAMPLE, READ, ("access", "300")];
    let made = mint(&mut browser, &fields).await.expect(303);
    let shown = browser.get(made.location()).await.expect(200);
    assert!(shown.body.contains("id=\"access\"") && !shown.body.contains("id=\"refresh\""));
    assert!(browser.get("/tokens").await.body.contains("Active"));
    portal.clock.advance(Duration::minutes(5));
    assert!(browser.get("/tokens").await.body.contains("Expired"));
}

#[actix_web::test]
async fn what_is_wrong_is_said_beside_its_field_and_what_was_typed_is_kept() {
    for backend in Backend::ALL {
        let portal = portal(backend, VerifyEmail::Never).await;
        let mut browser = signed_up(&portal).await;
        let long = "x".repeat(101);
        for (fields, field) in [
            (vec![SAMPLE, ("access", "900")], "scope"),
            (vec![SAMPLE, ("access", "900"), ("scope", "nothing:here")], "scope"),
            (vec![SAMPLE, ("access", "900"), ("scope", "keys:read")], "scope"),
            (vec![SAMPLE, ("access", "900"), ("scope", "\"")], "scope"),
            (vec![("audience", "http://elsewhere.example"), ("access", "900"), READ], "audience"),
            (vec![SAMPLE, ("access", "901"), READ], "access"),
            (vec![SAMPLE, ("access", "9223372036854775807"), READ], "access"),
            (vec![SAMPLE, ("access", "soon"), READ], "access"),
            (vec![SAMPLE, ("access", "900"), READ, ("name", &long)], "name"),
        ] {
            let again = mint(&mut browser, &fields).await.expect(422);
            assert!(again.body.contains(&format!("id=\"{field}-error\"")), "{fields:?}");
            assert!(again.body.contains("Nothing was saved."));
        }
        let fields = [SAMPLE, ("access", "300"), ("name", "Kept"), ("refresh", "yes")];
        let again = mint(&mut browser, &fields).await.expect(422);
        assert!(again.body.contains("value=\"Kept\"") && again.body.contains("value=\"300\" checked"));
        let stale = filled(&mut browser, &FORM).await;
        let stale: Vec<_> = stale.into_iter().filter(|(name, _)| name != "once").collect();
        send(&mut browser, &stale).await.expect(403);
        assert!(browser.get("/tokens").await.body.contains("There is no pair yet."));
    }
}

#[actix_web::test]
async fn what_may_write_wants_a_fresh_sign_in() {
    let portal = portal(Backend::Sqlite, VerifyEmail::Never).await;
    let mut browser = signed_up(&portal).await;
    portal.clock.advance(Duration::minutes(11));
    mint(&mut browser, &[&FORM[..], &[READ]].concat()).await.expect(303);
    let refused = mint(&mut browser, &[&FORM[..], &[("scope", "notes:write")]].concat()).await.expect(303);
    assert!(refused.location().starts_with("/fresh?return_to="), "{}", refused.location());
}

#[actix_web::test]
async fn an_unverified_account_mints_nothing() {
    let portal = portal(Backend::Sqlite, VerifyEmail::BeforeLiveKey).await;
    let mut browser = Browser::new(&portal);
    browser.sign_up("ada@example.com").await.expect(200);
    browser.sign_in("ada@example.com", "correct horse 42").await.expect(303);
    let page = browser.get("/tokens").await.expect(200);
    assert!(page.body.contains("Verify your e-mail address first") && !page.body.contains("Mint JWT"));
    let csrf = browser.get("/tokens").await.csrf();
    let fields = [&FORM[..], &[READ, ("csrf", csrf.as_str())]].concat();
    browser.post_raw("/tokens", &fields).await.expect(403);
}

#[actix_web::test]
async fn a_family_is_revoked_by_its_owner_alone() {
    for backend in Backend::ALL {
        let portal = portal(backend, VerifyEmail::Never).await;
        let mut browser = signed_up(&portal).await;
        let made = mint(&mut browser, &[&FORM[..], &[READ]].concat()).await.expect(303);
        let shown = made.location().to_owned();
        let revoke = shown.replace("/shown", "/revoke");

        let mut stranger = Browser::new(&portal);
        stranger.sign_up("bob@example.com").await.expect(303);
        stranger.get(&revoke).await.expect(404);
        stranger.get(&shown).await.expect(404);
        stranger.submit("/tokens", &revoke, &[]).await.expect(404);
        stranger.get("/tokens/nonsense/revoke").await.expect(404);

        let confirm = browser.get(&revoke).await.expect(200);
        assert!(confirm.body.contains("Revoke Nightly?") && confirm.body.contains("its refresh token"));
        let done = browser.submit(&revoke, &revoke, &[]).await.expect(303);
        assert_eq!(done.location(), "/tokens");
        let list = browser.get("/tokens").await.expect(200);
        assert!(list.body.contains("Revoked") && !list.body.contains(&revoke));
        browser.get(&revoke).await.expect(303);
    }
}

#[actix_web::test]
async fn refreshing_on_the_page_gives_the_next_pair_and_a_page_left_open_does_no_harm() {
    for backend in Backend::ALL {
        let portal = portal(backend, VerifyEmail::Never).await;
        let mut browser = signed_up(&portal).await;
        let made = mint(&mut browser, &[&FORM[..], &[READ]].concat()).await.expect(303);
        let at = made.location().to_owned();
        let refresh = at.replace("/shown", "/refresh");
        let first = browser.get(&at).await.expect(200);
        let (csrf, token) = (first.csrf(), between(&first, "id=\"refresh\">", "<").to_owned());
        let fields = [("csrf", csrf.as_str()), ("refresh_token", token.as_str())];

        let mut stranger = Browser::new(&portal);
        stranger.sign_up("bob@example.com").await.expect(303);
        stranger.submit("/tokens", &refresh, &[("refresh_token", &token)]).await.expect(404);

        for _ in 0..2 {
            portal.clock.advance(Duration::seconds(1));
            assert_eq!(browser.post_raw(&refresh, &fields).await.expect(303).location(), at);
        }
        let second = browser.get(&at).await.expect(200);
        let next = between(&second, "id=\"refresh\">", "<").to_owned();
        assert_ne!(next, token);
        assert!(!browser.get(&at).await.expect(200).body.contains(&next));

        portal.clock.advance(Duration::minutes(1));
        assert_eq!(browser.post_raw(&refresh, &fields).await.expect(303).location(), "/tokens");
        let list = browser.get("/tokens").await.expect(200);
        assert!(list.body.contains("was used already") && list.body.contains("Active"));
        let fields = [("csrf", csrf.as_str()), ("refresh_token", next.as_str())];
        assert_eq!(browser.post_raw(&refresh, &fields).await.expect(303).location(), at);
    }
}

/// The states of the checks on the debugger's page, as `Passes` and `Fails` in their order.
fn failing(page: &Answer) -> Vec<&str> {
    let rows = page.body.split("<tr aria-current=\"step\">").skip(1);
    rows.map(|row| row.split_once(". ").unwrap().1.split_once("</td>").unwrap().0).collect()
}

#[actix_web::test]
async fn the_debugger_says_which_checks_a_token_fails() {
    for backend in Backend::ALL {
        let portal = portal(backend, VerifyEmail::Never).await;
        let mut browser = signed_up(&portal).await;
        let made = mint(&mut browser, &[&FORM[..], &[READ]].concat()).await.expect(303);
        let shown = browser.get(made.location()).await.expect(200);
        let token = between(&shown, "id=\"access\">", "<").to_owned();
        let family = made.location().split('/').nth(2).unwrap().to_owned();
        let page = "/tokens/debugger";
        assert!(browser.get(page).await.expect(200).body.contains("needs JavaScript"));

        let good = browser.submit(page, page, &[("token", &token)]).await.expect(200);
        assert!(good.body.contains("It works now") && failing(&good).is_empty(), "{}", good.body);
        assert_eq!(good.header("cache-control"), "no-store");
        let (signed, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", "A".repeat(86));
        let forged = browser.submit(page, page, &[("token", &forged)]).await.expect(200);
        assert_eq!(failing(&forged), ["Signature"]);

        let revoke = format!("/tokens/{family}/revoke");
        browser.submit(&revoke, &revoke, &[]).await.expect(303);
        let revoked = browser.submit(page, page, &[("token", &token)]).await.expect(200);
        assert_eq!(failing(&revoked), ["Not revoked"], "{backend:?}");
        portal.clock.advance(Duration::minutes(20));
        let both = browser.submit(page, page, &[("token", &token)]).await.expect(200);
        assert_eq!(failing(&both), ["Not revoked", "In time"], "{backend:?}");

        for (nonsense, said) in [("", "Paste a token first."), ("<b>x</b>", "three parts with dots between")]
        {
            let again = browser.submit(page, page, &[("token", nonsense)]).await.expect(422);
            assert!(again.body.contains(said) && !again.body.contains("<b>"), "{}", again.body);
        }
        let strange = browser.submit(page, page, &[("token", "eyJh.e30.AA")]).await.expect(200);
        assert_eq!(failing(&strange), ["One credential"]);
    }
}
