//! Browser sessions. The cookie's value is known here by its digest alone.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::sessions;
use crate::types::{Table, text_opt, time};

const TABLE: Table = Table("sessions");

/// A browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Of the cookie's value.
    pub digest: SecretDigest,
    /// As shown in lists, and as what was given in it refers to it; stays the same when the cookie is renewed.
    pub id: SessionId,
    /// Who is signed in; nobody in the session of an anonymous form.
    pub owner_id: Option<OwnerId>,
    /// What the portal keeps in it, as JSON.
    pub state: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
    /// From where it began.
    pub address: Option<IpAddr>,
    /// The browser's name for itself.
    pub user_agent: Option<String>,
}

#[derive(Queryable)]
struct Row {
    digest: Vec<u8>,
    id: String,
    owner_id: Option<String>,
    state: String,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    address: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            digest: TABLE.digest("digest", &row.digest)?,
            id: TABLE.parse("id", &row.id)?,
            owner_id: TABLE.parse_opt("owner_id", row.owner_id.as_deref())?,
            state: row.state,
            created_at: time(row.created_at),
            last_seen_at: time(row.last_seen_at),
            expires_at: time(row.expires_at),
            address: TABLE.parse_opt("address", row.address.as_deref())?,
            user_agent: row.user_agent,
        })
    }
}

/// Adds a session. One with the same id is replaced: its cookie has been renewed.
///
/// # Errors
/// When a statement fails.
pub fn insert(conn: &mut Conn, session: &Session) -> Result<(), StoreError> {
    diesel::delete(sessions::table.filter(sessions::id.eq(session.id.to_string()))).execute(conn)?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::digest.eq(session.digest.as_bytes().as_slice()),
            sessions::id.eq(session.id.to_string()),
            sessions::owner_id.eq(text_opt(session.owner_id.as_ref())),
            sessions::state.eq(&session.state),
            sessions::created_at.eq(session.created_at.as_micros()),
            sessions::last_seen_at.eq(session.last_seen_at.as_micros()),
            sessions::expires_at.eq(session.expires_at.as_micros()),
            sessions::address.eq(text_opt(session.address.as_ref())),
            sessions::user_agent.eq(session.user_agent.as_deref()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The session of a cookie, whether or not it is still in time.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, digest: &SecretDigest) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = sessions::table.find(digest.as_bytes().as_slice()).get_result(conn).optional()?;
    row.map(Session::try_from).transpose()
}

/// Keeps another state. `false` when the session was ended meanwhile: it stays ended.
///
/// # Errors
/// When the statement fails.
pub fn update_state(
    conn: &mut Conn,
    digest: &SecretDigest,
    state: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(sessions::table.find(digest.as_bytes().as_slice()))
        .set((sessions::state.eq(state), sessions::last_seen_at.eq(now.as_micros())))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Notes that it was used.
///
/// # Errors
/// When the statement fails.
pub fn touch(conn: &mut Conn, digest: &SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let changed = diesel::update(sessions::table.find(digest.as_bytes().as_slice()))
        .set(sessions::last_seen_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Ends the session of a cookie.
///
/// # Errors
/// When the statement fails.
pub fn delete(conn: &mut Conn, digest: &SecretDigest) -> Result<bool, StoreError> {
    Ok(diesel::delete(sessions::table.find(digest.as_bytes().as_slice())).execute(conn)? == 1)
}

/// The living sessions of a person, those used last first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(
    conn: &mut Conn,
    owner: OwnerId,
    seen_after: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    sessions::table
        .filter(sessions::owner_id.eq(owner.to_string()))
        .filter(
            sessions::expires_at.gt(now.as_micros()).and(sessions::last_seen_at.gt(seen_after.as_micros())),
        )
        .order(sessions::last_seen_at.desc())
        .limit(i64::from(limit))
        .load::<Row>(conn)?
        .into_iter()
        .map(Session::try_from)
        .collect()
}

/// The ids of all sessions of a person, but for `except`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn ids(conn: &mut Conn, owner: OwnerId, except: Option<SessionId>) -> Result<Vec<SessionId>, StoreError> {
    let except = except.map(|id| id.to_string()).unwrap_or_default();
    let ids: Vec<String> = sessions::table
        .filter(sessions::owner_id.eq(owner.to_string()).and(sessions::id.ne(except)))
        .select(sessions::id)
        .load(conn)?;
    ids.iter().map(|id| TABLE.parse("id", id)).collect()
}

/// Ends one session of a person. `false` when they have no such session.
///
/// # Errors
/// When the statement fails.
pub fn end(conn: &mut Conn, owner: OwnerId, id: SessionId) -> Result<bool, StoreError> {
    let one =
        sessions::table.filter(sessions::id.eq(id.to_string()).and(sessions::owner_id.eq(owner.to_string())));
    Ok(diesel::delete(one).execute(conn)? == 1)
}

/// Ends all sessions of a person, but for `except`; how many there were.
///
/// # Errors
/// When the statement fails.
pub fn end_all(conn: &mut Conn, owner: OwnerId, except: Option<SessionId>) -> Result<u64, StoreError> {
    // No session has an empty id.
    let except = except.map(|id| id.to_string()).unwrap_or_default();
    let others =
        sessions::table.filter(sessions::owner_id.eq(owner.to_string()).and(sessions::id.ne(except)));
    let ended = diesel::delete(others).execute(conn)?;
    Ok(ended as u64)
}

/// How many sessions there are, for the metrics.
///
/// # Errors
/// When the statement fails.
pub fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    TABLE.count("digest", sessions::table.count().get_result(conn)?)
}
