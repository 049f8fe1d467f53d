//! Initial access tokens (RFC 7591 §3): who holds one may let clients register themselves on an owner's behalf, so
//! many times, until then. The token is known here by its digest alone.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{OwnerId, RegistrationTokenId};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::registration_tokens;
use crate::types::{Table, stored_count, time, time_opt};

const TABLE: Table = Table("registration_tokens");

/// An initial access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationToken {
    /// Its id.
    pub id: RegistrationTokenId,
    /// What is compared.
    pub digest: SecretDigest,
    /// Whose the registered clients will be.
    pub owner: OwnerId,
    /// What it was made for.
    pub note: String,
    /// How many clients may still register.
    pub uses_left: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// Since when it does not.
    pub revoked_at: Option<Timestamp>,
}

impl RegistrationToken {
    /// Whether a client may register with it.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.uses_left > 0 && self.revoked_at.is_none() && now < self.expires_at
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = registration_tokens)]
struct Row {
    id: String,
    digest: Vec<u8>,
    owner_id: String,
    note: String,
    uses_left: i64,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for RegistrationToken {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            digest: TABLE.digest("digest", &row.digest)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            note: row.note,
            uses_left: TABLE.count("uses_left", row.uses_left)?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            revoked_at: time_opt(row.revoked_at),
        })
    }
}

/// Keeps a new token.
///
/// # Errors
/// When the database cannot answer.
pub fn insert(conn: &mut Conn, token: &RegistrationToken) -> Result<(), StoreError> {
    let row = Row {
        id: token.id.to_string(),
        digest: token.digest.as_bytes().to_vec(),
        owner_id: token.owner.to_string(),
        note: token.note.clone(),
        uses_left: stored_count(token.uses_left),
        created_at: token.created_at.as_micros(),
        expires_at: token.expires_at.as_micros(),
        revoked_at: None,
    };
    diesel::insert_into(registration_tokens::table).values(row).execute(conn)?;
    Ok(())
}

/// The token with this digest, whatever its state.
///
/// # Errors
/// When the database cannot answer.
pub fn find(conn: &mut Conn, digest: SecretDigest) -> Result<Option<RegistrationToken>, StoreError> {
    registration_tokens::table
        .filter(registration_tokens::digest.eq(digest.as_bytes().to_vec()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(RegistrationToken::try_from)
        .transpose()
}

/// All tokens that are kept, newest first; at most `limit`.
///
/// # Errors
/// When the database cannot answer.
pub fn list(conn: &mut Conn, limit: u32) -> Result<Vec<RegistrationToken>, StoreError> {
    registration_tokens::table
        .order(registration_tokens::id.desc())
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(RegistrationToken::try_from)
        .collect()
}

/// Spends one use; `false` if there is none left, or the token is over. Of two at once that want the last, one gets it.
///
/// # Errors
/// When the database cannot answer.
pub fn consume(conn: &mut Conn, id: RegistrationTokenId, now: Timestamp) -> Result<bool, StoreError> {
    let usable = registration_tokens::table
        .filter(registration_tokens::id.eq(id.to_string()))
        .filter(registration_tokens::uses_left.gt(0).and(registration_tokens::revoked_at.is_null()))
        .filter(registration_tokens::expires_at.gt(now.as_micros()));
    let spent = registration_tokens::uses_left.eq(registration_tokens::uses_left - 1);
    Ok(diesel::update(usable).set(spent).execute(conn)? == 1)
}

/// Revokes a token; `None` if there is none that was not revoked already.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke(
    conn: &mut Conn,
    id: RegistrationTokenId,
    now: Timestamp,
) -> Result<Option<RegistrationToken>, StoreError> {
    let one = registration_tokens::id.eq(id.to_string());
    let living = one.and(registration_tokens::revoked_at.is_null());
    let revoked = registration_tokens::revoked_at.eq(now.as_micros());
    if diesel::update(registration_tokens::table.filter(living)).set(revoked).execute(conn)? == 0 {
        return Ok(None);
    }
    let row: Row =
        registration_tokens::table.filter(registration_tokens::id.eq(id.to_string())).get_result(conn)?;
    row.try_into().map(Some)
}

#[cfg(test)]
mod tests {
    use keyway_core::Duration;
    use keyway_core::owner::{Owner, OwnerKind};
    use keyway_core::random::SeededRandom;

    use super::*;
    use crate::conn::Role;
    use crate::tables::owners;
    use crate::testing::{Backend, START, TestDatabase};

    #[test]
    fn a_token_is_good_for_so_many_registrations_until_then() {
        for backend in Backend::ALL {
            let database = TestDatabase::new(backend);
            let conn = &mut database.url().connect(Role::Writer).unwrap();
            let random = SeededRandom::new(1);
            let owner = OwnerId::new(START, &random);
            let (kind, name) = (OwnerKind::Person, "Ada".to_owned());
            let ada = Owner { id: owner, kind, name, suspended_at: None, rate: None, created_at: START };
            owners::insert(conn, &ada).unwrap();
            let token = RegistrationToken {
                id: RegistrationTokenId::new(START, &random),
                digest: SecretDigest::of(b"a"),
                owner,
                note: String::new(),
                uses_left: 1,
                created_at: START,
                expires_at: START + Duration::days(1),
                revoked_at: None,
            };
            let other = RegistrationToken {
                id: RegistrationTokenId::new(START, &random),
                digest: SecretDigest::of(b"b"),
                ..token.clone()
            };
            insert(conn, &token).unwrap();
            insert(conn, &other).unwrap();
            assert_eq!(find(conn, token.digest).unwrap().as_ref(), Some(&token), "{backend:?}");
            assert!(!consume(conn, token.id, token.expires_at).unwrap());
            assert!(consume(conn, token.id, START).unwrap());
            assert!(!consume(conn, token.id, START).unwrap());
            assert!(!find(conn, token.digest).unwrap().unwrap().is_usable(START));
            assert!(revoke(conn, other.id, START).unwrap().is_some());
            assert_eq!(revoke(conn, other.id, START).unwrap(), None);
            assert!(!consume(conn, other.id, START).unwrap());
            assert_eq!(list(conn, 10).unwrap().len(), 2);
        }
    }
}
