use keyway_core::Duration;
use keyway_store::testing::Backend;

use crate::testing::{Answer, Browser, TestPortal};

const ADA: &str = "ada@example.com";

async fn rename(browser: &mut Browser<'_>, name: &str) {
    browser.submit("/settings/profile", "/settings/profile", &[("name", name)]).await.expect(303);
}

/// How many rows the table has.
fn rows(page: &Answer) -> usize {
    page.body.matches("data-label=\"Action\"").count()
}

/// The address that a link with these words leads to.
fn link(page: &Answer, words: &str) -> String {
    let (before, _) = page.body.split_once(words).unwrap_or_else(|| panic!("no {words}: {}", page.body));
    let (_, address) = before.rsplit_once("href=\"").unwrap();
    address.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2F;", "/")
}

#[actix_web::test]
async fn every_row_is_on_one_page_even_where_many_share_a_moment() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        // All at the same microsecond: the clock stands still.
        for n in 0..60 {
            rename(&mut browser, &format!("Ada {n}")).await;
        }
        let mut page = browser.get("/audit?action=account").await.expect(200);
        let mut seen = rows(&page);
        assert_eq!(seen, 50);
        page = browser.get(&link(&page, "Older")).await.expect(200);
        seen += rows(&page);
        assert!(seen >= 61, "{seen}");
        assert!(!page.body.contains("Older"), "{backend:?}");
        let all = browser.get("/audit.csv?action=account").await.expect(200);
        assert_eq!(all.body.lines().count(), seen + 1);
        browser.get("/audit?before=nonsense").await.expect(400);
    }
}

#[actix_web::test]
async fn a_row_tells_before_and_after_and_outlives_its_target() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up(ADA).await.expect(303);
        let fields =
            [("name", "billing"), ("environment", "live"), ("scope", "notes:read"), ("expiry", "30")];
        let made = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
        let id = made.location().split('/').nth(2).unwrap().to_owned();
        portal.clock.advance(Duration::seconds(1));
        let edited = [&[("name", "invoices"), ("version", "0")], &fields[1..]].concat();
        let page = format!("/keys/{id}/edit");
        browser.submit(&page, &page, &edited).await.expect(303);
        portal.execute(&format!("DELETE FROM api_keys WHERE id = '{id}'"));
        let page = browser.get(&format!("/audit?target={id}")).await.expect(200);
        assert_eq!(rows(&page), 2, "{backend:?}");
        assert!(page.body.contains("<del>billing</del>") && page.body.contains("<ins>invoices</ins>"));
        assert!(page.body.contains("127.0.0.1"));
        assert_eq!(rows(&browser.get("/audit?actor=command").await.expect(200)), 0);
        let mut stranger = Browser::new(&portal);
        stranger.sign_up("bob@example.com").await.expect(303);
        for path in [format!("/audit?target={id}"), format!("/audit?target={id}&all=yes")] {
            assert_eq!(rows(&stranger.get(&path).await.expect(200)), 0);
        }
        assert_eq!(
            stranger.get(&format!("/audit.csv?all=yes&target={id}")).await.expect(200).body.lines().count(),
            1
        );
        portal.execute("UPDATE accounts SET is_admin = TRUE WHERE email = 'bob@example.com'");
        assert_eq!(rows(&stranger.get(&format!("/audit?target={id}&all=yes")).await.expect(200)), 2);
    }
}

#[actix_web::test]
async fn no_cell_of_the_file_is_a_formula() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.sign_up("+cmd@example.com").await.expect(303);
    rename(&mut browser, "=HYPERLINK(\"http://evil.example\")").await;
    let file = browser.get("/audit.csv").await.expect(200);
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"audit.csv\"");
    assert_eq!(file.header("cache-control"), "no-store");
    assert!(file.body.contains("\"'+cmd@example.com\""), "{}", file.body);
    assert!(file.body.contains("HYPERLINK") && !file.body.contains(",\"="), "{}", file.body);
}
