use keyway_core::clock::Clock;

use super::*;
use crate::testing::{Backend, START, TestDatabase};

/// Rows that are over at `START`, and one of each kind that is not (times in microseconds; `{now}` is `START`).
const ROWS: &str = "
INSERT INTO owners (id, kind, name, version, created_at) VALUES ('o', 'person', 'Ada', 0, 0);
INSERT INTO clients (id, owner_id, kind, name, auth_method, redirect_uris, post_logout_redirect_uris, grant_types,
  scopes, token_format, origin, created_at, version)
  VALUES ('c', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'manual', 0, 0);
INSERT INTO clients (id, owner_id, kind, name, auth_method, redirect_uris, post_logout_redirect_uris, grant_types,
  scopes, token_format, origin, created_at, version, last_used_at, deleted_at)
  VALUES ('d1', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'dynamic', 0, 0, NULL, NULL),
         ('d2', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'dynamic', 0, 0, 1, NULL),
         ('d3', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'dynamic', 0, 0, NULL, NULL),
         ('d4', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'dynamic', {now}, 0, NULL, NULL),
         ('d5', 'o', 'public', 'App', 'none', '[]', '[]', '', '', 'opaque', 'dynamic', 0, 0, 1, 1);
INSERT INTO client_secrets (id, client_id, digest, last4, created_at) VALUES ('s1', 'd1', {x}01', 'abcd', 0);
INSERT INTO registration_tokens (id, digest, owner_id, note, uses_left, created_at, expires_at)
  VALUES ('i1', {x}01', 'o', '', 1, 0, 0), ('i2', {x}02', 'o', '', 1, 0, {now});
INSERT INTO grants (id, owner_id, client_id, scopes, offline, created_at, updated_at)
  VALUES ('g3', 'o', 'd3', '', TRUE, 0, 0);
INSERT INTO grants (id, owner_id, client_id, scopes, offline, created_at, updated_at)
  VALUES ('g', 'o', 'c', '', TRUE, 0, 0);
INSERT INTO sessions (digest, id, state, created_at, last_seen_at, expires_at)
  VALUES ({x}01', 's1', '{}', 0, 0, {now}), ({x}02', 's2', '{}', 0, 0, {now} + 1);
INSERT INTO attempts (bucket, failures, first_at, last_at, locked_until)
  VALUES ('a', 1, 0, 0, NULL), ('b', 1, 0, 0, {now} + 1), ('c', 1, 0, {now}, NULL);
INSERT INTO mail_links (id, digest, purpose, email, created_at, expires_at)
  VALUES ('l1', {x}01', 'verify', 'a@b', 0, 0), ('l2', {x}02', 'verify', 'a@b', 0, {now});
INSERT INTO outbox (id, recipient, subject, body_text, body_html, created_at, attempts, next_attempt_at, sent_at)
  VALUES ('m1', 'a@b', '', '', '', 0, 1, 0, 1), ('m2', 'a@b', '', '', '', 0, 1, 0, NULL);
INSERT INTO api_keys (id, owner_id, creator_id, digest, prefix, last4, name, environment, audiences, scopes, note,
  addresses, ancestors, created_at, imported, version)
  VALUES ('k1', 'o', 'o', {x}01', '', '', '', 'live', '', '', '', '', '', 0, FALSE, 0);
INSERT INTO expiry_notices (key_id, expires_at, days) VALUES ('k1', 0, 14), ('k1', 0, 3), ('k1', {now}, 3);
INSERT INTO shown_secrets (id, owner_id, session_id, target, sealed, created_at, expires_at)
  VALUES ('h1', 'o', 's', 'k', {x}01', 0, 0), ('h2', 'o', 's', 'k', {x}01', 0, {now});
INSERT INTO spent_proofs (digest, expires_at) VALUES ({x}01', {now}), ({x}02', {now} + 1);
INSERT INTO families (id, owner_id, client_id, kind, name, audience, scopes, environment, token_format,
  access_lifetime, has_refresh, ancestors, root, created_at, idle_expires_at, expires_at, ended_at)
  VALUES ('f1', 'o', 'c', 'oauth', '', '', '', 'live', 'opaque', 1, TRUE, '', 'f1', 0, {now} + 1, {now} + 1, 0),
         ('f2', 'o', 'c', 'oauth', '', '', '', 'live', 'opaque', 1, TRUE, '', 'f2', 0, {now} + 1, {now} + 1, 0),
         ('f3', 'o', 'c', 'oauth', '', '', '', 'live', 'opaque', 1, TRUE, '', 'f3', 0, 0, {now} + 1, NULL),
         ('f4', 'o', 'c', 'oauth', '', '', '', 'live', 'opaque', 1, TRUE, '', 'f4', 0, {now} + 1, {now} + 1, NULL);
INSERT INTO authorization_codes (digest, client_id, owner_id, grant_id, redirect_uri, scopes, audience, code_challenge,
  auth_time, created_at, expires_at, failures, family_id)
  VALUES ({x}01', 'c', 'o', 'g', '', '', '', '', 0, 0, 0, 0, 'f1'),
         ({x}02', 'c', 'o', 'g', '', '', '', '', 0, 0, {now}, 0, NULL);
INSERT INTO refresh_tokens (digest, family_id, sequence, created_at, expires_at, consumed_at)
  VALUES ({x}01', 'f1', 1, 0, 0, 1), ({x}02', 'f2', 1, 0, {now} + 1, 1);
INSERT INTO access_tokens (id, digest, owner_id, subject, client_id, family_id, position, audience, scopes, environment, root,
  ancestors, addresses, created_at, expires_at)
  VALUES ('t1', {x}01', 'o', 'o', 'c', 'f1', 0, '', '', 'live', 'f1', '', '', 0, 0),
         ('t2', {x}02', 'o', 'o', 'c', 'f4', 0, '', '', 'live', 'f4', '', '', 0, {now} + 1);
INSERT INTO request_records (id, at, audience, method, route, status, latency_us)
  VALUES ('r1', 0, '', 'GET', '/', 200, 1), ('r2', {now}, '', 'GET', '/', 200, 1);
INSERT INTO usage_counts (credential_id, owner_id, audience, route, outcome, bucket, count, latency_sum_us)
  VALUES ('k', 'o', '', '/', 'ok', 0, 1, 1), ('k', 'o', '', '/', 'failed', 0, 1, 1),
         ('k', 'o', '', '/', 'ok', 3600000000, 1, 1), ('k', 'o', '', '/', 'ok', {now}, 1, 1);
INSERT INTO usage_days (credential_id, owner_id, audience, route, outcome, day, count, latency_sum_us)
  VALUES ('k', 'o', '', '/', 'ok', 0, 1, 1), ('k', 'o', '', '/', 'failed', 0, 1, 1), ('k', 'o', '', '/', 'ok', {now}, 1, 1);
INSERT INTO counted_calls (id, environment, day, calls)
  VALUES ('k', 'live', 0, 1), ('o', 'live', 0, 1), ('k', 'test', 86400000000, 1), ('k', 'live', {now}, 1);
INSERT INTO record_batches (id, received_at) VALUES ('b1', 0), ('b2', {now});
INSERT INTO feed (position, kind, id, effect, relevant_until, created_at)
  VALUES (1, 'owner', 'o', 'ended', 0, 0), (2, 'owner', 'o', 'ended', {now} + 1, 0), (3, 'owner', 'o', 'ended', 0, 0);
UPDATE feed_head SET position = 3;
";

#[tokio::test]
async fn what_is_over_goes_and_what_is_not_stays() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let binary = if backend == Backend::Sqlite { "x'" } else { "'\\x" };
        database.execute(&ROWS.replace("{now}", &START.as_micros().to_string()).replace("{x}", binary));
        let deleted = run(&store, clock.now(), Retention::default()).await.unwrap();
        let expected = [
            ("sessions", 1),
            ("attempts", 1),
            ("mail_links", 1),
            ("outbox", 1),
            ("expiry_notices", 2),
            ("shown_secrets", 1),
            ("spent_proofs", 1),
            ("authorization_codes", 1),
            ("access_tokens", 1),
            ("refresh_tokens", 1),
            ("families", 2),
            ("registration_tokens", 1),
            ("clients", 2),
            ("feed", 1),
            ("request_records", 1),
            ("usage_counts", 3),
            ("usage_days", 2),
            ("counted_calls", 3),
            ("record_batches", 1),
        ];
        assert_eq!(deleted.rows, expected.map(|(table, count)| (table.to_owned(), count)), "{backend:?}");
        let (last, unseen) = store
            .read(|conn| {
                let unseen = shown_secrets::table.filter(shown_secrets::sealed.is_not_null());
                Ok::<_, StoreError>((last_run(conn)?, unseen.count().get_result::<i64>(conn)?))
            })
            .await
            .unwrap();
        assert_eq!(last, Some(LastRun { at: START, deleted }), "{backend:?}");
        assert_eq!(unseen, 0, "{backend:?}");
        let again = run(&store, clock.now(), Retention::default()).await.unwrap();
        assert_eq!(again, Deleted::default(), "{backend:?}");
    }
}

#[tokio::test]
async fn many_rows_go_in_batches() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let rows: Vec<String> = (0..BATCH * 2 + 1).map(|n| format!("('b{n}', 0)")).collect();
        database.execute(&format!("INSERT INTO record_batches (id, received_at) VALUES {}", rows.join(", ")));
        let deleted = run(&store, clock.now(), Retention::default()).await.unwrap();
        assert_eq!(deleted.rows, [("record_batches".to_owned(), BATCH as u64 * 2 + 1)], "{backend:?}");
    }
}
