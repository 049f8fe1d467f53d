//! Deleting what has expired, in small batches, table by table.
//!
//! Deleted is what no longer answers any question. API keys, clients that were ever used, grants, signing keys and audit rows stay.
//! Nothing here decides whether a credential is valid: that is decided by its own times, with or without this.

use diesel::prelude::*;
use keyway_core::oauth::ClientOrigin;
use keyway_core::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::feed;
use crate::schema::{
    access_tokens, attempts, authorization_codes, client_secrets, clients, device_codes, expiry_notices,
    families, grants, logout_notices, mail_links, outbox, provider_flows, pushed_requests, record_batches,
    refresh_tokens, registration_tokens, request_records, sessions, shown_secrets, spent_proofs,
};
use crate::store::Store;
use crate::tables::{counted_calls, settings, usage};

/// Rows deleted in one transaction: small enough for other writers not to notice.
const BATCH: i64 = 200;
const LAST_RUN: &str = "housekeeping_last_run";
const UNREADABLE: StoreError = StoreError::Inconsistent { table: "settings", column: LAST_RUN };

/// How long what is over is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Expired codes, links, access tokens and ended families: so long they can still be asked after.
    pub expired: Duration,
    /// Clients that registered themselves and were never used since.
    pub unused_clients: Duration,
    /// Mails, and notices to clients, that were sent or given up.
    pub mails: Duration,
    /// Counts of guesses without a new one.
    pub attempts: Duration,
    /// Single requests.
    pub request_records: Duration,
    /// Hourly counts; never longer than the daily ones.
    pub usage_hours: Duration,
    /// Daily counts.
    pub usage: Duration,
    /// Daily counts for quotas: longer than any month.
    pub counted_calls: Duration,
    /// Ids of record batches: so long a repeated one counts once.
    pub record_batches: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            expired: Duration::days(7),
            unused_clients: Duration::days(30),
            mails: Duration::days(7),
            attempts: Duration::days(2),
            request_records: Duration::days(30),
            usage_hours: Duration::days(14),
            usage: Duration::days(400),
            counted_calls: Duration::days(40),
            record_batches: Duration::days(2),
        }
    }
}

/// What one run deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Table and number of rows, for each table that lost any.
    pub rows: Vec<(String, u64)>,
}

/// When housekeeping last ran, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it was done.
    pub at: Timestamp,
    /// What it deleted.
    pub deleted: Deleted,
}

/// Deletes one batch of one table's expired rows and says how many there were.
type Sweep = fn(&mut Conn, Timestamp, &Retention) -> Result<usize, StoreError>;

/// What refers to a row goes before the row.
const SWEEPS: &[(&str, Sweep)] = &[
    ("sessions", |conn, now, _| sweep_sessions(conn, now)),
    ("attempts", sweep_attempts),
    ("mail_links", sweep_mail_links),
    ("outbox", sweep_outbox),
    ("expiry_notices", sweep_expiry_notices),
    ("logout_notices", sweep_logout_notices),
    ("shown_secrets", |conn, now, _| sweep_shown_secrets(conn, now)),
    ("spent_proofs", |conn, now, _| sweep_spent_proofs(conn, now)),
    ("authorization_codes", sweep_codes),
    ("device_codes", sweep_device_codes),
    ("pushed_requests", |conn, now, _| sweep_pushed_requests(conn, now)),
    ("provider_flows", |conn, now, _| sweep_provider_flows(conn, now)),
    ("access_tokens", sweep_access_tokens),
    ("refresh_tokens", sweep_refresh_tokens),
    ("families", sweep_families),
    ("registration_tokens", sweep_registration_tokens),
    ("clients", sweep_clients),
    ("feed", |conn, now, _| feed::cut(conn, now, BATCH)),
    ("request_records", sweep_request_records),
    ("usage_counts", sweep_usage_hours),
    ("usage_days", |conn, now, keep| usage::delete_oldest_day(conn, now - keep.usage)),
    ("counted_calls", |conn, now, keep| counted_calls::delete_oldest(conn, now - keep.counted_calls)),
    ("record_batches", sweep_record_batches),
];

/// Deletes everything that has expired by `now` and remembers that it ran. Other writes go on in between.
///
/// # Errors
/// When a statement fails; what was deleted before stays deleted.
pub async fn run(store: &Store, now: Timestamp, retention: Retention) -> Result<Deleted, StoreError> {
    let mut deleted = Deleted::default();
    for &(table, sweep) in SWEEPS {
        let mut count = 0_u64;
        loop {
            let batch = store.write(move |tx| sweep(tx.conn(), now, &retention)).await?;
            count += batch as u64;
            if batch == 0 {
                break;
            }
        }
        if count > 0 {
            deleted.rows.push((table.to_owned(), count));
        }
    }
    let last_run = LastRun { at: now, deleted: deleted.clone() };
    store
        .write(move |tx| {
            let text = serde_json::to_string(&last_run).map_err(|_| UNREADABLE)?;
            settings::set(tx.conn(), LAST_RUN, &text)
        })
        .await?;
    Ok(deleted)
}

/// When it last ran, if it ever did.
///
/// # Errors
/// When the statement fails or the setting cannot be read.
pub fn last_run(conn: &mut Conn) -> Result<Option<LastRun>, StoreError> {
    settings::get(conn, LAST_RUN)?.map(|text| serde_json::from_str(&text).map_err(|_| UNREADABLE)).transpose()
}

/// Deletes a batch of the rows of `$table` that fit `$condition`, by its primary key of type `$type`.
macro_rules! delete_batch {
    ($conn:expr, $table:ident, $key:ident: $type:ty, $condition:expr) => {{
        let query = $table::table.filter($condition).select($table::$key).limit(BATCH);
        let batch: Vec<$type> = query.load($conn)?;
        if batch.is_empty() {
            return Ok(0);
        }
        Ok(diesel::delete($table::table.filter($table::$key.eq_any(batch))).execute($conn)?)
    }};
}

fn sweep_sessions(conn: &mut Conn, now: Timestamp) -> Result<usize, StoreError> {
    delete_batch!(conn, sessions, digest: Vec<u8>, sessions::expires_at.le(now.as_micros()))
}

fn sweep_attempts(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let idle = attempts::last_at.le((now - keep.attempts).as_micros());
    let locked = attempts::locked_until.gt(now.as_micros());
    delete_batch!(
        conn,
        attempts,
        bucket: String,
        idle.and(attempts::locked_until.is_null().or(diesel::dsl::not(locked)))
    )
}

fn sweep_mail_links(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    delete_batch!(conn, mail_links, id: String, mail_links::expires_at.le((now - keep.expired).as_micros()))
}

fn sweep_outbox(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let over = outbox::sent_at.is_not_null().or(outbox::failed_at.is_not_null());
    delete_batch!(conn, outbox, id: String, over.and(outbox::created_at.le((now - keep.mails).as_micros())))
}

/// Those of keys that ended so long ago that nothing is told of them any more.
fn sweep_expiry_notices(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let batch: Vec<i64> = expiry_notices::table
        .filter(expiry_notices::expires_at.le((now - keep.expired).as_micros()))
        .order(expiry_notices::expires_at)
        .select(expiry_notices::expires_at)
        .limit(BATCH)
        .load(conn)?;
    let Some(last) = batch.last() else { return Ok(0) };
    Ok(diesel::delete(expiry_notices::table.filter(expiry_notices::expires_at.le(last))).execute(conn)?)
}

fn sweep_logout_notices(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let over = logout_notices::sent_at.is_not_null().or(logout_notices::failed_at.is_not_null());
    let old = logout_notices::created_at.le((now - keep.mails).as_micros());
    delete_batch!(conn, logout_notices, id: String, over.and(old))
}

/// The secret goes at once, the row a day later: until then it makes a double submit one.
fn sweep_shown_secrets(conn: &mut Conn, now: Timestamp) -> Result<usize, StoreError> {
    let unseen = shown_secrets::sealed.is_not_null().and(shown_secrets::expires_at.le(now.as_micros()));
    diesel::update(shown_secrets::table.filter(unseen))
        .set(shown_secrets::sealed.eq(None::<Vec<u8>>))
        .execute(conn)?;
    delete_batch!(
        conn,
        shown_secrets,
        id: String,
        shown_secrets::expires_at.le((now - Duration::days(1)).as_micros())
    )
}

fn sweep_spent_proofs(conn: &mut Conn, now: Timestamp) -> Result<usize, StoreError> {
    delete_batch!(conn, spent_proofs, digest: Vec<u8>, spent_proofs::expires_at.le(now.as_micros()))
}

fn sweep_codes(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let over = authorization_codes::expires_at.le((now - keep.expired).as_micros());
    delete_batch!(conn, authorization_codes, digest: Vec<u8>, over)
}

fn sweep_device_codes(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let over = device_codes::expires_at.le((now - keep.expired).as_micros());
    delete_batch!(conn, device_codes, digest: Vec<u8>, over)
}

fn sweep_pushed_requests(conn: &mut Conn, now: Timestamp) -> Result<usize, StoreError> {
    delete_batch!(conn, pushed_requests, digest: Vec<u8>, pushed_requests::expires_at.le(now.as_micros()))
}

fn sweep_provider_flows(conn: &mut Conn, now: Timestamp) -> Result<usize, StoreError> {
    delete_batch!(conn, provider_flows, state: Vec<u8>, provider_flows::expires_at.le(now.as_micros()))
}

fn sweep_access_tokens(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    delete_batch!(conn, access_tokens, id: String, access_tokens::expires_at.le((now - keep.expired).as_micros()))
}

/// Spent ones are kept until they would have expired: presented before that, they tell of theft.
fn sweep_refresh_tokens(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    delete_batch!(
        conn,
        refresh_tokens,
        digest: Vec<u8>,
        refresh_tokens::expires_at.le((now - keep.expired).as_micros())
    )
}

/// Those that are over and to which nothing refers any more.
fn sweep_families(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    use diesel::dsl::{exists, not};
    let before = (now - keep.expired).as_micros();
    let over = families::idle_expires_at
        .le(before)
        .or(families::expires_at.le(before))
        .or(families::ended_at.is_not_null().and(families::ended_at.assume_not_null().le(before)));
    let id = families::id.nullable();
    let unused = not(exists(refresh_tokens::table.filter(refresh_tokens::family_id.eq(families::id))))
        .and(not(exists(access_tokens::table.filter(access_tokens::family_id.eq(id)))))
        .and(not(exists(authorization_codes::table.filter(authorization_codes::family_id.eq(id)))));
    delete_batch!(conn, families, id: String, over.and(unused))
}

fn sweep_registration_tokens(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    let over = registration_tokens::expires_at.le((now - keep.expired).as_micros());
    delete_batch!(conn, registration_tokens, id: String, over)
}

/// Those that registered themselves and never came back, or were deleted, once nothing refers to them any more.
fn sweep_clients(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    use diesel::dsl::{exists, not};
    let unused = clients::created_at
        .le((now - keep.unused_clients).as_micros())
        .and(clients::last_used_at.is_null().or(clients::deleted_at.is_not_null()));
    let unreferenced = not(exists(grants::table.filter(grants::client_id.eq(clients::id))))
        .and(not(exists(authorization_codes::table.filter(authorization_codes::client_id.eq(clients::id)))))
        .and(not(exists(families::table.filter(families::client_id.eq(clients::id)))))
        .and(not(exists(access_tokens::table.filter(access_tokens::client_id.eq(clients::id)))))
        .and(not(exists(pushed_requests::table.filter(pushed_requests::client_id.eq(clients::id)))))
        .and(not(exists(device_codes::table.filter(device_codes::client_id.eq(clients::id)))))
        .and(not(exists(logout_notices::table.filter(logout_notices::client_id.eq(clients::id)))));
    let batch: Vec<String> = clients::table
        .filter(clients::origin.eq(ClientOrigin::Dynamic.as_str()).and(unused).and(unreferenced))
        .select(clients::id)
        .limit(BATCH)
        .load(conn)?;
    if batch.is_empty() {
        return Ok(0);
    }
    diesel::delete(client_secrets::table.filter(client_secrets::client_id.eq_any(&batch))).execute(conn)?;
    Ok(diesel::delete(clients::table.filter(clients::id.eq_any(&batch))).execute(conn)?)
}

fn sweep_request_records(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    delete_batch!(conn, request_records, id: String, request_records::at.le((now - keep.request_records).as_micros()))
}

fn sweep_usage_hours(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    usage::delete_oldest_hour(conn, now - keep.usage_hours.min(keep.usage))
}

fn sweep_record_batches(conn: &mut Conn, now: Timestamp, keep: &Retention) -> Result<usize, StoreError> {
    delete_batch!(
        conn,
        record_batches,
        id: String,
        record_batches::received_at.le((now - keep.record_batches).as_micros())
    )
}

#[cfg(test)]
mod tests;
