//! Signing keys: public halves in the clear, private halves sealed. Each change of state is one conditional UPDATE.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::SigningKeyId;
use keyway_core::jwt::{Algorithm, Jwk, KeyState, Purpose};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::signing_keys;
use crate::types::{Table, micros_opt, time, time_opt};

const TABLE: Table = Table("signing_keys");

/// Where a private half is sealed: table and column of the associated data; the row is the key's id.
pub const SEALED_IN: (&str, &str) = ("signing_keys", "sealed");

/// A signing key as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: SigningKeyId,
    /// What it signs.
    pub purpose: Purpose,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The public half; names the `kid`.
    pub public: Jwk,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it stands in the JWKS.
    pub published_at: Timestamp,
    /// When it began to sign.
    pub current_from: Option<Timestamp>,
    /// When nothing that it signed can be in time any more.
    pub retire_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl StoredKey {
    /// Its public name.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (purpose, algorithm) = (self.purpose.as_str(), self.algorithm.as_str());
        write!(f, "StoredKey({purpose} {algorithm} {} {})", self.kid(), self.state.as_str())
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
struct Row {
    id: String,
    kid: String,
    algorithm: String,
    purpose: String,
    public_jwk: String,
    sealed: Vec<u8>,
    state: String,
    created_at: i64,
    published_at: i64,
    current_from: Option<i64>,
    retire_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for StoredKey {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let public: Jwk =
            serde_json::from_str(&row.public_jwk).map_err(|_| TABLE.inconsistent("public_jwk"))?;
        if public.kid != row.kid {
            return Err(TABLE.inconsistent("kid"));
        }
        let algorithm = TABLE.parse("algorithm", &row.algorithm)?;
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            purpose: Purpose::named(&row.purpose, algorithm).map_err(|_| TABLE.inconsistent("purpose"))?,
            algorithm,
            public,
            sealed: row.sealed,
            state: TABLE.parse("state", &row.state)?,
            created_at: time(row.created_at),
            published_at: time(row.published_at),
            current_from: time_opt(row.current_from),
            retire_at: time_opt(row.retire_at),
            revoked_at: time_opt(row.revoked_at),
        })
    }
}

/// Adds a key.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one with this `kid`, or one that signs already and this one would too.
pub fn insert(conn: &mut Conn, key: &StoredKey) -> Result<(), StoreError> {
    let row = Row {
        id: key.id.to_string(),
        kid: key.kid().to_owned(),
        algorithm: key.algorithm.as_str().to_owned(),
        purpose: key.purpose.as_str().to_owned(),
        public_jwk: serde_json::to_string(&key.public).map_err(|_| TABLE.inconsistent("public_jwk"))?,
        sealed: key.sealed.clone(),
        state: key.state.as_str().to_owned(),
        created_at: key.created_at.as_micros(),
        published_at: key.published_at.as_micros(),
        current_from: micros_opt(key.current_from),
        retire_at: micros_opt(key.retire_at),
        revoked_at: micros_opt(key.revoked_at),
    };
    diesel::insert_into(signing_keys::table).values(row).execute(conn)?;
    Ok(())
}

/// All keys, the newest first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(conn: &mut Conn, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
    signing_keys::table
        .order(signing_keys::id.desc())
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(StoredKey::try_from)
        .collect()
}

/// The keys of a purpose in one state, the oldest first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn in_state(conn: &mut Conn, purpose: Purpose, state: KeyState) -> Result<Vec<StoredKey>, StoreError> {
    signing_keys::table
        .filter(signing_keys::purpose.eq(purpose.as_str()))
        .filter(signing_keys::algorithm.eq_any(purpose.algorithms()))
        .filter(signing_keys::state.eq(state.as_str()))
        .order((signing_keys::published_at, signing_keys::id))
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(StoredKey::try_from)
        .collect()
}

/// The keys of a purpose that stand in the JWKS, the oldest first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn published(conn: &mut Conn, purpose: Purpose) -> Result<Vec<StoredKey>, StoreError> {
    let mut keys = Vec::new();
    for state in [KeyState::Retiring, KeyState::Current, KeyState::Next] {
        keys.extend(in_state(conn, purpose, state)?);
    }
    Ok(keys)
}

/// The `kid` of the key that signs for a purpose now.
///
/// # Errors
/// When the statement fails.
pub fn current_kid(conn: &mut Conn, purpose: Purpose) -> Result<Option<String>, StoreError> {
    Ok(signing_keys::table
        .filter(signing_keys::purpose.eq(purpose.as_str()))
        .filter(signing_keys::algorithm.eq_any(purpose.algorithms()))
        .filter(signing_keys::state.eq(KeyState::Current.as_str()))
        .select(signing_keys::kid)
        .first(conn)
        .optional()?)
}

/// The key with this `kid`, whatever its state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, kid: &str) -> Result<Option<StoredKey>, StoreError> {
    signing_keys::table
        .filter(signing_keys::kid.eq(kid))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(StoredKey::try_from)
        .transpose()
}

/// A next key begins to sign; `false` if it was no next key. The one that signed before must have stopped.
///
/// # Errors
/// [`StoreError::Conflict`] when another still signs.
pub fn promote(conn: &mut Conn, id: SigningKeyId, now: Timestamp) -> Result<bool, StoreError> {
    let next =
        signing_keys::table.find(id.to_string()).filter(signing_keys::state.eq(KeyState::Next.as_str()));
    let rows = diesel::update(next)
        .set((
            signing_keys::state.eq(KeyState::Current.as_str()),
            signing_keys::current_from.eq(now.as_micros()),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// The key that signs stops; what it signed verifies until `retire_at`. `false` if it did not sign: of two at once,
/// one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn stop(conn: &mut Conn, id: SigningKeyId, retire_at: Timestamp) -> Result<bool, StoreError> {
    let current =
        signing_keys::table.find(id.to_string()).filter(signing_keys::state.eq(KeyState::Current.as_str()));
    let rows = diesel::update(current)
        .set((
            signing_keys::state.eq(KeyState::Retiring.as_str()),
            signing_keys::retire_at.eq(retire_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Takes a retiring key out of the JWKS; `false` if it was not retiring.
///
/// # Errors
/// When the statement fails.
pub fn retire(conn: &mut Conn, id: SigningKeyId) -> Result<bool, StoreError> {
    let over =
        signing_keys::table.find(id.to_string()).filter(signing_keys::state.eq(KeyState::Retiring.as_str()));
    let rows = diesel::update(over).set(signing_keys::state.eq(KeyState::Retired.as_str())).execute(conn)?;
    Ok(rows == 1)
}

/// Takes a next key that never signed out of the JWKS; `false` if it was no next key.
///
/// # Errors
/// When the statement fails.
pub fn discard(conn: &mut Conn, id: SigningKeyId) -> Result<bool, StoreError> {
    let next =
        signing_keys::table.find(id.to_string()).filter(signing_keys::state.eq(KeyState::Next.as_str()));
    let rows = diesel::update(next).set(signing_keys::state.eq(KeyState::Retired.as_str())).execute(conn)?;
    Ok(rows == 1)
}

/// Revokes a key, with everything that it signed; `false` if it was revoked already.
///
/// # Errors
/// When the statement fails.
pub fn revoke(conn: &mut Conn, id: SigningKeyId, now: Timestamp) -> Result<bool, StoreError> {
    let living =
        signing_keys::table.find(id.to_string()).filter(signing_keys::state.ne(KeyState::Revoked.as_str()));
    let rows = diesel::update(living)
        .set((
            signing_keys::state.eq(KeyState::Revoked.as_str()),
            signing_keys::revoked_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}
