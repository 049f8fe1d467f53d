//! Clients that are still to be told of a sign-out (OpenID Connect Back-Channel Logout): written with the sign-out, sent
//! afterwards, again if need be.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, EntityId, OwnerId, SessionId};
use keyway_core::oauth::OPENID;
use keyway_core::scope::ScopeSet;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{clients, families, logout_notices};
use crate::types::{Table, stored_count, time};

const TABLE: Table = Table("logout_notices");

/// A notice that has not been taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Its id.
    pub id: EntityId,
    /// Whom it is for.
    pub client: ClientId,
    /// Who signed out.
    pub subject: OwnerId,
    /// Of which browser session.
    pub sid: SessionId,
    /// When they did.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = logout_notices)]
struct Row {
    id: String,
    client_id: String,
    subject: String,
    sid: String,
    created_at: i64,
    attempts: i64,
}

impl TryFrom<Row> for LogoutNotice {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            subject: TABLE.parse("subject", &row.subject)?,
            sid: TABLE.parse("sid", &row.sid)?,
            created_at: time(row.created_at),
            attempts: TABLE.count("attempts", row.attempts)?,
        })
    }
}

/// The clients that got an ID token in a browser session and want to be told of its end.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn clients_of(conn: &mut Conn, sid: SessionId) -> Result<Vec<ClientId>, StoreError> {
    let mut told = Vec::new();
    let rows: Vec<(String, String)> = families::table
        .inner_join(clients::table)
        .filter(families::sid.eq(sid.to_string()))
        .filter(clients::backchannel_logout_uri.is_not_null().and(clients::deleted_at.is_null()))
        .select((clients::id, families::scopes))
        .distinct()
        .load(conn)?;
    for (client, scopes) in rows {
        let client = ClientId::from_entity(Table("clients").parse("id", &client)?);
        let scopes: ScopeSet = Table("families").parse("scopes", &scopes)?;
        if scopes.contains(OPENID) && !told.contains(&client) {
            told.push(client);
        }
    }
    Ok(told)
}

/// Puts a notice in, to be sent at once.
///
/// # Errors
/// [`StoreError::Constraint`] when there is no such client.
pub fn insert(conn: &mut Conn, notice: &LogoutNotice) -> Result<(), StoreError> {
    diesel::insert_into(logout_notices::table)
        .values((
            logout_notices::id.eq(notice.id.to_string()),
            logout_notices::client_id.eq(notice.client.entity().to_string()),
            logout_notices::subject.eq(notice.subject.to_string()),
            logout_notices::sid.eq(notice.sid.to_string()),
            logout_notices::created_at.eq(notice.created_at.as_micros()),
            logout_notices::attempts.eq(stored_count(notice.attempts)),
            logout_notices::next_attempt_at.eq(notice.created_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Notices whose time has come, the oldest first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn due(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<LogoutNotice>, StoreError> {
    logout_notices::table
        .filter(logout_notices::sent_at.is_null().and(logout_notices::failed_at.is_null()))
        .filter(logout_notices::next_attempt_at.le(now.as_micros()))
        .order(logout_notices::next_attempt_at)
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(LogoutNotice::try_from)
        .collect()
}

/// Takes a notice that [`due`] gave for one attempt, the next not before `next_attempt_at`. `false` when another
/// process took it first.
///
/// # Errors
/// When the statement fails.
pub fn claim(conn: &mut Conn, notice: &LogoutNotice, next_attempt_at: Timestamp) -> Result<bool, StoreError> {
    let attempts = stored_count(notice.attempts);
    let untaken = logout_notices::table.find(notice.id.to_string()).filter(
        logout_notices::attempts
            .eq(attempts)
            .and(logout_notices::sent_at.is_null())
            .and(logout_notices::failed_at.is_null()),
    );
    let changed = diesel::update(untaken)
        .set((
            logout_notices::attempts.eq(attempts.saturating_add(1)),
            logout_notices::next_attempt_at.eq(next_attempt_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// The client took it.
///
/// # Errors
/// When the statement fails.
pub fn sent(conn: &mut Conn, id: EntityId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(logout_notices::table.find(id.to_string()))
        .set(logout_notices::sent_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(())
}

/// It is given up.
///
/// # Errors
/// When the statement fails.
pub fn failed(conn: &mut Conn, id: EntityId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(logout_notices::table.find(id.to_string()))
        .set(logout_notices::failed_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(())
}
