//! What credentials are called, whatever their kind: for lists of calls, which know them by id.

use std::collections::HashMap;

use diesel::prelude::*;
use keyway_core::ids::{EntityId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{api_keys, clients, connections, families, grants};
use crate::types::Table;

/// What kind of credential it is: the root of a descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedKind {
    /// An API key.
    Key,
    /// A JWT family.
    Family,
    /// An app that may act for a user.
    Grant,
    /// A client that acts for itself.
    Client,
    /// An account elsewhere, whose provider's tokens are accepted.
    Connection,
}

/// A credential's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What it is.
    pub kind: NamedKind,
    /// What it is called; of a grant, its app's name; of a connection, the account.
    pub name: String,
}

/// Those of `ids` that are an owner's, alive or not. Five statements, however many there are.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn of(conn: &mut Conn, owner: OwnerId, ids: &[EntityId]) -> Result<HashMap<EntityId, Named>, StoreError> {
    let mut found = HashMap::new();
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let owner = owner.to_string();
    let mut take = |kind: NamedKind, table: Table, rows: Vec<(String, String)>| {
        for (id, name) in rows {
            found.insert(table.parse("id", &id)?, Named { kind, name });
        }
        Ok::<_, StoreError>(())
    };
    let keys = api_keys::table
        .filter(api_keys::owner_id.eq(&owner).and(api_keys::id.eq_any(&texts)))
        .select((api_keys::id, api_keys::name));
    take(NamedKind::Key, Table("api_keys"), keys.load(conn)?)?;
    let pairs = families::table
        .filter(families::owner_id.eq(&owner).and(families::id.eq_any(&texts)))
        .select((families::id, families::name));
    take(NamedKind::Family, Table("families"), pairs.load(conn)?)?;
    let consents = grants::table
        .inner_join(clients::table)
        .filter(grants::owner_id.eq(&owner).and(grants::id.eq_any(&texts)))
        .select((grants::id, clients::name));
    take(NamedKind::Grant, Table("grants"), consents.load(conn)?)?;
    let apps = clients::table
        .filter(clients::owner_id.eq(&owner).and(clients::id.eq_any(&texts)))
        .select((clients::id, clients::name));
    take(NamedKind::Client, Table("clients"), apps.load(conn)?)?;
    let elsewhere = connections::table
        .filter(connections::owner_id.eq(&owner).and(connections::id.eq_any(&texts)))
        .select((connections::id, connections::account));
    take(NamedKind::Connection, Table("connections"), elsewhere.load(conn)?)?;
    Ok(found)
}
