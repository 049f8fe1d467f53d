//! What a person's first page shows, counted in few statements.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::OwnerId;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{api_keys, clients, connections, families, grants};
use crate::types::Table;

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
