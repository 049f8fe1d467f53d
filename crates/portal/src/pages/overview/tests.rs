//! The overview as a browser meets it.

use keyway_core::ids::{ApiKeyId, BatchId};
use keyway_core::owner::Environment;
use keyway_core::quota::{Day, Drawn, Quota};
use keyway_core::record::{Count, Outcome, RecordBatch};
use keyway_store::StoreError;
use keyway_store::tables::{api_keys, records};
use keyway_store::testing::Backend;

use crate::testing::{Browser, TestPortal};

#[actix_web::test]
async fn the_overview_tells_what_was_refused_what_is_left_and_what_to_press() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |settings| {
            settings.limit_defaults.owner_quotas.day = Quota::Calls(200.try_into().unwrap());
        });
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let fields =
            [("name", "billing"), ("environment", "live"), ("expiry", "90"), ("scope", "notes:read")];
        let answer = ada.submit("/keys/new", "/keys", &fields).await.expect(303);
        let id: ApiKeyId = answer.location().split('/').nth(2).unwrap().parse().unwrap();
        let read = portal.portal.store.read(move |conn| api_keys::find(conn, id)).await;
        let owner = read.map_err(|error: StoreError| error).unwrap().unwrap().owner;
        let quiet = ada.get("/").await.expect(200);
        assert!(!quiet.body.contains("Needs attention"), "{backend:?}: {}", quiet.body);
        assert!(quiet.body.contains("<b>0</b> of 200 calls"), "{backend:?}: {}", quiet.body);

        let now = portal.portal.now();
        let count = |outcome, calls| Count {
            credential: id.entity(),
            owner,
            route: "/v1/notes".into(),
            outcome,
            calls,
            latency_sum_us: calls,
        };
        let drawn = Drawn {
            root: id.entity(),
            owner: Some(owner),
            environment: Environment::Live,
            day: Day::of(now),
            calls: 180,
        };
        let batch = RecordBatch {
            id: BatchId::new(now, &*portal.portal.random),
            audience: "http://localhost:8081".parse().unwrap(),
            at: now,
            counts: vec![count(Outcome::Ok, 60), count(Outcome::Forbidden, 30), count(Outcome::Limited, 10)],
            last_uses: Vec::new(),
            records: Vec::new(),
            drawn: vec![drawn],
        };
        portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, now)).await.unwrap();
        let page = ada.get("/").await.expect(200);
        for told in [
            "40 refused (40 %)",
            "/usage?range=24h&amp;outcome=forbidden",
            "40 % of 100 calls refused in 24 hours",
            "See refusals",
            "<b>180</b> of 200 calls",
            "Nearly spent",
        ] {
            assert!(page.body.contains(told), "{backend:?}, {told}: {}", page.body);
        }
    }
}
