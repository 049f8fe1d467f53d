//! Providers that an administrator set up in the portal. The settings file names others, which are not here.

use diesel::prelude::*;
use keyway_core::Timestamp;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::providers;
use crate::seal::Place;
use crate::types::time;

/// A provider as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProvider {
    /// Its name in addresses.
    pub id: String,
    /// What was set, as JSON, without the secret.
    pub definition: String,
    /// The client secret there, sealed for [`secret_place`].
    pub secret: Option<Vec<u8>>,
    /// When it was set up.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where the secret of the provider `id` is sealed.
pub const fn secret_place(id: &str) -> Place<'_> {
    Place { table: "providers", column: "secret", row: id }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = providers)]
struct Row {
    id: String,
    definition: String,
    secret: Option<Vec<u8>>,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for StoredProvider {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            definition: row.definition,
            secret: row.secret,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

/// All of them, by name, at most `limit`.
///
/// # Errors
/// When the statement fails.
pub fn list(conn: &mut Conn, limit: u32) -> Result<Vec<StoredProvider>, StoreError> {
    let rows: Vec<Row> =
        providers::table.order(providers::id).limit(i64::from(limit)).select(Row::as_select()).load(conn)?;
    Ok(rows.into_iter().map(StoredProvider::from).collect())
}

/// The one of this name.
///
/// # Errors
/// When the statement fails.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<StoredProvider>, StoreError> {
    let row: Option<Row> = providers::table.find(id).select(Row::as_select()).get_result(conn).optional()?;
    Ok(row.map(StoredProvider::from))
}

/// Adds one.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub fn insert(conn: &mut Conn, provider: &StoredProvider) -> Result<(), StoreError> {
    let row = Row {
        id: provider.id.clone(),
        definition: provider.definition.clone(),
        secret: provider.secret.clone(),
        created_at: provider.created_at.as_micros(),
        updated_at: provider.updated_at.as_micros(),
    };
    diesel::insert_into(providers::table).values(row).execute(conn)?;
    Ok(())
}

/// Sets it anew. `false` when it is gone.
///
/// # Errors
/// When the statement fails.
pub fn update(conn: &mut Conn, provider: &StoredProvider) -> Result<bool, StoreError> {
    let row = providers::table.find(&provider.id);
    let changed = diesel::update(row)
        .set((
            providers::definition.eq(&provider.definition),
            providers::secret.eq(provider.secret.as_ref()),
            providers::updated_at.eq(provider.updated_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Takes one away. `false` when it was gone.
///
/// # Errors
/// When the statement fails.
pub fn delete(conn: &mut Conn, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(providers::table.find(id)).execute(conn)? == 1)
}
