//! All credentials of an owner in one list, read in as many statements however many there are.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, KeyStatus};
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::ledger::{Entry, Handle, Kind, Status, ends_soon};
use keyway_core::oauth::GrantType;
use keyway_core::owner::Environment;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{clients, families, grants, owners};
use crate::tables::api_keys::{self, KeyFilter};
use crate::tables::families::EndReason;
use crate::types::{Table, text_opt, time, time_opt};

const FAMILIES: Table = Table("families");
const GRANTS: Table = Table("grants");
const CLIENTS: Table = Table("clients");

/// The most of one kind that are read, the newest first.
pub const MAX_OF_KIND: u32 = 1_000;

/// Which credentials of an owner.
#[derive(Clone, Copy, Debug)]
pub enum Which<'w> {
    /// Those that are not over.
    Living,
    /// Those that are over as well.
    All,
    /// These, over or not.
    These(&'w [EntityId]),
}

/// Credentials of `owner`, in no order; of each kind at most the newest [`MAX_OF_KIND`].
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn list(
    conn: &mut Conn,
    owner: OwnerId,
    which: Which<'_>,
    now: Timestamp,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = keys(conn, owner, which, now)?;
    entries.extend(minted(conn, owner, which, now)?);
    entries.extend(consents(conn, owner, which)?);
    entries.extend(own_clients(conn, owner, which)?);
    Ok(entries)
}

fn texts(ids: &[EntityId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn keys(conn: &mut Conn, owner: OwnerId, which: Which<'_>, now: Timestamp) -> Result<Vec<Entry>, StoreError> {
    let with_revoked = matches!(which, Which::All);
    let filter = KeyFilter { owner: Some(owner), with_revoked, ..KeyFilter::default() };
    let mut found = match which {
        Which::These(ids) => api_keys::find_among(conn, ids)?,
        Which::Living | Which::All => api_keys::list(conn, &filter, now, MAX_OF_KIND)?,
    };
    found.retain(|key| key.owner == owner);
    let mut entries: Vec<_> = found.into_iter().map(|key| of_key(key, now)).collect();
    if matches!(which, Which::Living) {
        entries.retain(|entry| !entry.status.is_over());
    }
    Ok(entries)
}

fn of_key(key: ApiKey, now: Timestamp) -> Entry {
    Entry {
        handle: Handle { kind: Kind::Key, id: key.id.entity() },
        display: format!("{}…{}", key.prefix, key.last4),
        environment: key.terms.environment,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        last_used_address: key.last_used_address,
        ends_at: key.revoked_at.or(key.ends_at()),
        renews: false,
        status: match key.status(now) {
            // Enabling it would change nothing.
            KeyStatus::Disabled if key.ends_at().is_some_and(|end| end <= now) => Status::Expired,
            KeyStatus::Active => Status::Active,
            KeyStatus::ExpiringSoon => Status::EndsSoon,
            KeyStatus::InGrace => Status::InGrace,
            KeyStatus::Expired => Status::Expired,
            KeyStatus::Disabled => Status::Disabled,
            KeyStatus::Revoked => Status::Revoked,
        },
        replaced_by: key.replaced_by,
        scopes: key.terms.scopes,
        name: key.name,
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = families)]
struct FamilyRow {
    id: String,
    name: String,
    scopes: String,
    environment: String,
    has_refresh: bool,
    created_at: i64,
    last_refreshed_at: Option<i64>,
    idle_expires_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    ended_reason: Option<String>,
    address: Option<String>,
    last_used_at: Option<i64>,
    last_used_address: Option<String>,
}

/// The families that rest on no consent; of these, all that are families.
fn minted(
    conn: &mut Conn,
    owner: OwnerId,
    which: Which<'_>,
    now: Timestamp,
) -> Result<Vec<Entry>, StoreError> {
    let mut query = families::table
        .inner_join(clients::table)
        .filter(families::owner_id.eq(owner.to_string()))
        .order(families::id.desc())
        .limit(i64::from(MAX_OF_KIND))
        .select((FamilyRow::as_select(), clients::name))
        .into_boxed();
    query = match which {
        Which::Living => query
            .filter(families::grant_id.is_null().and(families::ended_at.is_null()))
            .filter(families::expires_at.gt(now.as_micros()))
            .filter(families::idle_expires_at.gt(now.as_micros())),
        Which::All => query.filter(families::grant_id.is_null()),
        Which::These(ids) => query.filter(families::id.eq_any(texts(ids))),
    };
    let rows = query.load::<(FamilyRow, String)>(conn)?;
    rows.into_iter().map(|(row, client)| of_family(row, client, now)).collect()
}

fn of_family(row: FamilyRow, client: String, now: Timestamp) -> Result<Entry, StoreError> {
    let end = time(row.idle_expires_at.min(row.expires_at));
    let reason: Option<EndReason> = FAMILIES.parse_opt("ended_reason", row.ended_reason.as_deref())?;
    let used = row.last_used_at.max(row.last_refreshed_at);
    let from = if used == row.last_used_at { row.last_used_address } else { row.address };
    Ok(Entry {
        handle: Handle { kind: Kind::Jwt, id: FAMILIES.parse("id", &row.id)? },
        name: row.name,
        display: client,
        scopes: FAMILIES.parse("scopes", &row.scopes)?,
        environment: FAMILIES.parse("environment", &row.environment)?,
        created_at: time(row.created_at),
        last_used_at: time_opt(used),
        last_used_address: FAMILIES.parse_opt("last_used_address", from.as_deref())?,
        ends_at: Some(time_opt(row.ended_at).map_or(end, |ended| ended.min(end))),
        renews: row.has_refresh && row.idle_expires_at < row.expires_at,
        status: match reason {
            Some(EndReason::Theft) => Status::Stolen,
            Some(_) => Status::Revoked,
            None if row.ended_at.is_some() => Status::Revoked,
            None if end <= now => Status::Expired,
            None if ends_soon(time(row.created_at), Some(end), now) => Status::EndsSoon,
            None => Status::Active,
        },
        replaced_by: None,
    })
}

type GrantRow = (String, String, i64, Option<i64>, Option<String>, Option<i64>, String, String, Option<i64>);

fn consents(conn: &mut Conn, owner: OwnerId, which: Which<'_>) -> Result<Vec<Entry>, StoreError> {
    let mut query = grants::table
        .inner_join(clients::table.inner_join(owners::table.on(owners::id.eq(clients::owner_id))))
        .filter(grants::owner_id.eq(owner.to_string()))
        .order(grants::id.desc())
        .limit(i64::from(MAX_OF_KIND))
        .select((
            grants::id,
            grants::scopes,
            grants::created_at,
            grants::last_used_at,
            grants::last_used_address,
            grants::revoked_at,
            clients::name,
            owners::name,
            clients::suspended_at,
        ))
        .into_boxed();
    query = match which {
        Which::Living => query.filter(grants::revoked_at.is_null()),
        Which::All => query,
        Which::These(ids) => query.filter(grants::id.eq_any(texts(ids))),
    };
    query.load::<GrantRow>(conn)?.into_iter().map(of_grant).collect()
}

fn of_grant(row: GrantRow) -> Result<Entry, StoreError> {
    let (id, scopes, created_at, last_used_at, address, revoked_at, app, by, suspended_at) = row;
    Ok(Entry {
        handle: Handle { kind: Kind::Grant, id: GRANTS.parse("id", &id)? },
        name: app,
        display: by,
        scopes: GRANTS.parse("scopes", &scopes)?,
        // Consents are for people's own data, which is live.
        environment: Environment::Live,
        created_at: time(created_at),
        last_used_at: time_opt(last_used_at),
        last_used_address: GRANTS.parse_opt("last_used_address", address.as_deref())?,
        ends_at: time_opt(revoked_at),
        renews: false,
        status: match (revoked_at, suspended_at) {
            (Some(_), _) => Status::Revoked,
            (None, Some(_)) => Status::Suspended,
            (None, None) => Status::Active,
        },
        replaced_by: None,
    })
}

type ClientRow = (String, String, String, String, i64, Option<i64>, Option<i64>, Option<i64>);

/// The clients that get tokens for themselves (RFC 6749 §4.4): their tokens live for minutes, so the client stands
/// for them. Of these, all that are clients.
fn own_clients(conn: &mut Conn, owner: OwnerId, which: Which<'_>) -> Result<Vec<Entry>, StoreError> {
    let mut query = clients::table
        .filter(clients::owner_id.eq(owner.to_string()))
        .order(clients::id.desc())
        .limit(i64::from(MAX_OF_KIND))
        .select((
            clients::id,
            clients::name,
            clients::auth_method,
            clients::scopes,
            clients::created_at,
            clients::last_used_at,
            clients::suspended_at,
            clients::deleted_at,
        ))
        .into_boxed();
    let for_themselves = clients::grant_types.like(format!("%{}%", GrantType::ClientCredentials.as_str()));
    query = match which {
        Which::Living => query.filter(for_themselves.and(clients::deleted_at.is_null())),
        Which::All => query.filter(for_themselves),
        Which::These(ids) => query.filter(clients::id.eq_any(texts(ids))),
    };
    query.load::<ClientRow>(conn)?.into_iter().map(of_client).collect()
}

fn of_client(row: ClientRow) -> Result<Entry, StoreError> {
    let (id, name, auth_method, scopes, created_at, last_used_at, suspended_at, deleted_at) = row;
    let id: EntityId = CLIENTS.parse("id", &id)?;
    Ok(Entry {
        handle: Handle { kind: Kind::Client, id },
        name,
        display: auth_method.replace('_', " "),
        scopes: CLIENTS.parse("scopes", &scopes)?,
        environment: Environment::Live,
        created_at: time(created_at),
        last_used_at: time_opt(last_used_at),
        last_used_address: None,
        ends_at: time_opt(deleted_at),
        renews: false,
        status: match (deleted_at, suspended_at) {
            (Some(_), _) => Status::Revoked,
            (None, Some(_)) => Status::Suspended,
            (None, None) => Status::Active,
        },
        replaced_by: None,
    })
}

/// Notes the last use of a family or a consent, if `id` is one, unless a later use is known.
///
/// # Errors
/// When a statement fails.
pub(crate) fn touch(
    conn: &mut Conn,
    id: EntityId,
    at: Timestamp,
    address: Option<IpAddr>,
) -> Result<(), StoreError> {
    let (id, micros, address) = (id.to_string(), at.as_micros(), text_opt(address.as_ref()));
    let family = families::table
        .find(&id)
        .filter(families::last_used_at.is_null().or(families::last_used_at.lt(micros)));
    let set = (families::last_used_at.eq(micros), families::last_used_address.eq(&address));
    if diesel::update(family).set(set).execute(conn)? == 0 {
        let grant = grants::table
            .find(&id)
            .filter(grants::last_used_at.is_null().or(grants::last_used_at.lt(micros)));
        let set = (grants::last_used_at.eq(micros), grants::last_used_address.eq(&address));
        diesel::update(grant).set(set).execute(conn)?;
    }
    Ok(())
}
