//! The list of all credentials, as a browser meets it.

mod told;

use keyway_core::ids::{ApiKeyId, BatchId, OwnerId, RequestId};
use keyway_core::record::{Count, Outcome, Record, RecordBatch};
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::audit::{self, AuditFilter};
use keyway_store::tables::{accounts, records};
use keyway_store::testing::Backend;

use crate::testing::{Browser, TestPortal};

const FAMILY: &str = "0193a0c0-0000-7000-8000-00000000000a";
const GRANT: &str = "0193a0c0-0000-7000-8000-00000000000b";
const APP: &str = "0193a0c0-0000-7000-8000-00000000000c";
const OWN_APP: &str = "0193a0c0-0000-7000-8000-00000000000d";
const CLI: &str = "0193a0c0-0000-7000-8000-00000000000f";
const HOSTILE: &str = "<script>alert(1)</script>";

async fn owner_of(portal: &TestPortal, email: &'static str) -> OwnerId {
    let found = portal.portal.store.read(move |conn| accounts::find_by_email(conn, email)).await;
    found.map_err(|error: StoreError| error).unwrap().unwrap().owner_id
}

async fn key(browser: &mut Browser<'_>, name: &str) -> ApiKeyId {
    let fields = [
        ("name", name),
        ("environment", "live"),
        ("expiry", "90"),
        ("scope", "notes:read"),
        ("scope", "notes:write"),
    ];
    let made = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    made.location().split('/').nth(2).unwrap().parse().unwrap()
}

/// A JWT family, an authorised app and an app of one's own, beside the keys that were made.
fn furnish(portal: &TestPortal, owner: OwnerId) {
    let now = portal.portal.now().as_micros();
    let later = now + Duration::days(30).as_micros();
    let client = |id: &str, name: &str, grants: &str| {
        portal.execute(&format!(
            "INSERT INTO clients (id, owner_id, kind, name, auth_method, redirect_uris, post_logout_redirect_uris,
               grant_types, scopes, token_format, origin, created_at, version, id_token_algorithm, dpop_bound)
             VALUES ('{id}', '{owner}', 'confidential', '{name}', 'client_secret_basic', '[]', '[]',
               '{grants}', 'notes:read', 'opaque', 'manual', {now}, 0, 'RS256', FALSE)"
        ));
    };
    client(APP, HOSTILE, "authorization_code");
    client(OWN_APP, "Warehouse", "client_credentials");
    client(CLI, "Command line", "authorization_code");
    portal.execute(&format!(
        "INSERT INTO grants (id, owner_id, client_id, scopes, offline, created_at, updated_at)
         VALUES ('{GRANT}', '{owner}', '{APP}', 'notes:read', TRUE, {now}, {now})"
    ));
    for (id, name, app, grant) in [
        (FAMILY, "Laptop", CLI, "NULL".to_owned()),
        ("0193a0c0-0000-7000-8000-00000000000e", "Held by the app", APP, format!("'{GRANT}'")),
    ] {
        portal.execute(&format!(
            "INSERT INTO families (id, owner_id, client_id, grant_id, kind, name, audience, scopes, environment,
               token_format, access_lifetime, has_refresh, ancestors, root, created_at, idle_expires_at, expires_at, amr)
             VALUES ('{id}', '{owner}', '{app}', {grant}, 'dashboard', '{name}', 'http://localhost:8081', 'notes:read',
               'live', 'jwt', 900000000, TRUE, '', '{id}', {now}, {later}, {later} + 1, '')"
        ));
    }
}

/// Has a guard report calls of a key: accepted and refused, from two addresses.
async fn called(portal: &TestPortal, owner: OwnerId, key: ApiKeyId, ok: u64, forbidden: u64) {
    let now: Timestamp = portal.portal.now();
    let count = |outcome, calls| Count {
        credential: key.entity(),
        owner,
        route: "/v1/notes/{id}".into(),
        outcome,
        calls,
        latency_sum_us: 1,
    };
    let record = |address: [u8; 4]| Record {
        at: now,
        request: RequestId::new(now, &*portal.portal.random),
        credential: Some(key.entity()),
        root: None,
        owner: Some(owner),
        method: "GET".into(),
        route: "/v1/notes/{id}".into(),
        status: 200,
        failed: None,
        code: None,
        lacked: None,
        address: Some(address.into()),
        latency_us: 1,
        user_agent: None,
    };
    let batch = RecordBatch {
        id: BatchId::new(now, &*portal.portal.random),
        audience: "http://localhost:8081".parse().unwrap(),
        at: now,
        counts: vec![count(Outcome::Ok, ok), count(Outcome::Forbidden, forbidden)],
        last_uses: Vec::new(),
        records: vec![record([192, 0, 2, 7]), record([198, 51, 100, 9])],
        drawn: Vec::new(),
    };
    portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, now)).await.unwrap();
}

#[track_caller]
fn places(body: &str, names: &[&str]) -> Vec<usize> {
    names.iter().map(|name| body.find(name).unwrap_or_else(|| panic!("{name} in {body}"))).collect()
}

#[actix_web::test]
async fn all_kinds_stand_in_one_list_and_end_together() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        assert!(ada.get("/credentials").await.expect(200).body.contains("Nothing acts for you yet"));
        let owner = owner_of(&portal, "ada@example.com").await;
        let billing = key(&mut ada, "Billing").await;
        furnish(&portal, owner);
        let list = ada.get("/credentials").await.expect(200).body;
        let names = ["Billing", "Laptop", "&lt;script&gt;alert(1)", "Warehouse"];
        for name in names {
            assert!(list.contains(name), "{backend:?} {name}: {list}");
        }
        assert!(!list.contains(HOSTILE) && !list.contains("Held by the app"), "{list}");
        for (query, expected) in [
            ("kind=key", [true, false, false, false]),
            ("kind=jwt", [false, true, false, false]),
            ("kind=grant", [false, false, true, false]),
            ("kind=client", [false, false, false, true]),
            ("environment=test", [false; 4]),
            ("status=revoked", [false; 4]),
            ("q=LAPTOP", [false, true, false, false]),
            ("kind=cow&status=x&sort=x&after=x&environment=x", [true; 4]),
            ("sort=name", [true; 4]),
        ] {
            let body = ada.get(&format!("/credentials?{query}")).await.expect(200).body;
            assert_eq!(names.map(|name| body.contains(name)), expected, "{backend:?} {query}: {body}");
        }

        called(&portal, owner, billing, 7, 0).await;
        let all = [
            format!("key:{billing}"),
            format!("jwt:{FAMILY}"),
            format!("grant:{GRANT}"),
            format!("client:{OWN_APP}"),
        ];
        let query = all.iter().map(|handle| format!("credential={handle}")).collect::<Vec<_>>().join("&");
        let asked = ada.get(&format!("/credentials/revoke?{query}")).await.expect(200).body;
        for told in ["Revoke 4 credentials?", "7 calls", "192.0.2.7", "198.51.100.9", "1 refresh token and"] {
            assert!(asked.contains(told), "{backend:?} {told}: {asked}");
        }
        assert!(!asked.contains(HOSTILE));
        let fields = [("credential", all.join(" ")), ("from", "/credentials".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let page = format!("/credentials/revoke?{query}");
        let done = ada.submit(&page, "/credentials/revoke", &fields).await.expect(303);
        assert_eq!(done.location(), "/credentials");
        let rest = ada.get("/credentials").await.expect(200).body;
        assert!(rest.contains("4 credentials are revoked") && rest.contains("Warehouse"), "{rest}");
        for name in ["Billing", "Laptop", "&lt;script&gt;alert(1)"] {
            assert!(!rest.contains(name), "{backend:?} {name}: {rest}");
        }
        let ended = ada.get("/credentials?ended=yes").await.body;
        assert!(ended.contains("Laptop") && !ended.contains("unless refreshed"), "{ended}");
        // What was taken away ended now, not when it would have.
        assert_eq!(ended.matches("Ended <time").count(), 3, "{ended}");
        assert!(!ended.contains("data-relative>in "), "{ended}");
        ada.get(&page).await.expect(404);

        let filter = AuditFilter { owner: Some(owner), ..AuditFilter::default() };
        let rows = portal.portal.store.read(move |conn| audit::list(conn, &filter, 50)).await;
        let rows = rows.map_err(|error: StoreError| error).unwrap();
        for action in ["key.revoked", "token.family_ended", "app.authorisation_revoked", "app.tokens_revoked"]
        {
            assert_eq!(rows.iter().filter(|row| row.action == action).count(), 1, "{backend:?} {action}");
        }
    }
}

#[actix_web::test]
async fn what_is_in_trouble_stands_first_says_why_and_has_the_button_that_mends_it() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let owner = owner_of(&portal, "ada@example.com").await;
        let refused = key(&mut ada, "Refused key").await;
        let expiring = key(&mut ada, "Expiring key").await;
        let disabled = key(&mut ada, "Disabled key").await;
        let replaced = key(&mut ada, "Replaced key").await;
        let unused = key(&mut ada, "Unused key").await;
        key(&mut ada, "Healthy key").await;
        let now = portal.portal.now().as_micros();
        let days = |days: i64| Duration::days(days).as_micros();
        portal
            .execute(&format!("UPDATE api_keys SET expires_at = {} WHERE id = '{expiring}'", now + days(3)));
        portal.execute(&format!("UPDATE api_keys SET created_at = {} WHERE id = '{unused}'", now - days(91)));
        let page = format!("/keys/{disabled}/disable");
        ada.submit(&page, &page, &[]).await.expect(303);
        let page = format!("/keys/{replaced}/settings");
        let rotated =
            ada.submit(&page, &format!("/keys/{replaced}/rotate"), &[("grace", "1h")]).await.expect(303);
        let successor = rotated.location().strip_suffix("/shown").unwrap().to_owned();
        called(&portal, owner, refused, 80, 20).await;

        let list = ada.get("/credentials").await.expect(200).body;
        let told = [
            "The old secret, replaced: stops",
            "and nothing takes its place",
            "20 % of 100 calls refused in 24 hours, most as not allowed (403)",
            "Switched off: its calls are refused",
            "Never used since it was made",
            "Healthy key",
        ];
        assert!(places(&list, &told).is_sorted(), "{backend:?} {list}");
        for button in [
            format!("href=\"/keys/{refused}/requests?outcome=refused\""),
            format!("href=\"/keys/{expiring}/settings#rotate\""),
            format!("href=\"{successor}\""),
            format!("action=\"/keys/{disabled}/enable\""),
            format!("href=\"/credentials/revoke?credential=key:{unused}\""),
        ] {
            assert!(list.contains(&button), "{backend:?} {button}: {list}");
        }
        assert!(list.contains("5 of 7 need attention."), "{list}");
        let troubled = ada.get("/credentials?status=attention").await.expect(200).body;
        assert!(troubled.contains("Refused key") && !troubled.contains("Healthy key"));
        let by_name = ada.get("/credentials?sort=name").await.expect(200).body;
        let order = ["<strong>Disabled", "<strong>Expiring", "<strong>Healthy", "<strong>Refused"];
        assert!(places(&by_name, &order).is_sorted());
        ada.submit("/credentials", &format!("/keys/{disabled}/enable"), &[]).await.expect(303);
        assert!(!ada.get("/credentials").await.body.contains("Switched off"));

        // Live before test, whatever the trouble; and what is over needs nobody.
        portal.execute(&format!("UPDATE api_keys SET environment = 'test' WHERE id = '{expiring}'"));
        let list = ada.get("/credentials").await.expect(200).body;
        assert!(
            places(&list, &["<strong>Unused", "<strong>Expiring", "<strong>Healthy"]).is_sorted(),
            "{list}"
        );
        portal.execute(&format!(
            "UPDATE api_keys SET disabled_at = {now}, expires_at = {now} WHERE id = '{disabled}'"
        ));
        assert!(!ada.get("/credentials").await.body.contains("Disabled key"));
    }
}

#[actix_web::test]
async fn what_is_anothers_is_not_there_and_then_nothing_is_revoked() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let hers = key(&mut ada, "Hers").await;
        furnish(&portal, owner_of(&portal, "ada@example.com").await);
        let mut eve = Browser::new(&portal);
        eve.sign_up("eve@example.com").await.expect(303);
        let own = key(&mut eve, "Own").await;
        assert!(!eve.get("/credentials?ended=yes").await.expect(200).body.contains("Hers"));
        for foreign in [
            format!("key:{hers}"),
            format!("client:{OWN_APP}"),
            "key:nonsense".to_owned(),
            // An id of one's own under another kind.
            format!("grant:{own}"),
        ] {
            eve.get(&format!("/credentials/revoke?credential={foreign}")).await.expect(404);
            eve.get(&format!("/credentials/revoke?credential=key:{own}&credential={foreign}"))
                .await
                .expect(404);
        }
        for foreign in [
            format!("key:{hers}"),
            format!("client:{OWN_APP}"),
            format!("jwt:{FAMILY}"),
            format!("grant:{GRANT}"),
        ] {
            let both = format!("key:{own} {foreign}");
            let fields = [("credential", both.as_str())];
            eve.submit("/credentials", "/credentials/revoke", &fields).await.expect(404);
        }
        assert!(eve.get("/credentials").await.body.contains("Own"));
        let list = ada.get("/credentials").await.expect(200).body;
        assert!(list.contains("Hers") && list.contains("Laptop") && list.contains("&lt;script"), "{list}");
        let none = eve.submit("/credentials", "/credentials/revoke", &[]).await.expect(303);
        assert_eq!(none.location(), "/credentials");
        let many = vec![("credential", "key:0193a0c0-0000-7000-8000-00000000000a"); 101];
        eve.submit("/credentials", "/credentials/revoke", &many).await.expect(400);
    }
}

#[actix_web::test]
async fn every_credential_stands_on_exactly_one_page_of_each_order() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let owner = owner_of(&portal, "ada@example.com").await;
        furnish(&portal, owner);
        let name = |n: u32| format!("pair_{n:03}_");
        for n in 0..120 {
            portal.execute(&format!(
                "INSERT INTO families (id, owner_id, client_id, kind, name, audience, scopes, environment,
                   token_format, access_lifetime, has_refresh, ancestors, root, created_at, idle_expires_at, expires_at, amr)
                 SELECT '0193a0c0-0000-7000-8000-0000000{n:05}', owner_id, client_id, kind, '{}', audience, scopes,
                   environment, token_format, access_lifetime, has_refresh, ancestors, root, created_at + {},
                   idle_expires_at, expires_at, amr FROM families WHERE id = '{FAMILY}'",
                name(n),
                n % 7
            ));
        }
        for sort in ["attention", "name", "used", "expires", "created"] {
            let (mut at, mut seen) = (format!("/credentials?sort={sort}"), vec![0; 120]);
            for _ in 0..3 {
                let body = ada.get(&at).await.expect(200).body;
                for n in 0..120 {
                    let here = body.contains(&format!("<strong>{}</strong>", name(n)));
                    *seen.get_mut(n as usize).unwrap() += u32::from(here);
                }
                let Some((before, _)) = body.split_once("\" rel=\"next\"") else { break };
                at = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&").replace("&#x2F;", "/");
            }
            assert!(seen.iter().all(|times| *times == 1), "{backend:?} {sort}: {seen:?}");
        }
    }
}
