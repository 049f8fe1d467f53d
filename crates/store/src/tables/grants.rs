//! Users' consents to apps.

use diesel::dsl::count_star;
use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::audience::Audience;
use keyway_core::ids::{ClientId, EntityId, GrantId, OwnerId, SessionId};
use keyway_core::oauth::Grant;
use keyway_core::scope::ScopeSet;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{clients, families, grants, owners};
use crate::types::{Table, micros_opt, text_opt, time, time_opt};

const TABLE: Table = Table("grants");

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = grants)]
struct GrantRow {
    id: String,
    owner_id: String,
    client_id: String,
    scopes: String,
    offline: bool,
    session_id: Option<String>,
    created_at: i64,
    updated_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;
    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            scopes: TABLE.parse("scopes", &row.scopes)?,
            offline: row.offline,
            session: TABLE.parse_opt("session_id", row.session_id.as_deref())?,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
            last_used_at: time_opt(row.last_used_at),
        })
    }
}

/// Keeps a new consent.
///
/// # Errors
/// [`StoreError::Conflict`] if there is one of this user for this app.
pub fn insert(conn: &mut Conn, grant: &Grant) -> Result<(), StoreError> {
    let row = GrantRow {
        id: grant.id.to_string(),
        owner_id: grant.owner.to_string(),
        client_id: grant.client.entity().to_string(),
        scopes: grant.scopes.to_string(),
        offline: grant.offline,
        session_id: text_opt(grant.session.as_ref()),
        created_at: grant.created_at.as_micros(),
        updated_at: grant.updated_at.as_micros(),
        last_used_at: micros_opt(grant.last_used_at),
        revoked_at: None,
    };
    diesel::insert_into(grants::table).values(row).execute(conn)?;
    Ok(())
}

/// The consent with this id, unless it was taken back.
///
/// # Errors
/// When the database cannot answer.
pub fn find(conn: &mut Conn, id: GrantId) -> Result<Option<Grant>, StoreError> {
    grants::table
        .filter(grants::id.eq(id.to_string()).and(grants::revoked_at.is_null()))
        .select(GrantRow::as_select())
        .get_result(conn)
        .optional()?
        .map(Grant::try_from)
        .transpose()
}

/// The consent of `owner` to `client`, unless there is none.
///
/// # Errors
/// When the database cannot answer.
pub fn find_of(conn: &mut Conn, owner: OwnerId, client: ClientId) -> Result<Option<Grant>, StoreError> {
    grants::table
        .filter(grants::owner_id.eq(owner.to_string()))
        .filter(grants::client_id.eq(client.entity().to_string()))
        .filter(grants::revoked_at.is_null())
        .select(GrantRow::as_select())
        .get_result(conn)
        .optional()?
        .map(Grant::try_from)
        .transpose()
}

/// A consent with the names that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGrant {
    /// The consent.
    pub grant: Grant,
    /// The app's name.
    pub app: String,
    /// The name of who registered the app.
    pub app_owner: String,
}

/// The consents of `owner`, newest first; at most `limit`.
///
/// # Errors
/// When the database cannot answer.
pub fn list_by_owner(conn: &mut Conn, owner: OwnerId, limit: u32) -> Result<Vec<ListedGrant>, StoreError> {
    grants::table
        .inner_join(clients::table.inner_join(owners::table.on(owners::id.eq(clients::owner_id))))
        .filter(grants::owner_id.eq(owner.to_string()))
        .filter(grants::revoked_at.is_null())
        .order(grants::id.desc())
        .limit(i64::from(limit))
        .select((GrantRow::as_select(), clients::name, owners::name))
        .load::<(GrantRow, String, String)>(conn)?
        .into_iter()
        .map(|(row, app, app_owner)| Ok(ListedGrant { grant: row.try_into()?, app, app_owner }))
        .collect()
}

/// How many users have consented to each app that `owner` registered.
///
/// # Errors
/// When the database cannot answer.
pub fn count_by_client_of_owner(conn: &mut Conn, owner: OwnerId) -> Result<Vec<(ClientId, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = grants::table
        .inner_join(clients::table)
        .filter(clients::owner_id.eq(owner.to_string()))
        .filter(grants::revoked_at.is_null())
        .group_by(grants::client_id)
        .select((grants::client_id, count_star()))
        .load(conn)?;
    let count = |(id, count): (String, i64)| {
        Ok((ClientId::from_entity(TABLE.parse("client_id", &id)?), TABLE.count("id", count)?))
    };
    rows.into_iter().map(count).collect()
}

/// How many users have consented to `client`.
///
/// # Errors
/// When the database cannot answer.
pub fn count_of_client(conn: &mut Conn, client: ClientId) -> Result<u64, StoreError> {
    let count: i64 = grants::table
        .filter(grants::client_id.eq(client.entity().to_string()))
        .filter(grants::revoked_at.is_null())
        .count()
        .get_result(conn)?;
    TABLE.count("id", count)
}

/// What a repeated consent leaves.
#[derive(Clone, Debug)]
pub struct GrantUpdate<'u> {
    /// All that the user has consented to by now.
    pub scopes: &'u ScopeSet,
    /// Whether it outlives the browser session.
    pub offline: bool,
    /// The browser session that it ends with.
    pub session: Option<SessionId>,
}

/// Widens a consent; `false` if it was taken back meanwhile.
///
/// # Errors
/// When the database cannot answer.
pub fn update(
    conn: &mut Conn,
    id: GrantId,
    change: &GrantUpdate<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(grants::table)
        .filter(grants::id.eq(id.to_string()).and(grants::revoked_at.is_null()))
        .set((
            grants::scopes.eq(change.scopes.to_string()),
            grants::offline.eq(change.offline),
            grants::session_id.eq(text_opt(change.session.as_ref())),
            grants::updated_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Remembers that the app got a token through a consent.
///
/// # Errors
/// When the database cannot answer.
pub fn touch(conn: &mut Conn, id: GrantId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(grants::table)
        .filter(grants::id.eq(id.to_string()))
        .set(grants::last_used_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(())
}

/// Whose these consents are, and whether tokens for `audience` rest on them; ids of others are left out.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn owners_of(
    conn: &mut Conn,
    ids: &[EntityId],
    audience: &Audience,
) -> Result<Vec<(EntityId, OwnerId, bool)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String)> = grants::table
        .filter(grants::id.eq_any(ids.iter().map(ToString::to_string)))
        .select((grants::id, grants::owner_id))
        .load(conn)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let used: Vec<Option<String>> = families::table
        .filter(families::grant_id.eq_any(rows.iter().map(|(id, _)| id)))
        .filter(families::audience.eq(audience.as_str()))
        .select(families::grant_id)
        .distinct()
        .load(conn)?;
    let read = |(id, owner): (String, String)| {
        let ours = used.iter().flatten().any(|used| *used == id);
        Ok((TABLE.parse("id", &id)?, TABLE.parse("owner_id", &owner)?, ours))
    };
    rows.into_iter().map(read).collect()
}

/// Takes a consent back; `false` if it is not this user's, or was taken back already.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke(conn: &mut Conn, owner: OwnerId, id: GrantId, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(grants::table)
        .filter(grants::id.eq(id.to_string()))
        .filter(grants::owner_id.eq(owner.to_string()))
        .filter(grants::revoked_at.is_null())
        .set(grants::revoked_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Takes back all consents to `client`; their ids.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke_all_of_client(
    conn: &mut Conn,
    client: ClientId,
    now: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let ids: Vec<String> = diesel::update(grants::table)
        .filter(grants::client_id.eq(client.entity().to_string()))
        .filter(grants::revoked_at.is_null())
        .set(grants::revoked_at.eq(now.as_micros()))
        .returning(grants::id)
        .get_results(conn)?;
    ids.iter().map(|id| TABLE.parse("id", id)).collect()
}

/// Takes back the consents that end with a browser session; their ids.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke_of_session(
    conn: &mut Conn,
    session: SessionId,
    now: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let ids: Vec<String> = diesel::update(grants::table)
        .filter(grants::session_id.eq(session.to_string()))
        .filter(grants::offline.eq(false))
        .filter(grants::revoked_at.is_null())
        .set(grants::revoked_at.eq(now.as_micros()))
        .returning(grants::id)
        .get_results(conn)?;
    ids.iter().map(|id| TABLE.parse("id", id)).collect()
}
