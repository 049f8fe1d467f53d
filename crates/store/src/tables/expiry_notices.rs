//! Which keys end soon, and to whom that was told.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ApiKeyId, OwnerId};

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::{api_keys, expiry_notices, owners};
use crate::types::Table;

const TABLE: Table = Table("expiry_notices");

/// Keys that end after `from`, at `until` the latest, and of which that was not told `days` before: at most `limit`,
/// those of one owner together. Left out are keys that were revoked, disabled or replaced,
/// and those of suspended owners.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn due(
    conn: &mut Conn,
    from: Timestamp,
    until: Timestamp,
    days: i64,
    limit: u32,
) -> Result<Vec<(OwnerId, ApiKeyId)>, StoreError> {
    let told = expiry_notices::table
        .filter(expiry_notices::key_id.eq(api_keys::id))
        .filter(expiry_notices::expires_at.nullable().eq(api_keys::expires_at))
        .filter(expiry_notices::days.eq(days));
    let owning =
        owners::table.filter(owners::id.eq(api_keys::owner_id)).filter(owners::suspended_at.is_null());
    let rows: Vec<(String, String)> = api_keys::table
        .filter(api_keys::expires_at.gt(from.as_micros()).and(api_keys::expires_at.le(until.as_micros())))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::disabled_at.is_null())
        .filter(api_keys::replaced_by.is_null())
        .filter(not(exists(told)))
        .filter(exists(owning))
        .order((api_keys::owner_id, api_keys::expires_at))
        .limit(i64::from(limit))
        .select((api_keys::owner_id, api_keys::id))
        .load(conn)?;
    rows.iter().map(|(owner, id)| Ok((TABLE.parse("owner_id", owner)?, TABLE.parse("key_id", id)?))).collect()
}

/// Notes that a key's end at `expires_at` is told `days` before. `false` when it was already: of two portals at once,
/// one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn claim(conn: &mut Conn, key: ApiKeyId, expires_at: Timestamp, days: i64) -> Result<bool, StoreError> {
    let row = (
        expiry_notices::key_id.eq(key.to_string()),
        expiry_notices::expires_at.eq(expires_at.as_micros()),
        expiry_notices::days.eq(days),
    );
    let added = on_either!(conn, |conn| {
        diesel::insert_into(expiry_notices::table).values(row).on_conflict_do_nothing().execute(conn)
    })?;
    Ok(added == 1)
}
