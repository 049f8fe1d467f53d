//! The secrets of confidential clients: several may hold at once, so that one can follow another without a gap.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, ClientSecretId};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::client_secrets;
use crate::types::{Table, micros_opt, time, time_opt};

const TABLE: Table = Table("client_secrets");

/// A secret as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its id.
    pub id: ClientSecretId,
    /// Whose it is.
    pub client: ClientId,
    /// What is compared.
    pub digest: SecretDigest,
    /// The last four characters.
    pub last4: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works; `None` is until revoked.
    pub expires_at: Option<Timestamp>,
    /// When a client last authenticated with it, to the minute.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = client_secrets)]
struct SecretRow {
    id: String,
    client_id: String,
    digest: Vec<u8>,
    last4: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TryFrom<SecretRow> for ClientSecret {
    type Error = StoreError;
    fn try_from(row: SecretRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            digest: TABLE.digest("digest", &row.digest)?,
            last4: row.last4,
            created_at: time(row.created_at),
            expires_at: time_opt(row.expires_at),
            last_used_at: time_opt(row.last_used_at),
        })
    }
}

/// Keeps a new secret.
///
/// # Errors
/// When the database cannot answer.
pub fn insert(conn: &mut Conn, secret: &ClientSecret) -> Result<(), StoreError> {
    let row = SecretRow {
        id: secret.id.to_string(),
        client_id: secret.client.entity().to_string(),
        digest: secret.digest.as_bytes().to_vec(),
        last4: secret.last4.clone(),
        created_at: secret.created_at.as_micros(),
        expires_at: micros_opt(secret.expires_at),
        revoked_at: None,
        last_used_at: None,
    };
    diesel::insert_into(client_secrets::table).values(row).execute(conn)?;
    Ok(())
}

/// The secrets of a client that hold at `now`, oldest first.
///
/// # Errors
/// When the database cannot answer.
pub fn list(conn: &mut Conn, client: ClientId, now: Timestamp) -> Result<Vec<ClientSecret>, StoreError> {
    client_secrets::table
        .filter(client_secrets::client_id.eq(client.entity().to_string()))
        .filter(client_secrets::revoked_at.is_null())
        .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(now.as_micros())))
        .order(client_secrets::id.asc())
        .select(SecretRow::as_select())
        .load(conn)?
        .into_iter()
        .map(ClientSecret::try_from)
        .collect()
}

/// Revokes a secret; `false` if it is not this client's, or was revoked already.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke(
    conn: &mut Conn,
    client: ClientId,
    id: ClientSecretId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(client_secrets::table)
        .filter(client_secrets::id.eq(id.to_string()))
        .filter(client_secrets::client_id.eq(client.entity().to_string()))
        .filter(client_secrets::revoked_at.is_null())
        .set(client_secrets::revoked_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Lets the secrets of a client other than `kept` end at `at`, those that would not end sooner.
///
/// # Errors
/// When the database cannot answer.
pub fn end_others(
    conn: &mut Conn,
    client: ClientId,
    kept: ClientSecretId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let later = client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(at.as_micros()));
    diesel::update(client_secrets::table)
        .filter(client_secrets::client_id.eq(client.entity().to_string()))
        .filter(client_secrets::id.ne(kept.to_string()).and(later))
        .set(client_secrets::expires_at.eq(at.as_micros()))
        .execute(conn)?;
    Ok(())
}

/// Remembers that a secret was used.
///
/// # Errors
/// When the database cannot answer.
pub fn touch(conn: &mut Conn, id: ClientSecretId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(client_secrets::table)
        .filter(client_secrets::id.eq(id.to_string()))
        .set(client_secrets::last_used_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(())
}
