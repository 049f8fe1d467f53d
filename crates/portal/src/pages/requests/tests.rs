//! The log and the explainer, as a browser meets them.

use keyway_core::ids::{ApiKeyId, BatchId, EntityId, OwnerId, RequestId};
use keyway_core::quota::Measure;
use keyway_core::record::{Lacked, Record, RecordBatch};
use keyway_core::refusal::{Check, Refusal, SpentLimit};
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::{api_keys, records};
use keyway_store::testing::Backend;

use crate::testing::{Browser, TestPortal};

const FORM: [(&str, &str); 3] = [("environment", "live"), ("expiry", "90"), ("scope", "notes:read")];

/// Creates a key, and tells whose it is.
async fn key(portal: &TestPortal, browser: &mut Browser<'_>, name: &str) -> (ApiKeyId, OwnerId) {
    let fields = [&FORM[..], &[("name", name)]].concat();
    let answer = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    let id: ApiKeyId = answer.location().split('/').nth(2).unwrap().parse().unwrap();
    let found = portal.portal.store.read(move |conn| api_keys::find(conn, id)).await;
    (id, found.map_err(|error: StoreError| error).unwrap().unwrap().owner)
}

/// Records a call as a guard does, a second after the one before.
async fn call(
    portal: &TestPortal,
    by: Option<(ApiKeyId, OwnerId)>,
    route: &str,
    refusal: Option<&Refusal>,
) -> RequestId {
    portal.clock.advance(Duration::seconds(1));
    let now: Timestamp = portal.portal.now();
    let request = RequestId::new(now, &*portal.portal.random);
    let record = Record {
        at: now,
        request,
        credential: by.map(|(key, _)| key.entity()),
        root: None,
        owner: by.map(|(_, owner)| owner),
        method: "GET".into(),
        route: route.into(),
        status: refusal.map_or(200, Refusal::status),
        failed: refusal.map(Refusal::check),
        code: refusal.map(|refusal| refusal.code().into()),
        lacked: refusal.and_then(Lacked::of),
        address: Some([192, 0, 2, 7].into()),
        latency_us: 1_450,
        user_agent: Some("=curl/8.5.0".into()),
    };
    let batch = RecordBatch {
        id: BatchId::new(now, &*portal.portal.random),
        audience: "http://localhost:8081".parse().unwrap(),
        at: now,
        counts: Vec::new(),
        last_uses: Vec::new(),
        records: vec![record],
        drawn: Vec::new(),
    };
    batch.check(now).unwrap();
    portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, now)).await.unwrap();
    request
}

fn no_scope() -> Refusal {
    Refusal::InsufficientScope { required: "notes:read notes:write".into(), missing: "notes:write".into() }
}

#[actix_web::test]
async fn the_log_shows_ones_own_requests_filtered_and_as_csv() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let empty = ada.get("/requests").await.expect(200);
        assert!(empty.body.contains("No request has been recorded yet."), "{}", empty.body);
        let hers = key(&portal, &mut ada, "=cmd|<b>").await;
        let mut bob = Browser::new(&portal);
        bob.sign_up("bob@example.com").await.expect(303);
        let his = key(&portal, &mut bob, "Bob's").await;
        let accepted = call(&portal, Some(hers), "/v1/whoami", None).await.to_string();
        let refused = call(&portal, Some(hers), "/v1/notes", Some(&no_scope())).await.to_string();
        let foreign = call(&portal, Some(his), "/v1/notes", None).await.to_string();
        let nobody = call(&portal, None, "", Some(&Refusal::MissingCredential)).await.to_string();

        let shows =
            |body: &str| [&accepted, &refused, &foreign, &nobody].map(|id| body.contains(id.as_str()));
        for (query, expected) in [
            ("", [true, true, false, false]),
            ("?outcome=refused", [false, true, false, false]),
            ("?outcome=accepted", [true, false, false, false]),
            ("?outcome=scope", [false, true, false, false]),
            ("?outcome=limit", [false; 4]),
            ("?class=2", [true, false, false, false]),
            ("?route=/v1/notes", [false, true, false, false]),
            (&format!("?credential={}", his.0), [false; 4]),
            // Nonsense filters nothing, and nobody but an administrator sees everybody's.
            ("?class=9&outcome=x&credential=x&before=x&all=yes", [true, true, false, false]),
        ] {
            let page = ada.get(&format!("/requests{query}")).await.expect(200);
            assert_eq!(shows(&page.body), expected, "{backend:?} {query}");
            let file = ada.get(&format!("/requests.csv{query}")).await.expect(200);
            assert_eq!(shows(&file.body), expected, "{backend:?} {query}");
            assert!(!page.body.contains("<b>"), "{}", page.body);
        }
        let (id, now) =
            (EntityId::new(portal.portal.now(), &*portal.portal.random), portal.portal.now().as_micros());
        let owner = hers.1;
        portal.execute(&format!(
            "INSERT INTO clients (id, owner_id, kind, name, auth_method, redirect_uris, post_logout_redirect_uris,
               grant_types, scopes, token_format, origin, created_at, version, id_token_algorithm, dpop_bound)
             VALUES ('{id}', '{owner}', 'confidential', 'Robot', 'client_secret_basic', '[]', '[]',
               'client_credentials', 'notes:read', 'opaque', 'manual', {now}, 0, 'RS256', FALSE)"
        ));
        let page = ada.get(&format!("/requests?credential={id}")).await.expect(200);
        assert!(page.body.contains(&format!("<option value=\"{id}\" selected>Robot")), "{}", page.body);
        let file = ada.get("/requests.csv").await.expect(200);
        assert!(file.body.contains("\"'=cmd|<b>\"") && file.header("content-type").starts_with("text/csv"));
        assert!(file.body.contains("'=curl/8.5.0"), "{}", file.body);
        let explained = ada.get(&format!("/requests/{refused}")).await.expect(200);
        assert!(explained.body.contains("=curl/8.5.0"), "{}", explained.body);

        portal.execute("UPDATE accounts SET is_admin = TRUE");
        assert_eq!(shows(&bob.get("/requests").await.expect(200).body), [false, false, true, false]);
        assert_eq!(shows(&bob.get("/requests?all=yes").await.expect(200).body), [true; 4]);
    }
}

#[actix_web::test]
async fn every_request_stands_on_exactly_one_page_of_the_log() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up("ada@example.com").await.expect(303);
        let by = key(&portal, &mut browser, "Billing").await;
        let mut made = Vec::new();
        for _ in 0..60 {
            made.push(call(&portal, Some(by), "/v1/whoami", None).await.to_string());
        }
        let first = browser.get("/requests").await.expect(200).body;
        let last = made.get(10).unwrap();
        let at = portal.portal.now() - Duration::seconds(49);
        let second =
            browser.get(&format!("/requests?before={}_{last}", at.as_micros())).await.expect(200).body;
        assert!(first.contains(&format!("before={}_{last}", at.as_micros())), "{first}");
        for (index, id) in made.iter().enumerate() {
            assert_eq!((first.contains(id), second.contains(id)), (index >= 10, index < 10), "{index}");
        }
    }
}

#[actix_web::test]
async fn a_missing_scope_is_explained_and_its_button_ticks_it_and_grants_nothing() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = Browser::new(&portal);
        browser.sign_up("ada@example.com").await.expect(303);
        let by = key(&portal, &mut browser, "Billing").await;
        let id = call(&portal, Some(by), "/v1/notes", Some(&no_scope())).await;
        let asked = browser.get(&format!("/requests/explain?id=%20{id}%20")).await.expect(303);
        let page = browser.get(asked.location()).await.expect(200);
        assert!(
            page.body.contains("The route needs notes:read notes:write; the credential lacks notes:write.")
        );
        let edit = format!("/keys/{}/edit?scope=notes%3Awrite", by.0);
        assert!(page.body.contains(&format!("{edit}#scope")), "{}", page.body);

        let form = browser.get(&edit).await.expect(200);
        let ticked = |body: &str| {
            let input = body.split("<input").find(|input| input.contains("value=\"notes:write\"")).unwrap();
            input.split_once('>').unwrap().0.contains(" checked")
        };
        assert!(ticked(&form.body) && form.body.contains("Ticked, and not granted yet"), "{}", form.body);
        let plain = browser.get(&format!("/keys/{}/edit", by.0)).await.expect(200);
        assert!(!ticked(&plain.body) && !plain.body.contains("Ticked, and not granted yet"));
        let unknown = browser.get(&format!("/keys/{}/edit?scope=%3Cb%3E+nothing:at+notes:read", by.0)).await;
        assert!(!unknown.expect(200).body.contains("Ticked, and not granted yet"));
    }
}

#[actix_web::test]
async fn anothers_request_and_one_that_never_was_are_the_same_404() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let hers = key(&portal, &mut ada, "Billing").await;
        let mut bob = Browser::new(&portal);
        bob.sign_up("bob@example.com").await.expect(303);
        let foreign = call(&portal, Some(hers), "/v1/notes", Some(&Refusal::Revoked)).await;
        let nobody = call(&portal, None, "", Some(&Refusal::InvalidCredential(Check::Found))).await;
        let never = RequestId::new(portal.portal.now(), &*portal.portal.random);
        for id in [foreign.to_string(), nobody.to_string(), never.to_string(), "nonsense".to_owned()] {
            bob.get(&format!("/requests/{id}")).await.expect(404);
        }
        bob.get("/requests/explain?id=nonsense").await.expect(404);
        ada.get(&format!("/requests/{nobody}")).await.expect(404);
        ada.get(&format!("/requests/{foreign}")).await.expect(200);

        portal.execute("UPDATE accounts SET is_admin = TRUE");
        let page = bob.get(&format!("/requests/{nobody}")).await.expect(200);
        assert!(page.body.contains("No such credential is known here."), "{}", page.body);
        let page = bob.get(&format!("/requests/{foreign}")).await.expect(200);
        assert!(!page.body.contains("/keys/new?"), "no button to mend what is another's: {}", page.body);
    }
}

#[actix_web::test]
async fn each_refusal_names_its_check_and_leads_to_what_mends_it() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = Browser::new(&portal);
    browser.sign_up("ada@example.com").await.expect(303);
    let by = key(&portal, &mut browser, "Billing").await;
    let key = format!("/keys/{}", by.0);
    let limit = |limit| Refusal::LimitExceeded {
        limit,
        measure: Measure::Rate("60/min burst=5".parse().unwrap()),
        retry_after: 1,
    };
    for (refusal, text, leads) in [
        (
            Refusal::WrongAudience,
            "It is for another API than http://localhost:8081.",
            "/keys/new?name=Billing",
        ),
        (Refusal::Revoked, "was revoked.", "/keys/new?name=Billing"),
        (Refusal::Disabled, "is switched off.", &key),
        (Refusal::OwnerSuspended, "Its owner is suspended.", "Ask an administrator"),
        (Refusal::Expired, "Its time is over.", &format!("{key}/edit?renew=yes#expiry")),
        (Refusal::AddressNotAllowed, "does not contain 192.0.2.7.", &format!("{key}/edit#addresses")),
        (limit(SpentLimit::Own), "its own limit: 60/min burst=5.", &format!("{key}/edit#rate")),
        (limit(SpentLimit::Shared), "all credentials of its owner share", "ask an administrator"),
        (Refusal::CannotTell { retry_after: 1 }, "This says nothing about the credential.", "Call again"),
    ] {
        let id = call(&portal, Some(by), "/v1/notes", Some(&refusal)).await;
        let page = browser.get(&format!("/requests/{id}")).await.expect(200).body;
        assert!(page.contains(text) && page.contains(leads), "{refusal:?}: {page}");
        let failed = Check::ALL.iter().filter(|check| **check > refusal.check()).count();
        assert_eq!(page.matches("Not reached").count(), failed, "{refusal:?}");
    }
    let id = call(&portal, Some(by), "/v1/notes", None).await;
    let page = browser.get(&format!("/requests/{id}")).await.expect(200).body;
    assert!(page.contains("This request was accepted") && !page.contains("Not reached"), "{page}");
}
