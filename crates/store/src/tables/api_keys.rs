//! API keys.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, EXPIRING_SOON, KeyStatus, Terms};
use keyway_core::ids::{ApiKeyId, EntityId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::quota::{Quota, Quotas};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::api_keys;
use crate::types::{Table, micros_opt, stored_count, text_list, text_opt, time, time_opt};

mod new;

pub use new::{insert, insert_all, owners_by_digest};

const TABLE: Table = Table("api_keys");

diesel::define_sql_function! {
    /// Lower case, as far as the database knows letters.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Everything but the digest, which is looked for and never read.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct KeyRow {
    id: String,
    owner_id: String,
    creator_id: String,
    prefix: String,
    last4: String,
    name: String,
    environment: String,
    audiences: String,
    scopes: String,
    note: String,
    addresses: String,
    rate: Option<String>,
    ancestors: String,
    created_at: i64,
    expires_at: Option<i64>,
    disabled_at: Option<i64>,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
    replaced_by: Option<String>,
    grace_ends_at: Option<i64>,
    replaces: Option<String>,
    imported: bool,
    last_used_at: Option<i64>,
    last_used_address: Option<String>,
    version: i64,
    quota_day: Option<i64>,
    quota_month: Option<i64>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;
    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            creator: TABLE.parse("creator_id", &row.creator_id)?,
            prefix: row.prefix,
            last4: row.last4,
            name: row.name,
            note: row.note,
            terms: Terms {
                environment: TABLE.parse("environment", &row.environment)?,
                audiences: TABLE.parse_list("audiences", &row.audiences)?.into(),
                scopes: TABLE.parse("scopes", &row.scopes)?,
                addresses: TABLE.parse("addresses", &row.addresses)?,
                rate: TABLE.parse_opt("rate", row.rate.as_deref())?,
                quotas: Quotas {
                    day: quota("quota_day", row.quota_day)?,
                    month: quota("quota_month", row.quota_month)?,
                },
                expires_at: time_opt(row.expires_at),
            },
            ancestors: TABLE.parse_list("ancestors", &row.ancestors)?.into(),
            created_at: time(row.created_at),
            disabled_at: time_opt(row.disabled_at),
            revoked_at: time_opt(row.revoked_at),
            revoked_reason: row.revoked_reason,
            replaced_by: TABLE.parse_opt("replaced_by", row.replaced_by.as_deref())?,
            grace_ends_at: time_opt(row.grace_ends_at),
            replaces: TABLE.parse_opt("replaces", row.replaces.as_deref())?,
            imported: row.imported,
            last_used_at: time_opt(row.last_used_at),
            last_used_address: TABLE.parse_opt("last_used_address", row.last_used_address.as_deref())?,
            version: TABLE.count("version", row.version)?,
        })
    }
}

fn quota(column: &'static str, calls: Option<i64>) -> Result<Quota, StoreError> {
    let Some(calls) = calls else { return Ok(Quota::Off) };
    TABLE.count(column, calls)?.try_into().map(Quota::Calls).map_err(|_| TABLE.inconsistent(column))
}

fn stored_quota(quota: Quota) -> Option<i64> {
    quota.calls().map(|calls| stored_count(calls.get()))
}

/// A key, whatever its state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let found =
        api_keys::table.find(id.to_string()).select(KeyRow::as_select()).get_result(conn).optional()?;
    found.map(ApiKey::try_from).transpose()
}

/// The key with this digest, whatever its state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_by_digest(conn: &mut Conn, digest: &SecretDigest) -> Result<Option<ApiKey>, StoreError> {
    api_keys::table
        .filter(api_keys::digest.eq(digest.as_bytes().as_slice()))
        .select(KeyRow::as_select())
        .get_result(conn)
        .optional()?
        .map(ApiKey::try_from)
        .transpose()
}

/// Those of `ids` that are keys, whatever their state: for a key's [`ancestors`](ApiKey::ancestors).
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn find_among(conn: &mut Conn, ids: &[EntityId]) -> Result<Vec<ApiKey>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<KeyRow> =
        api_keys::table.filter(api_keys::id.eq_any(ids)).select(KeyRow::as_select()).load(conn)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Which keys a list shows.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Of one owner; of all when absent.
    pub owner: Option<OwnerId>,
    /// Whose name has this in it, whatever the case, or whose secret ends with it.
    pub search: Option<String>,
    /// In this state; when absent, all but the revoked ones.
    pub status: Option<KeyStatus>,
    /// Of one environment.
    pub environment: Option<Environment>,
    /// The revoked ones too.
    pub with_revoked: bool,
    /// Older than this one: where the page before ended.
    pub before: Option<ApiKeyId>,
}

/// The newest first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(
    conn: &mut Conn,
    filter: &KeyFilter,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ApiKey>, StoreError> {
    let mut query = api_keys::table
        .select(KeyRow::as_select())
        .order(api_keys::id.desc())
        .limit(i64::from(limit))
        .into_boxed();
    if let Some(owner) = filter.owner {
        query = query.filter(api_keys::owner_id.eq(owner.to_string()));
    }
    if let Some(search) = &filter.search {
        // Databases lower other letters than ASCII's or leave them: those match as they are written.
        let plain = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let lowered = lower(api_keys::name).like(format!("%{}%", plain.to_lowercase())).escape('\\');
        let named = lowered.or(api_keys::name.like(format!("%{plain}%")).escape('\\'));
        query = query.filter(named.or(api_keys::last4.eq(search)));
    }
    if let Some(environment) = filter.environment {
        query = query.filter(api_keys::environment.eq(environment.as_str()));
    }
    if let Some(before) = filter.before {
        query = query.filter(api_keys::id.lt(before.to_string()));
    }
    let (now, soon) = (now.as_micros(), (now + EXPIRING_SOON).as_micros());
    if let Some(status) = filter.status {
        // Each state leaves out those that come before it in `ApiKey::status`.
        let over = || {
            let own = api_keys::expires_at.le(now).and(api_keys::expires_at.is_not_null());
            own.or(api_keys::grace_ends_at.le(now).and(api_keys::grace_ends_at.is_not_null()))
        };
        if status == KeyStatus::Revoked {
            query = query.filter(api_keys::revoked_at.is_not_null());
        } else {
            query = query.filter(api_keys::revoked_at.is_null());
            query = match status {
                KeyStatus::Disabled => query.filter(api_keys::disabled_at.is_not_null()),
                _ => query.filter(api_keys::disabled_at.is_null()),
            };
        }
        query = match status {
            KeyStatus::Revoked | KeyStatus::Disabled => query,
            KeyStatus::Expired => query.filter(over().assume_not_null()),
            KeyStatus::InGrace => query
                .filter(api_keys::replaced_by.is_not_null())
                .filter(diesel::dsl::not(over().assume_not_null())),
            KeyStatus::ExpiringSoon => query
                .filter(api_keys::replaced_by.is_null())
                .filter(api_keys::expires_at.gt(now).and(api_keys::expires_at.lt(soon))),
            KeyStatus::Active => query
                .filter(api_keys::replaced_by.is_null())
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.ge(soon))),
        };
    } else if !filter.with_revoked {
        query = query.filter(api_keys::revoked_at.is_null());
    }
    let rows: Vec<KeyRow> = query.load(conn)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// How many of an owner's keys are not revoked. Under [`owners::lock`](super::owners::lock) where a rule rests on it.
///
/// # Errors
/// When the statement fails.
pub fn count_unrevoked(conn: &mut Conn, owner: OwnerId) -> Result<u64, StoreError> {
    let count: i64 = api_keys::table
        .filter(api_keys::owner_id.eq(owner.to_string()).and(api_keys::revoked_at.is_null()))
        .count()
        .get_result(conn)?;
    TABLE.count("id", count)
}

/// The keys of the same owner that `id` made, and those that they made, unless revoked: they end with it.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn descendants(conn: &mut Conn, owner: OwnerId, id: ApiKeyId) -> Result<Vec<ApiKey>, StoreError> {
    let rows: Vec<KeyRow> = api_keys::table
        .filter(api_keys::owner_id.eq(owner.to_string()).and(api_keys::revoked_at.is_null()))
        .filter(api_keys::ancestors.like(format!("%{id}%")))
        .order(api_keys::id)
        .select(KeyRow::as_select())
        .load(conn)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Stores name, note and terms of a key that was read and changed. `false` when it has been changed or revoked
/// meanwhile.
///
/// # Errors
/// When the statement fails.
pub fn update(conn: &mut Conn, key: &ApiKey) -> Result<bool, StoreError> {
    let unchanged = api_keys::table
        .find(key.id.to_string())
        .filter(api_keys::version.eq(stored_count(key.version)).and(api_keys::revoked_at.is_null()));
    let changed = diesel::update(unchanged)
        .set((
            api_keys::name.eq(&key.name),
            api_keys::note.eq(&key.note),
            api_keys::audiences.eq(text_list(&key.terms.audiences)),
            api_keys::scopes.eq(key.terms.scopes.to_string()),
            api_keys::addresses.eq(key.terms.addresses.to_string()),
            api_keys::rate.eq(text_opt(key.terms.rate.as_ref())),
            api_keys::quota_day.eq(stored_quota(key.terms.quotas.day)),
            api_keys::quota_month.eq(stored_quota(key.terms.quotas.month)),
            api_keys::expires_at.eq(micros_opt(key.terms.expires_at)),
            api_keys::version.eq(api_keys::version + 1),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Switches off. `false` when it is off or revoked already.
///
/// # Errors
/// When the statement fails.
pub fn disable(conn: &mut Conn, id: ApiKeyId, now: Timestamp) -> Result<bool, StoreError> {
    let on = api_keys::table
        .find(id.to_string())
        .filter(api_keys::disabled_at.is_null().and(api_keys::revoked_at.is_null()));
    let changed = diesel::update(on)
        .set((api_keys::disabled_at.eq(now.as_micros()), api_keys::version.eq(api_keys::version + 1)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Switches on again. `false` when it is on or revoked.
///
/// # Errors
/// When the statement fails.
pub fn enable(conn: &mut Conn, id: ApiKeyId) -> Result<bool, StoreError> {
    let off = api_keys::table
        .find(id.to_string())
        .filter(api_keys::disabled_at.is_not_null().and(api_keys::revoked_at.is_null()));
    let changed = diesel::update(off)
        .set((api_keys::disabled_at.eq(None::<i64>), api_keys::version.eq(api_keys::version + 1)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Takes away for good. `false` when it was before.
///
/// # Errors
/// When the statement fails.
pub fn revoke(conn: &mut Conn, id: ApiKeyId, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
    let living = api_keys::table.find(id.to_string()).filter(api_keys::revoked_at.is_null());
    let changed = diesel::update(living)
        .set((
            api_keys::revoked_at.eq(now.as_micros()),
            api_keys::revoked_reason.eq(reason),
            api_keys::version.eq(api_keys::version + 1),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Lets `new`, which is stored, take the place of `old`, whose grace ends at `end`. `false` when `old` was replaced or
/// revoked before: of two at once, one succeeds.
///
/// # Errors
/// When the statement fails.
pub fn replace(conn: &mut Conn, old: ApiKeyId, new: ApiKeyId, end: Timestamp) -> Result<bool, StoreError> {
    let single = api_keys::table
        .find(old.to_string())
        .filter(api_keys::replaced_by.is_null().and(api_keys::revoked_at.is_null()));
    let changed = diesel::update(single)
        .set((
            api_keys::replaced_by.eq(new.to_string()),
            api_keys::grace_ends_at.eq(end.as_micros()),
            api_keys::version.eq(api_keys::version + 1),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Lets a replaced key's grace end at `end`. `false` when it was not replaced, was changed since `version`, or is
/// revoked.
///
/// # Errors
/// When the statement fails.
pub fn update_grace(conn: &mut Conn, id: ApiKeyId, version: u64, end: Timestamp) -> Result<bool, StoreError> {
    let replaced = api_keys::table.find(id.to_string()).filter(
        api_keys::replaced_by
            .is_not_null()
            .and(api_keys::revoked_at.is_null())
            .and(api_keys::version.eq(stored_count(version))),
    );
    let changed = diesel::update(replaced)
        .set((api_keys::grace_ends_at.eq(end.as_micros()), api_keys::version.eq(api_keys::version + 1)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Notes that a key was used, unless a later use is known; `false` when there was nothing to note.
///
/// # Errors
/// When the statement fails.
pub fn touch(
    conn: &mut Conn,
    id: EntityId,
    at: Timestamp,
    address: Option<IpAddr>,
) -> Result<bool, StoreError> {
    let micros = at.as_micros();
    let earlier = api_keys::table
        .find(id.to_string())
        .filter(api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(micros)));
    let changed = diesel::update(earlier)
        .set((api_keys::last_used_at.eq(micros), api_keys::last_used_address.eq(text_opt(address.as_ref()))))
        .execute(conn)?;
    Ok(changed == 1)
}
