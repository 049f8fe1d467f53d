//! What a person's first page shows, counted in few statements.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::record::Outcome;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{api_keys, clients, connections, families, grants, usage_counts};
use crate::types::{Table, time};

const KEYS: Table = Table("api_keys");

/// How far a person has come: each also counts what has ended since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// They made an API key.
    pub key: bool,
    /// A key of theirs was used.
    pub call: bool,
    /// They minted a JWT pair.
    pub jwt: bool,
    /// They registered an app.
    pub app: bool,
}

/// How far a person has come.
///
/// # Errors
/// When a statement fails.
pub fn progress(conn: &mut Conn, owner: OwnerId) -> Result<Progress, StoreError> {
    let owner = owner.to_string();
    let of_owner = || api_keys::table.filter(api_keys::owner_id.eq(&owner));
    let keys: i64 = of_owner().count().get_result(conn)?;
    let used: i64 = of_owner().filter(api_keys::last_used_at.is_not_null()).count().get_result(conn)?;
    let pairs: i64 = families::table
        .filter(families::owner_id.eq(&owner).and(families::grant_id.is_null()))
        .count()
        .get_result(conn)?;
    let apps: i64 = clients::table.filter(clients::owner_id.eq(&owner)).count().get_result(conn)?;
    Ok(Progress { key: keys > 0, call: used > 0, jwt: pairs > 0, app: apps > 0 })
}

/// How much of a person's is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// API keys that are neither revoked nor expired.
    pub keys: u64,
    /// JWT pairs that can still be refreshed.
    pub families: u64,
    /// Apps that may act for them.
    pub grants: u64,
    /// Accounts elsewhere that they sign in with.
    pub connections: u64,
}

/// How much of a person's is alive.
///
/// # Errors
/// When a statement fails.
pub fn alive(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<Alive, StoreError> {
    let (owner, now) = (owner.to_string(), now.as_micros());
    let keys: i64 = api_keys::table
        .filter(api_keys::owner_id.eq(&owner).and(api_keys::revoked_at.is_null()))
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .count()
        .get_result(conn)?;
    let pairs: i64 = families::table
        .filter(families::owner_id.eq(&owner).and(families::grant_id.is_null()))
        .filter(families::ended_at.is_null().and(families::idle_expires_at.gt(now)))
        .filter(families::expires_at.gt(now))
        .count()
        .get_result(conn)?;
    let consents: i64 = grants::table
        .filter(grants::owner_id.eq(&owner).and(grants::revoked_at.is_null()))
        .count()
        .get_result(conn)?;
    let elsewhere: i64 =
        connections::table.filter(connections::owner_id.eq(&owner)).count().get_result(conn)?;
    Ok(Alive {
        keys: KEYS.count("id", keys)?,
        families: KEYS.count("id", pairs)?,
        grants: KEYS.count("id", consents)?,
        connections: KEYS.count("id", elsewhere)?,
    })
}

/// A key that ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringKey {
    /// Which.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Working keys that end before `until` and have no successor, the next first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn expiring_keys(
    conn: &mut Conn,
    owner: OwnerId,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<ExpiringKey>, StoreError> {
    let rows: Vec<(String, String, Option<i64>)> = api_keys::table
        .filter(api_keys::owner_id.eq(owner.to_string()))
        .filter(api_keys::revoked_at.is_null().and(api_keys::replaced_by.is_null()))
        .filter(api_keys::expires_at.gt(now.as_micros()).and(api_keys::expires_at.le(until.as_micros())))
        .order(api_keys::expires_at)
        .limit(i64::from(limit))
        .select((api_keys::id, api_keys::name, api_keys::expires_at))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, name, expires_at)| {
            let expires_at = time(expires_at.unwrap_or_default());
            Ok(ExpiringKey { id: KEYS.parse("id", &id)?, name, expires_at })
        })
        .collect()
}

/// Calls in the hours from `since` on, of all credentials of an owner: accepted and refused.
///
/// # Errors
/// When the statement fails.
pub fn calls_since(conn: &mut Conn, owner: OwnerId, since: Timestamp) -> Result<(u64, u64), StoreError> {
    let rows: Vec<(String, i64)> = usage_counts::table
        .filter(usage_counts::owner_id.eq(owner.to_string()).and(usage_counts::bucket.ge(since.as_micros())))
        .select((usage_counts::outcome, usage_counts::count))
        .load(conn)?;
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    for (outcome, count) in rows {
        let count = u64::try_from(count).unwrap_or_default();
        // What the API itself failed at was accepted here.
        if outcome == Outcome::Ok.as_str() || outcome == Outcome::Failed.as_str() {
            accepted += count;
        } else {
            refused += count;
        }
    }
    Ok((accepted, refused))
}
