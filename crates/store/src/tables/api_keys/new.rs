//! Keys that are added, one by one or many at once.

use diesel::prelude::*;
use keyway_core::api_key::ApiKey;
use keyway_core::ids::OwnerId;
use keyway_core::secret::SecretDigest;

use super::{TABLE, stored_quota};
use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::api_keys;
use crate::types::{micros_opt, stored_count, text_list, text_opt};

/// Rows in one statement: their values stay well below what either database binds.
const ROWS: usize = 500;

#[derive(Insertable)]
#[diesel(table_name = api_keys)]
struct NewRow<'k> {
    id: String,
    owner_id: String,
    creator_id: String,
    digest: &'k [u8],
    prefix: &'k str,
    last4: &'k str,
    name: &'k str,
    note: &'k str,
    environment: &'static str,
    audiences: String,
    scopes: String,
    addresses: String,
    rate: Option<String>,
    quota_day: Option<i64>,
    quota_month: Option<i64>,
    expires_at: Option<i64>,
    ancestors: String,
    created_at: i64,
    disabled_at: Option<i64>,
    replaces: Option<String>,
    imported: bool,
    version: i64,
}

impl<'k> NewRow<'k> {
    fn of(key: &'k ApiKey, digest: &'k SecretDigest) -> Self {
        Self {
            id: key.id.to_string(),
            owner_id: key.owner.to_string(),
            creator_id: key.creator.to_string(),
            digest: digest.as_bytes().as_slice(),
            prefix: &key.prefix,
            last4: &key.last4,
            name: &key.name,
            note: &key.note,
            environment: key.terms.environment.as_str(),
            audiences: text_list(&key.terms.audiences),
            scopes: key.terms.scopes.to_string(),
            addresses: key.terms.addresses.to_string(),
            rate: text_opt(key.terms.rate.as_ref()),
            quota_day: stored_quota(key.terms.quotas.day),
            quota_month: stored_quota(key.terms.quotas.month),
            expires_at: micros_opt(key.terms.expires_at),
            ancestors: text_list(&key.ancestors),
            created_at: key.created_at.as_micros(),
            disabled_at: micros_opt(key.disabled_at),
            replaces: text_opt(key.replaces.as_ref()),
            imported: key.imported,
            version: stored_count(key.version),
        }
    }
}

/// Keeps a new key.
///
/// # Errors
/// [`StoreError::Conflict`] when its id or digest is there already.
pub fn insert(conn: &mut Conn, key: &ApiKey, digest: &SecretDigest) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table).values(NewRow::of(key, digest)).execute(conn)?;
    Ok(())
}

/// Keeps many new keys.
///
/// # Errors
/// [`StoreError::Conflict`] when an id or digest is there already.
pub fn insert_all(conn: &mut Conn, keys: &[(ApiKey, SecretDigest)]) -> Result<(), StoreError> {
    match conn {
        // There is no way to travel, and a prepared statement costs less than a long one that is read anew.
        Conn::Sqlite(conn) => {
            for (key, digest) in keys {
                diesel::insert_into(api_keys::table).values(NewRow::of(key, digest)).execute(conn)?;
            }
        }
        Conn::Postgres(conn) => {
            for some in keys.chunks(ROWS) {
                let rows: Vec<_> = some.iter().map(|(key, digest)| NewRow::of(key, digest)).collect();
                diesel::insert_into(api_keys::table).values(rows).execute(conn)?;
            }
        }
    }
    Ok(())
}

/// Those of `digests` that belong to a key, with its owner.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn owners_by_digest(
    conn: &mut Conn,
    digests: &[SecretDigest],
) -> Result<Vec<(SecretDigest, OwnerId)>, StoreError> {
    let mut found = Vec::new();
    for some in digests.chunks(ROWS) {
        let rows: Vec<(Vec<u8>, String)> = on_either!(&mut *conn, |conn| {
            api_keys::table
                .filter(api_keys::digest.eq_any(some.iter().map(|digest| digest.as_bytes().as_slice())))
                .select((api_keys::digest, api_keys::owner_id))
                .load(conn)
        })?;
        for (digest, owner) in rows {
            found.push((TABLE.digest("digest", &digest)?, TABLE.parse("owner_id", &owner)?));
        }
    }
    Ok(found)
}
