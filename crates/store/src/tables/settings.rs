//! What the portal remembers about itself: a value by name.

use diesel::prelude::*;

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::settings;

/// The value of a name.
///
/// # Errors
/// When the statement fails.
pub fn get(conn: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    Ok(settings::table.find(name).select(settings::value).get_result(conn).optional()?)
}

/// Sets the value of a name, whether or not it had one.
///
/// # Errors
/// When the statement fails.
pub fn set(conn: &mut Conn, name: &str, value: &str) -> Result<(), StoreError> {
    on_either!(conn, |conn| {
        diesel::insert_into(settings::table)
            .values((settings::name.eq(name), settings::value.eq(value)))
            .on_conflict(settings::name)
            .do_update()
            .set(settings::value.eq(value))
            .execute(conn)
    })?;
    Ok(())
}

/// Sets the value of a name that has none. `false` when it has one: of two at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn set_once(conn: &mut Conn, name: &str, value: &str) -> Result<bool, StoreError> {
    let added = on_either!(conn, |conn| {
        diesel::insert_into(settings::table)
            .values((settings::name.eq(name), settings::value.eq(value)))
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(added == 1)
}

/// Forgets a name. `false` when it had no value.
///
/// # Errors
/// When the statement fails.
pub fn remove(conn: &mut Conn, name: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(settings::table.find(name)).execute(conn)? == 1)
}
