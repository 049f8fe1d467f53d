//! Pages of somebody who has much: as many statements as for somebody who has little.

use std::time::Instant;

use keyway_core::ids::ApiKeyId;
use keyway_store::testing::{Backend, START};

use super::ADA;
use crate::testing::{Browser, TestPortal};

/// Lists and sums.
const PAGES: [&str; 8] = [
    "/",
    "/credentials",
    "/keys",
    "/usage?range=24h",
    "/usage?range=90d",
    "/usage.csv?range=90d",
    "/requests",
    "/requests?outcome=refused",
];

/// Numbers from 1 to `n`, on both databases.
fn numbers(n: u32) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})")
}

/// Ids in a row: the `i`-th of a kind.
fn id(kind: &str) -> String {
    format!("'{kind}0000000-0000-7000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2)")
}

/// Makes of one key `keys`, with calls on each of 90 days and in each of 24 hours, and `requests` single ones.
fn fill(portal: &TestPortal, backend: Backend, first: ApiKeyId, keys: u32, requests: u32) {
    let digest = match backend {
        Backend::Sqlite => {
            "CAST('00000000000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2) AS BLOB)"
        }
        Backend::Postgres => {
            "convert_to('00000000000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2), 'UTF8')"
        }
    };
    let same = "creator_id, prefix, last4, environment, audiences, scopes, note, addresses, ancestors, created_at, \
                expires_at, imported, version";
    portal.execute(&format!(
        "INSERT INTO api_keys (id, digest, name, owner_id, {same}) {} SELECT {}, {digest}, 'key ' || i, owner_id, {same} \
         FROM n CROSS JOIN api_keys WHERE api_keys.id = '{first}'",
        numbers(keys),
        id("a"),
    ));
    let (day, hour) = (86_400_000_000_i64, 3_600_000_000_i64);
    let midnight = START.as_micros() / day * day;
    portal.execute(&format!(
        "INSERT INTO usage_days (owner_id, day, credential_id, audience, route, outcome, count, latency_sum_us) {}, \
         d(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM d WHERE j < 89) \
         SELECT owner_id, {midnight} - j * {day}, {}, 'http://localhost:8081', route, outcome, 1 + i % 7, 900 \
         FROM n CROSS JOIN d CROSS JOIN (SELECT '/v1/notes' AS route, 'ok' AS outcome UNION SELECT '/v1/whoami', \
         'forbidden') AS calls CROSS JOIN api_keys WHERE api_keys.id = '{first}'",
        numbers(keys),
        id("a"),
    ));
    portal.execute(&format!(
        "INSERT INTO usage_counts (owner_id, bucket, credential_id, audience, route, outcome, count, latency_sum_us) {}, \
         d(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM d WHERE j < 23) \
         SELECT owner_id, {start} - j * {hour}, {}, 'http://localhost:8081', '/v1/notes', 'ok', 12, 900 \
         FROM n CROSS JOIN d CROSS JOIN api_keys WHERE api_keys.id = '{first}'",
        numbers(keys),
        id("a"),
        start = START.as_micros() / hour * hour,
    ));
    portal.execute(&format!(
        "INSERT INTO request_records (id, at, credential_id, owner_id, audience, method, route, status, check_failed, \
         code, address, latency_us) {} SELECT {}, {start} - CAST(i AS BIGINT) * 1000000, \
         'a0000000-0000-7000-8000-' || substr(CAST(1000000000001 + i % {keys} AS TEXT), 2), owner_id, \
         'http://localhost:8081', 'GET', '/v1/notes', CASE i % 3 WHEN 0 THEN 403 ELSE 200 END, \
         CASE i % 3 WHEN 0 THEN 'scope' END, CASE i % 3 WHEN 0 THEN 'insufficient_scope' END, \
         '192.0.2.' || (i % 200), 1200 FROM n CROSS JOIN api_keys WHERE api_keys.id = '{first}'",
        numbers(requests),
        id("b"),
        start = START.as_micros(),
    ));
}

/// The statements of each page.
async fn statements(portal: &TestPortal, browser: &mut Browser<'_>) -> Vec<(&'static str, u64)> {
    let mut counted = Vec::new();
    for path in PAGES {
        let before = portal.portal.store.statements();
        let begun = Instant::now();
        browser.get(path).await.expect(200);
        let statements = portal.portal.store.statements() - before;
        println!("{path}: {statements} statements, {} ms", begun.elapsed().as_millis());
        counted.push((path, statements));
    }
    counted
}

#[actix_web::test]
async fn five_hundred_keys_take_as_many_statements_as_five() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up(ADA).await.expect(303);
        let fields = [("name", "first"), ("environment", "live"), ("expiry", "90"), ("scope", "notes:read")];
        let answer = ada.submit("/keys/new", "/keys", &fields).await.expect(303);
        let first: ApiKeyId = answer.location().split('/').nth(2).unwrap().parse().unwrap();
        fill(&portal, backend, first, 5, 10);
        let few = statements(&portal, &mut ada).await;
        assert!(few.iter().all(|(_, count)| (1..40).contains(count)), "{backend:?}: {few:?}");
        for table in ["usage_days", "usage_counts", "request_records"] {
            portal.execute(&format!("DELETE FROM {table}"));
        }
        portal.execute(&format!("DELETE FROM api_keys WHERE id <> '{first}'"));
        fill(&portal, backend, first, 500, 10_000);
        assert_eq!(statements(&portal, &mut ada).await, few, "{backend:?}");
    }
}
