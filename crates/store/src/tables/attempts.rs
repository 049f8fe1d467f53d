//! Counts of guesses, by bucket: what throttles sign-in and short codes, on every node alike.

use diesel::prelude::*;
use keyway_core::{Duration, Timestamp};

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::attempts;
use crate::types::{Table, micros_opt, time, time_opt};

const TABLE: Table = Table("attempts");

/// The failures in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many since the first.
    pub failures: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The newest.
    pub last_at: Timestamp,
    /// Nothing is tried before this.
    pub locked_until: Option<Timestamp>,
}

#[derive(Queryable)]
struct Row {
    _bucket: String,
    failures: i64,
    first_at: i64,
    last_at: i64,
    locked_until: Option<i64>,
}

impl TryFrom<Row> for Attempts {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            failures: TABLE.count("failures", row.failures)?,
            first_at: time(row.first_at),
            last_at: time(row.last_at),
            locked_until: time_opt(row.locked_until),
        })
    }
}

/// The failures in a bucket, if there were any. Those older than the window of whoever asks are theirs to ignore.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, bucket: &str) -> Result<Option<Attempts>, StoreError> {
    let row: Option<Row> = attempts::table.find(bucket).get_result(conn).optional()?;
    row.map(Attempts::try_from).transpose()
}

/// Counts one failure and gives the new count. A bucket whose newest failure is older than `window` begins anew.
///
/// # Errors
/// When a statement fails or the row cannot be read.
pub fn record_failure(
    conn: &mut Conn,
    bucket: &str,
    now: Timestamp,
    window: Duration,
) -> Result<Attempts, StoreError> {
    let old = (now - window).as_micros();
    diesel::delete(attempts::table.find(bucket).filter(attempts::last_at.lt(old))).execute(conn)?;
    let now = now.as_micros();
    let row: Row = on_either!(conn, |conn| {
        diesel::insert_into(attempts::table)
            .values((
                attempts::bucket.eq(bucket),
                attempts::failures.eq(1),
                attempts::first_at.eq(now),
                attempts::last_at.eq(now),
            ))
            .on_conflict(attempts::bucket)
            .do_update()
            .set((attempts::failures.eq(attempts::failures + 1), attempts::last_at.eq(now)))
            .returning(attempts::all_columns)
            .get_result(conn)
    })?;
    row.try_into()
}

/// Lets nothing be tried before `until`, or lifts that.
///
/// # Errors
/// When the statement fails.
pub fn lock_until(conn: &mut Conn, bucket: &str, until: Option<Timestamp>) -> Result<bool, StoreError> {
    let changed = diesel::update(attempts::table.find(bucket))
        .set(attempts::locked_until.eq(micros_opt(until)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Forgets a bucket, after a success.
///
/// # Errors
/// When the statement fails.
pub fn clear(conn: &mut Conn, bucket: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(attempts::table.find(bucket)).execute(conn)? == 1)
}
