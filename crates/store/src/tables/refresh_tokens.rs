//! Refresh tokens: each works once; a spent one keeps, sealed, the answer that it was exchanged for.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::FamilyId;
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::refresh_tokens;
use crate::types::{Table, stored_count, time, time_opt};

const TABLE: Table = Table("refresh_tokens");

/// A refresh token as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Of the whole token.
    pub digest: SecretDigest,
    /// Which family.
    pub family: FamilyId,
    /// The how-manieth of its family, from 0.
    pub sequence: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// When it was spent.
    pub consumed_at: Option<Timestamp>,
    /// The token that took its place.
    pub successor: Option<SecretDigest>,
    /// The answer that it was exchanged for, sealed under a key that only its holder can derive.
    pub sealed_answer: Option<Vec<u8>>,
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshToken")
            .field("family", &self.family)
            .field("sequence", &self.sequence)
            .field("consumed_at", &self.consumed_at)
            .finish_non_exhaustive()
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = refresh_tokens)]
struct Row {
    digest: Vec<u8>,
    family_id: String,
    sequence: i64,
    created_at: i64,
    expires_at: i64,
    consumed_at: Option<i64>,
    successor: Option<Vec<u8>>,
    sealed_answer: Option<Vec<u8>>,
}

impl TryFrom<Row> for RefreshToken {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            digest: TABLE.digest("digest", &row.digest)?,
            family: TABLE.parse("family_id", &row.family_id)?,
            sequence: TABLE.count("sequence", row.sequence)?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            consumed_at: time_opt(row.consumed_at),
            successor: row.successor.map(|bytes| TABLE.digest("successor", &bytes)).transpose()?,
            sealed_answer: row.sealed_answer,
        })
    }
}

/// Adds an unspent token.
///
/// # Errors
/// [`StoreError::Conflict`] when the family has one with this sequence.
pub fn insert(
    conn: &mut Conn,
    digest: SecretDigest,
    family: FamilyId,
    sequence: u64,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let row = Row {
        digest: digest.as_bytes().to_vec(),
        family_id: family.to_string(),
        sequence: stored_count(sequence),
        created_at: now.as_micros(),
        expires_at: expires_at.as_micros(),
        consumed_at: None,
        successor: None,
        sealed_answer: None,
    };
    diesel::insert_into(refresh_tokens::table).values(row).execute(conn)?;
    Ok(())
}

/// The token with this digest, spent or not.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, digest: SecretDigest) -> Result<Option<RefreshToken>, StoreError> {
    refresh_tokens::table
        .find(digest.as_bytes().as_slice())
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(RefreshToken::try_from)
        .transpose()
}

/// Spends a token: `false` if it was spent already. Of any number at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn consume(
    conn: &mut Conn,
    digest: SecretDigest,
    now: Timestamp,
    successor: SecretDigest,
    sealed_answer: &[u8],
) -> Result<bool, StoreError> {
    let unspent = refresh_tokens::table
        .find(digest.as_bytes().as_slice())
        .filter(refresh_tokens::consumed_at.is_null());
    let rows = diesel::update(unspent)
        .set((
            refresh_tokens::consumed_at.eq(now.as_micros()),
            refresh_tokens::successor.eq(successor.as_bytes().as_slice()),
            refresh_tokens::sealed_answer.eq(sealed_answer),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Forgets the answer of the token before `sequence`: its successor has been used, so it is never given again.
///
/// # Errors
/// When the statement fails.
pub fn forget_answers_before(conn: &mut Conn, family: FamilyId, sequence: u64) -> Result<(), StoreError> {
    let earlier = refresh_tokens::table
        .filter(refresh_tokens::family_id.eq(family.to_string()))
        .filter(refresh_tokens::sequence.lt(stored_count(sequence)))
        .filter(refresh_tokens::sealed_answer.is_not_null());
    diesel::update(earlier).set(refresh_tokens::sealed_answer.eq(None::<Vec<u8>>)).execute(conn)?;
    Ok(())
}
