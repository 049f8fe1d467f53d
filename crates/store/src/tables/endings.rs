//! Ending everything of a kind that a person holds: for suspensions and new passwords. Each answers which were ended,
//! to be told to the guards.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ApiKeyId, FamilyId, GrantId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{access_tokens, api_keys, families, grants};
use crate::tables::families::EndReason;
use crate::types::Table;

/// Revokes all API keys of an owner that are not revoked.
///
/// # Errors
/// When a statement fails.
pub fn revoke_api_keys(
    conn: &mut Conn,
    owner: OwnerId,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<ApiKeyId>, StoreError> {
    let living = || {
        api_keys::table.filter(api_keys::owner_id.eq(owner.to_string()).and(api_keys::revoked_at.is_null()))
    };
    let ids: Vec<String> = living().select(api_keys::id).load(conn)?;
    diesel::update(living())
        .set((
            api_keys::revoked_at.eq(now.as_micros()),
            api_keys::revoked_reason.eq(reason.as_str()),
            api_keys::version.eq(api_keys::version + 1),
        ))
        .execute(conn)?;
    ids.iter().map(|id| Table("api_keys").parse("id", id)).collect()
}

/// Ends all JWT pairs that an owner minted.
///
/// # Errors
/// When a statement fails.
pub fn end_families(
    conn: &mut Conn,
    owner: OwnerId,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<FamilyId>, StoreError> {
    let living = || {
        families::table
            .filter(families::owner_id.eq(owner.to_string()).and(families::grant_id.is_null()))
            .filter(families::ended_at.is_null())
    };
    let ids: Vec<String> = living().select(families::id).load(conn)?;
    diesel::update(living())
        .set((families::ended_at.eq(now.as_micros()), families::ended_reason.eq(reason.as_str())))
        .execute(conn)?;
    ids.iter().map(|id| Table("families").parse("id", id)).collect()
}

/// Ends all consents of an owner, with the tokens that apps have by them.
///
/// # Errors
/// When a statement fails.
pub fn revoke_grants(
    conn: &mut Conn,
    owner: OwnerId,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let (owner, at) = (owner.to_string(), now.as_micros());
    let living = || grants::table.filter(grants::owner_id.eq(&owner).and(grants::revoked_at.is_null()));
    let ids: Vec<String> = living().select(grants::id).load(conn)?;
    diesel::update(living()).set(grants::revoked_at.eq(at)).execute(conn)?;
    diesel::update(
        families::table
            .filter(families::owner_id.eq(&owner).and(families::grant_id.is_not_null()))
            .filter(families::ended_at.is_null()),
    )
    .set((families::ended_at.eq(at), families::ended_reason.eq(reason.as_str())))
    .execute(conn)?;
    diesel::update(
        access_tokens::table
            .filter(access_tokens::owner_id.eq(&owner).and(access_tokens::grant_id.is_not_null()))
            .filter(access_tokens::revoked_at.is_null()),
    )
    .set(access_tokens::revoked_at.eq(at))
    .execute(conn)?;
    ids.iter().map(|id| Table("grants").parse("id", id)).collect()
}
