//! How many families are alive: what would die with a consent or an app.

use diesel::dsl::count_star;
use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, GrantId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::families;
use crate::types::Table;

const TABLE: Table = Table("families");

/// Those that rest on a consent.
///
/// # Errors
/// When the statement fails.
pub fn of_grant(conn: &mut Conn, grant: GrantId, now: Timestamp) -> Result<u64, StoreError> {
    let count: i64 = families::table
        .filter(families::grant_id.eq(grant.to_string()).and(families::ended_at.is_null()))
        .filter(families::idle_expires_at.gt(now.as_micros()))
        .count()
        .get_result(conn)?;
    TABLE.count("id", count)
}

/// Those of a client.
///
/// # Errors
/// When the statement fails.
pub fn of_client(conn: &mut Conn, client: ClientId, now: Timestamp) -> Result<u64, StoreError> {
    let count: i64 = families::table
        .filter(families::client_id.eq(client.entity().to_string()).and(families::ended_at.is_null()))
        .filter(families::idle_expires_at.gt(now.as_micros()))
        .count()
        .get_result(conn)?;
    TABLE.count("id", count)
}

/// Those of an owner that rest on consents, by consent.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn by_grant(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<Vec<(GrantId, u64)>, StoreError> {
    let rows: Vec<(Option<String>, i64)> = families::table
        .filter(families::owner_id.eq(owner.to_string()).and(families::ended_at.is_null()))
        .filter(families::grant_id.is_not_null())
        .filter(families::idle_expires_at.gt(now.as_micros()))
        .group_by(families::grant_id)
        .select((families::grant_id, count_star()))
        .load(conn)?;
    let count = |(id, count): (Option<String>, i64)| {
        let id = id.ok_or(TABLE.inconsistent("grant_id"))?;
        Ok((TABLE.parse("grant_id", &id)?, TABLE.count("id", count)?))
    };
    rows.into_iter().map(count).collect()
}
