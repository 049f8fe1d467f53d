//! Usage as a browser meets it, and the sparklines of the list of keys.

use keyway_core::ids::{ApiKeyId, BatchId, OwnerId};
use keyway_core::record::{Count, Outcome, RecordBatch};
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::{api_keys, records};
use keyway_store::testing::Backend;

use crate::testing::{Browser, TestPortal};

const FORM: [(&str, &str); 3] = [("environment", "live"), ("expiry", "90"), ("scope", "notes:read")];

async fn key(portal: &TestPortal, browser: &mut Browser<'_>, name: &str) -> (ApiKeyId, OwnerId) {
    let fields = [&FORM[..], &[("name", name)]].concat();
    let answer = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    let id: ApiKeyId = answer.location().split('/').nth(2).unwrap().parse().unwrap();
    let found = portal.portal.store.read(move |conn| api_keys::find(conn, id)).await;
    (id, found.map_err(|error: StoreError| error).unwrap().unwrap().owner)
}

/// Counts calls as a guard reports them.
async fn count(
    portal: &TestPortal,
    (key, owner): (ApiKeyId, OwnerId),
    route: &str,
    outcome: Outcome,
    calls: u64,
    at: Timestamp,
) {
    let count = Count {
        credential: key.entity(),
        owner,
        route: route.into(),
        outcome,
        calls,
        latency_sum_us: calls * 1_500,
    };
    let batch = RecordBatch {
        id: BatchId::new(at, &*portal.portal.random),
        audience: "http://localhost:8081".parse().unwrap(),
        at,
        counts: vec![count],
        last_uses: Vec::new(),
        records: Vec::new(),
        drawn: Vec::new(),
    };
    portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, at)).await.unwrap();
}

#[actix_web::test]
async fn usage_is_told_by_credential_route_and_outcome_and_compared() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let empty = ada.get("/usage").await.expect(200);
        assert!(empty.body.contains("No calls in this time."), "{}", empty.body);
        let hers = key(&portal, &mut ada, "=cmd|<b>").await;
        let mut bob = Browser::new(&portal);
        bob.sign_up("bob@example.com").await.expect(303);
        let his = key(&portal, &mut bob, "Bob's").await;
        let now = portal.portal.now();
        count(&portal, hers, "/v1/notes", Outcome::Ok, 1_200, now).await;
        count(&portal, hers, "/v1/whoami", Outcome::Limited, 300, now - Duration::days(1)).await;
        count(&portal, hers, "/v1/notes", Outcome::Ok, 1_000, now - Duration::days(8)).await;
        count(&portal, his, "/v1/secret", Outcome::Ok, 77_777, now).await;

        let page = ada.get("/usage").await.expect(200);
        for told in [
            "1,500",
            "50 % more than in the 7 days before",
            "=cmd|&lt;b&gt;",
            "/v1/whoami",
            "300 (100 %)",
            "1.5 ms",
            "24 Nov: 1,200 accepted",
            "kept for 14 days, by the day for 400 days",
        ] {
            assert!(page.body.contains(told), "{backend:?}, {told}: {}", page.body);
        }
        assert!(!page.body.contains("/v1/secret") && !page.body.contains("77,777"), "{backend:?}");
        let day = ada.get("/usage?range=24h").await.expect(200);
        assert!(day.body.contains("none in the 24 hours before"), "{backend:?}: {}", day.body);
        let narrow = ada.get("/usage?range=30d&route=/v1/whoami&outcome=limited").await.expect(200);
        assert!(narrow.body.contains("Clear") && !narrow.body.contains("1,200 accepted"), "{backend:?}");
        let nothing = ada.get(&format!("/usage?credential={}", his.0)).await.expect(200);
        assert!(nothing.body.contains("No call matches these filters"), "{backend:?}: {}", nothing.body);
        assert!(
            !nothing.body.contains("Bob"),
            "{backend:?}: another's key has no name here: {}",
            nothing.body
        );
        ada.get("/usage?range=no&credential=no&outcome=no&route=%00").await.expect(200);

        let file = ada.get("/usage.csv?range=30d").await.expect(200);
        assert_eq!(file.body.lines().count(), 4, "{backend:?}: {}", file.body);
        assert!(file.body.contains("\"'=cmd|<b>\""), "{backend:?}: {}", file.body);
        assert!(file.body.contains("\"/v1/notes\",\"ok\",\"1200\",\"1500\""), "{backend:?}: {}", file.body);
        assert!(!file.body.contains("/v1/secret"), "{backend:?}");

        let keys = ada.get("/keys").await.expect(200);
        assert!(keys.body.contains("2,500 calls in 30 days, 300 refused"), "{backend:?}: {}", keys.body);
    }
}

#[actix_web::test]
async fn usage_is_for_those_who_are_signed_in() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    for path in ["/usage", "/usage.csv"] {
        let answer = Browser::new(&portal).get(path).await.expect(303);
        assert!(answer.location().starts_with("/sign-in"), "{path}: {}", answer.location());
    }
}
