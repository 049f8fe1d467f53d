//! Mails about what was made, and about what ends; and the choice of them.

use keyway_core::Clock as _;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::outbox::{self, OutgoingMail};
use keyway_store::tables::{accounts, owners};

use super::*;
use crate::flows::notices::expiry;

const KEY: [(&str, &str); 3] = [("environment", "live"), ("scope", "notes:read"), ("expiry", "30")];

/// All mails that were ever written, the oldest first.
async fn mails(portal: &TestPortal) -> Vec<OutgoingMail> {
    let later = portal.clock.now() + Duration::days(1);
    portal.portal.store.read(move |conn| outbox::due(conn, later, 100)).await.unwrap()
}

async fn make_key(browser: &mut Browser<'_>, name: &str) -> String {
    let fields = [&[("name", name)], &KEY[..]].concat();
    let made = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    made.location().strip_prefix("/keys/").unwrap().split('/').next().unwrap().to_owned()
}

/// What a portal does each round.
async fn round(portal: &TestPortal) -> usize {
    let act = crate::flows::Act { address: None, ..portal.portal.act(Actor::system(), [0, 0, 0, 0].into()) };
    expiry::tell_due(&portal.portal.store, &portal.portal.notices(), &act).await.unwrap()
}

fn subjects(mails: &[OutgoingMail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

#[actix_web::test]
async fn the_end_of_a_key_is_told_14_and_3_days_before_and_at_it_and_each_once() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let key = make_key(&mut browser, "billing").await;
        let told = mails(&portal).await;
        assert_eq!(subjects(&told), ["New API key at Keyway: billing"], "{backend:?}");
        assert_eq!(told[0].recipient, ADA);
        assert!(
            told[0].body_text.contains(&format!("http://localhost:8080/keys/{key}\n")),
            "{}",
            told[0].body_text
        );
        let mut expected = vec!["New API key at Keyway: billing"];
        for (days, subject) in [
            (15, None),
            (1, Some("“billing” ends in 14 days")),
            (10, None),
            (1, Some("“billing” ends in 3 days")),
            (2, None),
            (1, Some("“billing” has ended")),
            (1, None),
        ] {
            portal.clock.advance(Duration::days(days));
            expected.extend(subject);
            // Two portals at once, and the next round.
            tokio::join!(round(&portal), round(&portal));
            round(&portal).await;
            assert_eq!(subjects(&mails(&portal).await), expected, "{backend:?}");
        }
        let link = format!("/keys/{key}/edit?renew=yes");
        for mail in &mails(&portal).await[1..] {
            assert!(mail.body_text.contains(&format!("http://localhost:8080{link}\n")), "{}", mail.body_text);
            assert!(mail.body_html.contains("Renew key"), "{}", mail.body_html);
        }
        browser.sign_in(ADA, PASSWORD).await.expect(303);
        let form = browser.get(&link).await.expect(200);
        assert!(form.body.contains("value=\"30\" checked"), "{}", form.body);
        assert!(form.body.contains("value=\"billing\""));
    }
}

#[actix_web::test]
async fn a_key_whose_end_was_moved_is_announced_anew_and_one_that_is_over_is_not() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let (kept, revoked) = (make_key(&mut browser, "kept").await, make_key(&mut browser, "revoked").await);
        portal.clock.advance(Duration::days(16));
        browser.sign_in(ADA, PASSWORD).await.expect(303);
        let page = format!("/keys/{revoked}/revoke");
        browser.submit(&page, &page, &[]).await.expect(303);
        round(&portal).await;
        assert_eq!(mails(&portal).await.last().unwrap().subject, "“kept” ends in 14 days");
        let page = format!("/keys/{kept}/edit?renew=yes");
        let fields = [&[("name", "kept"), ("version", "0")], &KEY[..]].concat();
        browser.submit(&page, &format!("/keys/{kept}/edit"), &fields).await.expect(303);
        let before = mails(&portal).await.len();
        portal.clock.advance(Duration::days(15));
        round(&portal).await;
        assert_eq!(mails(&portal).await.len(), before, "{backend:?}");
        portal.clock.advance(Duration::days(1));
        round(&portal).await;
        assert_eq!(mails(&portal).await.len(), before + 1, "{backend:?}");
    }
}

#[actix_web::test]
async fn mails_are_counted_and_who_is_suspended_gets_none() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        make_key(&mut browser, "a").await;
        make_key(&mut browser, "b").await;
        portal.clock.advance(Duration::days(16));
        let suspend = async |at| {
            let done = portal.portal.store.write(move |tx| {
                let owner = accounts::find_by_email(tx.conn(), ADA)?.unwrap().owner_id;
                match at {
                    Some(at) => owners::suspend(tx.conn(), owner, at),
                    None => owners::resume(tx.conn(), owner),
                }
            });
            done.await.map_err(|error: StoreError| error).unwrap();
        };
        suspend(Some(portal.clock.now())).await;
        assert_eq!(round(&portal).await, 0, "{backend:?}");
        assert_eq!(mails(&portal).await.len(), 2, "{backend:?}: of what was made");
        suspend(None).await;
        assert_eq!(round(&portal).await, 1, "{backend:?}: one mail of two keys");
        assert_eq!(round(&portal).await, 0, "{backend:?}");
    }
}

#[actix_web::test]
async fn one_mail_tells_of_all_keys_that_end_together() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.sign_up(ADA).await.expect(303);
    for name in ["a", "b", "c"] {
        make_key(&mut browser, name).await;
    }
    portal.clock.advance(Duration::days(29));
    round(&portal).await;
    let told = mails(&portal).await;
    assert_eq!(told.last().unwrap().subject, "3 API keys end soon");
    assert_eq!(told.len(), 4);
}

#[actix_web::test]
async fn a_key_made_for_a_week_is_not_announced_at_once() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.sign_up(ADA).await.expect(303);
    let fields = [("name", "short"), ("environment", "live"), ("scope", "notes:read"), ("expiry", "7")];
    browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    round(&portal).await;
    assert_eq!(mails(&portal).await.len(), 1);
    portal.clock.advance(Duration::days(4));
    round(&portal).await;
    assert_eq!(mails(&portal).await.last().unwrap().subject, "“short” ends in 3 days");
}

#[actix_web::test]
async fn what_is_switched_off_is_not_sent_and_what_keeps_the_account_safe_is() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let page = "/settings/notifications";
        let shown = browser.get(page).await.expect(200);
        assert_eq!(shown.body.matches(" checked").count(), 3);
        // What is not ticked is not sent.
        browser.submit(page, page, &[("safety", "no")]).await.expect(303);
        assert_eq!(browser.get(page).await.expect(200).body.matches(" checked").count(), 1);
        make_key(&mut browser, "quiet").await;
        portal.clock.advance(Duration::days(29));
        round(&portal).await;
        assert!(mails(&portal).await.is_empty(), "{backend:?}");
        browser.sign_in(ADA, PASSWORD).await.expect(303);
        let fields = [("current_password", PASSWORD), ("password", "battery staple")];
        browser.submit("/settings/password", "/settings/password", &fields).await.expect(303);
        assert_eq!(subjects(&mails(&portal).await), ["Your password at Keyway was changed"]);
        browser.submit(page, page, &[("key_expiry", "yes")]).await.expect(303);
        portal.clock.advance(Duration::days(1));
        round(&portal).await;
        assert_eq!(mails(&portal).await.last().unwrap().subject, "“quiet” has ended");
    }
}
