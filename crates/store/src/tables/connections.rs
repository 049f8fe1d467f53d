//! Accounts elsewhere: (issuer, subject) at a provider, and whose they are here.

pub mod turns;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ConnectionId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::connections;
use crate::seal::Place;
use crate::types::{Table, micros_opt, time, time_opt};

const TABLE: Table = Table("connections");

/// Whether identities of the demo provider count: in `keyway dev` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoIdentities {
    /// They do.
    Counted,
    /// They are as if they were not there.
    Ignored,
}

/// An account elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is here.
    pub owner: OwnerId,
    /// The provider's name in the settings.
    pub provider: String,
    /// Who vouches for it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What its person calls it there: a login or an address.
    pub account: String,
    /// Whether it is the demo provider's.
    pub demo: bool,
    /// What the provider last said it had granted.
    pub scopes: Vec<String>,
    /// When it was connected.
    pub connected_at: Timestamp,
    /// When somebody last signed in with it.
    pub last_sign_in_at: Option<Timestamp>,
    /// The provider's tokens, sealed, if they are kept.
    pub tokens: Option<SealedTokens>,
    /// When the tokens were last refreshed.
    pub refreshed_at: Option<Timestamp>,
    /// When the provider said that its grant is dead.
    pub broken_at: Option<Timestamp>,
}

/// A provider's tokens as stored: sealed for [`token_place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTokens {
    /// What was sealed.
    pub sealed: Vec<u8>,
    /// When the access token ends, if the provider said so.
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token among them.
    pub refreshable: bool,
}

/// Where the tokens of the connection `id` are sealed.
pub const fn token_place(id: &str) -> Place<'_> {
    Place { table: "connections", column: "tokens", row: id }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = connections)]
struct Row {
    id: String,
    owner_id: String,
    provider: String,
    issuer: String,
    subject: String,
    account: String,
    demo: bool,
    scopes: String,
    connected_at: i64,
    last_sign_in_at: Option<i64>,
    tokens: Option<Vec<u8>>,
    tokens_expire_at: Option<i64>,
    refreshable: bool,
    refreshed_at: Option<i64>,
    refreshing_until: Option<i64>,
    broken_at: Option<i64>,
}

impl TryFrom<Row> for Connection {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let (expires_at, refreshable) = (time_opt(row.tokens_expire_at), row.refreshable);
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            provider: row.provider,
            issuer: row.issuer,
            subject: row.subject,
            account: row.account,
            demo: row.demo,
            scopes: TABLE.parse_list("scopes", &row.scopes)?,
            connected_at: time(row.connected_at),
            last_sign_in_at: time_opt(row.last_sign_in_at),
            tokens: row.tokens.map(|sealed| SealedTokens { sealed, expires_at, refreshable }),
            refreshed_at: time_opt(row.refreshed_at),
            broken_at: time_opt(row.broken_at),
        })
    }
}

/// Adds a connection.
///
/// # Errors
/// [`StoreError::Conflict`] when the identity is connected already, or the owner has another at this provider.
pub fn insert(conn: &mut Conn, connection: &Connection) -> Result<(), StoreError> {
    let tokens = connection.tokens.as_ref();
    let row = Row {
        id: connection.id.to_string(),
        owner_id: connection.owner.to_string(),
        provider: connection.provider.clone(),
        issuer: connection.issuer.clone(),
        subject: connection.subject.clone(),
        account: connection.account.clone(),
        demo: connection.demo,
        scopes: connection.scopes.join(" "),
        connected_at: connection.connected_at.as_micros(),
        last_sign_in_at: micros_opt(connection.last_sign_in_at),
        tokens: tokens.map(|tokens| tokens.sealed.clone()),
        tokens_expire_at: tokens.and_then(|tokens| micros_opt(tokens.expires_at)),
        refreshable: tokens.is_some_and(|tokens| tokens.refreshable),
        refreshed_at: micros_opt(connection.refreshed_at),
        refreshing_until: None,
        broken_at: micros_opt(connection.broken_at),
    };
    diesel::insert_into(connections::table).values(row).execute(conn)?;
    Ok(())
}

/// The connection with this id.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
    let row: Option<Row> =
        connections::table.find(id.to_string()).select(Row::as_select()).get_result(conn).optional()?;
    row.map(Connection::try_from).transpose()
}

/// The connection of an identity.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_by_identity(
    conn: &mut Conn,
    issuer: &str,
    subject: &str,
    demo: DemoIdentities,
) -> Result<Option<Connection>, StoreError> {
    let row: Option<Row> = connections::table
        .filter(connections::issuer.eq(issuer).and(connections::subject.eq(subject)))
        .filter(connections::demo.eq_any(demo.values()))
        .select(Row::as_select())
        .first(conn)
        .optional()?;
    row.map(Connection::try_from).transpose()
}

/// All connections of an owner, the oldest first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn of_owner(
    conn: &mut Conn,
    owner: OwnerId,
    demo: DemoIdentities,
) -> Result<Vec<Connection>, StoreError> {
    connections::table
        .filter(connections::owner_id.eq(owner.to_string()).and(connections::demo.eq_any(demo.values())))
        .order((connections::connected_at, connections::id))
        .select(Row::as_select())
        .load::<Row>(conn)?
        .into_iter()
        .map(Connection::try_from)
        .collect()
}

impl DemoIdentities {
    const fn values(self) -> &'static [bool] {
        match self {
            Self::Counted => &[false, true],
            Self::Ignored => &[false],
        }
    }
}

/// How many identities of the demo provider there are.
///
/// # Errors
/// When the statement fails.
pub fn count_demo(conn: &mut Conn) -> Result<u64, StoreError> {
    let count = connections::table.filter(connections::demo.eq(true)).count().get_result(conn)?;
    TABLE.count("demo", count)
}

/// Notes a sign-in, and what the account is called by now.
///
/// # Errors
/// When the statement fails.
pub fn signed_in(
    conn: &mut Conn,
    id: ConnectionId,
    account: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(connections::table.find(id.to_string()))
        .set((connections::account.eq(account), connections::last_sign_in_at.eq(now.as_micros())))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Takes a connection away. `false` when it was gone.
///
/// # Errors
/// When the statement fails.
pub fn delete(conn: &mut Conn, id: ConnectionId) -> Result<bool, StoreError> {
    Ok(diesel::delete(connections::table.find(id.to_string())).execute(conn)? == 1)
}

/// Keeps tokens of a new grant in place of those that were there; who was refreshing them loses the turn.
///
/// # Errors
/// When the statement fails.
pub fn update_tokens(
    conn: &mut Conn,
    id: ConnectionId,
    tokens: &SealedTokens,
    scopes: &[String],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(connections::table.find(id.to_string()))
        .set((
            connections::tokens.eq(&tokens.sealed),
            connections::tokens_expire_at.eq(micros_opt(tokens.expires_at)),
            connections::refreshable.eq(tokens.refreshable),
            connections::scopes.eq(scopes.join(" ")),
            connections::refreshed_at.eq(now.as_micros()),
            connections::refreshing_until.eq(None::<i64>),
            connections::broken_at.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Forgets the tokens of connections at these providers; of how many.
///
/// # Errors
/// When the statement fails.
pub fn forget_tokens(conn: &mut Conn, providers: &[String]) -> Result<usize, StoreError> {
    let kept = connections::provider.eq_any(providers).and(connections::tokens.is_not_null());
    Ok(diesel::update(connections::table.filter(kept))
        .set((
            connections::tokens.eq(None::<Vec<u8>>),
            connections::tokens_expire_at.eq(None::<i64>),
            connections::refreshable.eq(false),
            connections::refreshing_until.eq(None::<i64>),
        ))
        .execute(conn)?)
}

#[cfg(test)]
mod tests;
