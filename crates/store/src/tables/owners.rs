//! People, teams and the portal's own owner.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::OwnerId;
use keyway_core::owner::Owner;
use keyway_core::rate::Rate;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::owners;
use crate::types::{Table, micros_opt, text_opt, time, time_opt};

const TABLE: Table = Table("owners");

#[derive(Queryable)]
struct Row {
    id: String,
    kind: String,
    name: String,
    suspended_at: Option<i64>,
    rate: Option<String>,
    _version: i64,
    created_at: i64,
    _deleted_at: Option<i64>,
}

impl TryFrom<Row> for Owner {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            kind: TABLE.parse("kind", &row.kind)?,
            name: row.name,
            suspended_at: time_opt(row.suspended_at),
            rate: TABLE.parse_opt("rate", row.rate.as_deref())?,
            created_at: time(row.created_at),
        })
    }
}

/// The owner, unless deleted.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: OwnerId) -> Result<Option<Owner>, StoreError> {
    owners::table
        .find(id.to_string())
        .filter(owners::deleted_at.is_null())
        .get_result::<Row>(conn)
        .optional()?
        .map(Owner::try_from)
        .transpose()
}

/// Adds an owner.
///
/// # Errors
/// [`StoreError::Conflict`] when the id exists.
pub fn insert(conn: &mut Conn, owner: &Owner) -> Result<(), StoreError> {
    diesel::insert_into(owners::table)
        .values((
            owners::id.eq(owner.id.to_string()),
            owners::kind.eq(owner.kind.as_str()),
            owners::name.eq(&owner.name),
            owners::suspended_at.eq(micros_opt(owner.suspended_at)),
            owners::rate.eq(text_opt(owner.rate.as_ref())),
            owners::version.eq(0),
            owners::created_at.eq(owner.created_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Locks the owner's row until the transaction ends. A rule over several of its rows (the last way in, at most so
/// many keys) begins with this, or two at once both pass it. `false` when there is no such owner.
///
/// # Errors
/// When the statement fails.
pub fn lock(conn: &mut Conn, id: OwnerId) -> Result<bool, StoreError> {
    let living = owners::table.find(id.to_string()).filter(owners::deleted_at.is_null());
    Ok(diesel::update(living).set(owners::version.eq(owners::version + 1)).execute(conn)? == 1)
}

/// Gives another name. `false` when there is no such owner.
///
/// # Errors
/// When the statement fails.
pub fn update_name(conn: &mut Conn, id: OwnerId, name: &str) -> Result<bool, StoreError> {
    let living = owners::table.find(id.to_string()).filter(owners::deleted_at.is_null());
    Ok(diesel::update(living).set(owners::name.eq(name)).execute(conn)? == 1)
}

/// Gives a shared limit of its own, or takes it back. `false` when there is no such owner.
///
/// # Errors
/// When the statement fails.
pub fn update_rate(conn: &mut Conn, id: OwnerId, rate: Option<Rate>) -> Result<bool, StoreError> {
    let living = owners::table.find(id.to_string()).filter(owners::deleted_at.is_null());
    Ok(diesel::update(living).set(owners::rate.eq(text_opt(rate.as_ref()))).execute(conn)? == 1)
}

/// Suspends. `false` when there is no such owner or it is suspended already.
///
/// # Errors
/// When the statement fails.
pub fn suspend(conn: &mut Conn, id: OwnerId, now: Timestamp) -> Result<bool, StoreError> {
    let active = owners::table
        .find(id.to_string())
        .filter(owners::deleted_at.is_null().and(owners::suspended_at.is_null()));
    Ok(diesel::update(active).set(owners::suspended_at.eq(now.as_micros())).execute(conn)? == 1)
}

/// Ends a suspension. `false` when there was none.
///
/// # Errors
/// When the statement fails.
pub fn resume(conn: &mut Conn, id: OwnerId) -> Result<bool, StoreError> {
    let suspended = owners::table
        .find(id.to_string())
        .filter(owners::deleted_at.is_null().and(owners::suspended_at.is_not_null()));
    Ok(diesel::update(suspended).set(owners::suspended_at.eq(None::<i64>)).execute(conn)? == 1)
}

/// Marks as deleted; the row stays, since audit rows and ids that were given out refer to it. `false` when there is
/// no such owner or it is deleted already.
///
/// # Errors
/// When the statement fails.
pub fn delete(conn: &mut Conn, id: OwnerId, now: Timestamp) -> Result<bool, StoreError> {
    let living = owners::table.find(id.to_string()).filter(owners::deleted_at.is_null());
    Ok(diesel::update(living).set(owners::deleted_at.eq(now.as_micros())).execute(conn)? == 1)
}
