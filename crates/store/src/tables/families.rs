//! Refresh-token families: what one mint or one authorisation gave, and all that grew from it.

use std::net::IpAddr;
use std::str::FromStr;

use diesel::prelude::*;
use keyway_core::audience::Audience;
use keyway_core::change::UnknownName;
use keyway_core::facts::Ancestors;
use keyway_core::ids::{ClientId, EntityId, FamilyId, GrantId, OwnerId, SessionId};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::TokenFormat;
use keyway_core::owner::Environment;
use keyway_core::scope::ScopeSet;
use keyway_core::{Duration, Timestamp};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{clients, families};
use crate::types::{Table, micros_opt, span, text_list, text_opt, time, time_opt};

pub use super::end_reason::EndReason;

const TABLE: Table = Table("families");

/// Where a family comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// Minted by its owner, on the page or by command.
    Dashboard,
    /// Given to an app that its owner authorised.
    Oauth,
}

impl FamilyKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Oauth => "oauth",
        }
    }
}

impl FromStr for FamilyKind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "dashboard" => Ok(Self::Dashboard),
            "oauth" => Ok(Self::Oauth),
            _ => Err(UnknownName),
        }
    }
}

/// A family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its id, an ancestor of every access token in it.
    pub id: FamilyId,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// The client that holds its tokens.
    pub client: ClientId,
    /// The consent that it rests on.
    pub grant: Option<GrantId>,
    /// Where it comes from.
    pub kind: FamilyKind,
    /// For lists.
    pub name: String,
    /// The API that its access tokens are for.
    pub audience: Audience,
    /// The most that its access tokens may do.
    pub scopes: ScopeSet,
    /// Live or test.
    pub environment: Environment,
    /// What its access tokens look like.
    pub format: TokenFormat,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// Whether there are refresh tokens at all.
    pub has_refresh: bool,
    /// The ids of everything whose end is its end; itself not included.
    pub ancestors: Ancestors,
    /// The id on whose limit its access tokens draw.
    pub root: EntityId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_refreshed_at: Option<Timestamp>,
    /// When it ends unless it is used before.
    pub idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// Since when it is over.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_reason: Option<EndReason>,
    /// The browser session that it ends with.
    pub session: Option<SessionId>,
    /// From where it was last used.
    pub address: Option<IpAddr>,
    /// When the user signed in, where a user did.
    pub auth_time: Option<Timestamp>,
    /// The browser session that the user signed in with (`sid`).
    pub sid: Option<SessionId>,
    /// How the user signed in: values of RFC 8176, with single spaces between.
    pub amr: String,
    /// The thumbprint of the key that its tokens are bound to (RFC 9449 §6).
    pub bound_to: Option<Thumbprint>,
}

impl Family {
    /// Whether it outlives the browser session that its consent was given in (`offline_access`).
    pub const fn is_offline(&self) -> bool {
        self.grant.is_some() && self.has_refresh && self.session.is_none()
    }
    /// Whether it can still be refreshed, or its access tokens be used.
    pub fn is_living(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at && now < self.idle_expires_at
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = families)]
struct Row {
    id: String,
    owner_id: String,
    client_id: String,
    grant_id: Option<String>,
    kind: String,
    name: String,
    audience: String,
    scopes: String,
    environment: String,
    token_format: String,
    access_lifetime: i64,
    has_refresh: bool,
    ancestors: String,
    root: String,
    created_at: i64,
    last_refreshed_at: Option<i64>,
    idle_expires_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    ended_reason: Option<String>,
    session_id: Option<String>,
    address: Option<String>,
    auth_time: Option<i64>,
    sid: Option<String>,
    amr: String,
    jkt: Option<String>,
}

impl TryFrom<Row> for Family {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            grant: TABLE.parse_opt("grant_id", row.grant_id.as_deref())?,
            kind: TABLE.parse("kind", &row.kind)?,
            name: row.name,
            audience: TABLE.parse("audience", &row.audience)?,
            scopes: TABLE.parse("scopes", &row.scopes)?,
            environment: TABLE.parse("environment", &row.environment)?,
            format: TABLE.parse("token_format", &row.token_format)?,
            access_lifetime: span(row.access_lifetime),
            has_refresh: row.has_refresh,
            ancestors: TABLE.parse_list("ancestors", &row.ancestors)?.into(),
            root: TABLE.parse("root", &row.root)?,
            created_at: time(row.created_at),
            last_refreshed_at: time_opt(row.last_refreshed_at),
            idle_expires_at: time(row.idle_expires_at),
            expires_at: time(row.expires_at),
            ended_at: time_opt(row.ended_at),
            ended_reason: TABLE.parse_opt("ended_reason", row.ended_reason.as_deref())?,
            session: TABLE.parse_opt("session_id", row.session_id.as_deref())?,
            address: TABLE.parse_opt("address", row.address.as_deref())?,
            auth_time: time_opt(row.auth_time),
            sid: TABLE.parse_opt("sid", row.sid.as_deref())?,
            amr: row.amr,
            bound_to: TABLE.parse_opt("jkt", row.jkt.as_deref())?,
        })
    }
}

impl From<&Family> for Row {
    fn from(family: &Family) -> Self {
        Self {
            id: family.id.to_string(),
            owner_id: family.owner.to_string(),
            client_id: family.client.entity().to_string(),
            grant_id: text_opt(family.grant.as_ref()),
            kind: family.kind.as_str().to_owned(),
            name: family.name.clone(),
            audience: family.audience.to_string(),
            scopes: family.scopes.to_string(),
            environment: family.environment.to_string(),
            token_format: family.format.as_str().to_owned(),
            access_lifetime: family.access_lifetime.as_micros(),
            has_refresh: family.has_refresh,
            ancestors: text_list(&family.ancestors),
            root: family.root.to_string(),
            created_at: family.created_at.as_micros(),
            last_refreshed_at: micros_opt(family.last_refreshed_at),
            idle_expires_at: family.idle_expires_at.as_micros(),
            expires_at: family.expires_at.as_micros(),
            ended_at: micros_opt(family.ended_at),
            ended_reason: family.ended_reason.map(|reason| reason.as_str().to_owned()),
            session_id: text_opt(family.session.as_ref()),
            address: text_opt(family.address.as_ref()),
            auth_time: micros_opt(family.auth_time),
            sid: text_opt(family.sid.as_ref()),
            amr: family.amr.clone(),
            jkt: text_opt(family.bound_to.as_ref()),
        }
    }
}

/// Adds a family.
///
/// # Errors
/// [`StoreError::Conflict`] when the id exists, [`StoreError::Constraint`] when owner, client or consent do not.
pub fn insert(conn: &mut Conn, family: &Family) -> Result<(), StoreError> {
    diesel::insert_into(families::table).values(Row::from(family)).execute(conn)?;
    Ok(())
}

/// The family with this id, ended or not.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: FamilyId) -> Result<Option<Family>, StoreError> {
    families::table
        .find(id.to_string())
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(Family::try_from)
        .transpose()
}

/// Whose these families are, and for which API; ids of others are left out.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn owners_of(
    conn: &mut Conn,
    ids: &[EntityId],
) -> Result<Vec<(EntityId, OwnerId, Audience)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, String)> = families::table
        .filter(families::id.eq_any(ids.iter().map(ToString::to_string)))
        .select((families::id, families::owner_id, families::audience))
        .load(conn)?;
    let read = |(id, owner, audience): (String, String, String)| {
        Ok((TABLE.parse("id", &id)?, TABLE.parse("owner_id", &owner)?, TABLE.parse("audience", &audience)?))
    };
    rows.into_iter().map(read).collect()
}

/// The families of `owner` with their clients' names, the newest first, at most `limit`; the living ones alone, or
/// those as well that are over.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list_by_owner(
    conn: &mut Conn,
    owner: OwnerId,
    living_at: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<(Family, String)>, StoreError> {
    let mut query = families::table
        .inner_join(clients::table)
        .filter(families::owner_id.eq(owner.to_string()))
        .order(families::id.desc())
        .limit(i64::from(limit))
        .select((Row::as_select(), clients::name))
        .into_boxed();
    if let Some(now) = living_at {
        query = query
            .filter(families::ended_at.is_null())
            .filter(families::expires_at.gt(now.as_micros()))
            .filter(families::idle_expires_at.gt(now.as_micros()));
    }
    query
        .load::<(Row, String)>(conn)?
        .into_iter()
        .map(|(row, client)| Ok((Family::try_from(row)?, client)))
        .collect()
}

/// Holds the family until the transaction ends and remembers its use: from `address`, idle until `idle_until`.
/// `false` when it is over.
///
/// # Errors
/// When the statement fails.
pub fn refreshed(
    conn: &mut Conn,
    id: FamilyId,
    now: Timestamp,
    idle_until: Timestamp,
    address: Option<IpAddr>,
) -> Result<bool, StoreError> {
    let living = families::table.find(id.to_string()).filter(families::ended_at.is_null());
    let rows = diesel::update(living)
        .set((
            families::last_refreshed_at.eq(now.as_micros()),
            families::idle_expires_at.eq(idle_until.as_micros()),
            families::address.eq(text_opt(address.as_ref())),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Ends a family; `false` if it was over already.
///
/// # Errors
/// When the statement fails.
pub fn end(conn: &mut Conn, id: FamilyId, now: Timestamp, reason: EndReason) -> Result<bool, StoreError> {
    let living = families::table.find(id.to_string()).filter(families::ended_at.is_null());
    let rows = diesel::update(living)
        .set((families::ended_at.eq(now.as_micros()), families::ended_reason.eq(reason.as_str())))
        .execute(conn)?;
    Ok(rows == 1)
}

/// What families are ended together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// Their owner.
    Owner(OwnerId),
    /// Their client.
    Client(ClientId),
    /// The consent that they rest on.
    Grant(GrantId),
    /// The browser session that they depend on.
    Session(SessionId),
}

/// Ends all families of one ancestor; their ids. Whoever ends an ancestor for good publishes its end as well, which
/// alone is what reaches access tokens.
///
/// # Errors
/// When the statement fails or an id cannot be read.
pub fn end_all(
    conn: &mut Conn,
    by: EndedBy,
    now: Timestamp,
    reason: EndReason,
) -> Result<Vec<FamilyId>, StoreError> {
    let set = (families::ended_at.eq(now.as_micros()), families::ended_reason.eq(reason.as_str()));
    let living = families::ended_at.is_null();
    let ids: Vec<String> = match by {
        EndedBy::Owner(id) => {
            diesel::update(families::table.filter(living.and(families::owner_id.eq(id.to_string()))))
                .set(set)
                .returning(families::id)
                .get_results(conn)
        }
        EndedBy::Client(id) => {
            let id = id.entity().to_string();
            diesel::update(families::table.filter(living.and(families::client_id.eq(id))))
                .set(set)
                .returning(families::id)
                .get_results(conn)
        }
        EndedBy::Grant(id) => {
            diesel::update(families::table.filter(living.and(families::grant_id.eq(id.to_string()))))
                .set(set)
                .returning(families::id)
                .get_results(conn)
        }
        EndedBy::Session(id) => {
            diesel::update(families::table.filter(living.and(families::session_id.eq(id.to_string()))))
                .set(set)
                .returning(families::id)
                .get_results(conn)
        }
    }?;
    ids.iter().map(|id| TABLE.parse("id", id)).collect()
}
