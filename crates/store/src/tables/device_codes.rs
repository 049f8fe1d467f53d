//! Device codes (RFC 8628): asked for by a device, decided once by a person, redeemed once by the device.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::audience::Audience;
use keyway_core::ids::{ClientId, GrantId, OwnerId};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::DEVICE_POLL_INTERVAL;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::SecretDigest;
use keyway_core::{Duration, Timestamp};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::device_codes as codes;
use crate::types::{Table, span, text_opt, time, time_opt};

const TABLE: Table = Table("device_codes");

/// A poll is not too early by so little: networks hurry some and hold others up.
const SLACK: Duration = Duration::millis(500);

/// A device code as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCode {
    /// Of the whole device code.
    pub digest: SecretDigest,
    /// The keyed digest of the user code.
    pub user_code: SecretDigest,
    /// Whom it was given to.
    pub client: ClientId,
    /// What is asked for.
    pub scopes: ScopeSet,
    /// The API that it is for.
    pub audience: Audience,
    /// Where the device asked from.
    pub address: Option<IpAddr>,
    /// What the device calls itself.
    pub user_agent: Option<String>,
    /// The key that what it gives is bound to (RFC 9449).
    pub bound_to: Option<Thumbprint>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// How long the device has to wait between two polls.
    pub poll_interval: Duration,
    /// What a person said to it.
    pub decision: Option<Decision>,
    /// When it was redeemed.
    pub consumed_at: Option<Timestamp>,
}

/// What a person said to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Approved(Approval),
    /// No.
    Denied,
}

/// Who said yes, and how that person had signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The person.
    pub owner: OwnerId,
    /// The consent that it rests on.
    pub grant: GrantId,
    /// When they signed in.
    pub auth_time: Timestamp,
    /// How: values of RFC 8176, with single spaces between.
    pub amr: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = codes)]
struct Row {
    digest: Vec<u8>,
    user_code: Vec<u8>,
    client_id: String,
    scopes: String,
    audience: String,
    address: Option<String>,
    user_agent: Option<String>,
    jkt: Option<String>,
    created_at: i64,
    expires_at: i64,
    poll_interval: i64,
    last_polled_at: Option<i64>,
    owner_id: Option<String>,
    grant_id: Option<String>,
    auth_time: Option<i64>,
    amr: String,
    approved_at: Option<i64>,
    denied_at: Option<i64>,
    consumed_at: Option<i64>,
}

impl Row {
    fn decision(&self) -> Result<Option<Decision>, StoreError> {
        if self.denied_at.is_some() {
            return Ok(Some(Decision::Denied));
        }
        if self.approved_at.is_none() {
            return Ok(None);
        }
        let missing = || TABLE.inconsistent("approved_at");
        Ok(Some(Decision::Approved(Approval {
            owner: TABLE.parse_opt("owner_id", self.owner_id.as_deref())?.ok_or_else(missing)?,
            grant: TABLE.parse_opt("grant_id", self.grant_id.as_deref())?.ok_or_else(missing)?,
            auth_time: time_opt(self.auth_time).ok_or_else(missing)?,
            amr: self.amr.clone(),
        })))
    }
}

impl TryFrom<Row> for DeviceCode {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            digest: TABLE.digest("digest", &row.digest)?,
            user_code: TABLE.digest("user_code", &row.user_code)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            scopes: TABLE.parse("scopes", &row.scopes)?,
            audience: TABLE.parse("audience", &row.audience)?,
            address: TABLE.parse_opt("address", row.address.as_deref())?,
            bound_to: TABLE.parse_opt("jkt", row.jkt.as_deref())?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            poll_interval: span(row.poll_interval),
            decision: row.decision()?,
            consumed_at: time_opt(row.consumed_at),
            user_agent: row.user_agent,
        })
    }
}

/// Adds a code that nobody has decided yet.
///
/// # Errors
/// [`StoreError::Constraint`] when the client does not exist; [`StoreError::Conflict`] if the user code is taken.
pub fn insert(conn: &mut Conn, code: &DeviceCode) -> Result<(), StoreError> {
    let row = Row {
        digest: code.digest.as_bytes().to_vec(),
        user_code: code.user_code.as_bytes().to_vec(),
        client_id: code.client.entity().to_string(),
        scopes: code.scopes.to_string(),
        audience: code.audience.to_string(),
        address: text_opt(code.address.as_ref()),
        user_agent: code.user_agent.clone(),
        jkt: text_opt(code.bound_to.as_ref()),
        created_at: code.created_at.as_micros(),
        expires_at: code.expires_at.as_micros(),
        poll_interval: code.poll_interval.as_micros(),
        last_polled_at: None,
        owner_id: None,
        grant_id: None,
        auth_time: None,
        amr: String::new(),
        approved_at: None,
        denied_at: None,
        consumed_at: None,
    };
    diesel::insert_into(codes::table).values(row).execute(conn)?;
    Ok(())
}

/// The code with this digest, in whatever state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, digest: SecretDigest) -> Result<Option<DeviceCode>, StoreError> {
    codes::table
        .find(digest.as_bytes().as_slice())
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(DeviceCode::try_from)
        .transpose()
}

/// The code with this user code, in whatever state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_by_user_code(conn: &mut Conn, user_code: SecretDigest) -> Result<Option<DeviceCode>, StoreError> {
    codes::table
        .filter(codes::user_code.eq(user_code.as_bytes().to_vec()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(DeviceCode::try_from)
        .transpose()
}

/// Notes a poll. `false` if it came before the interval was over, which is longer from then on (RFC 8628 §3.5).
///
/// # Errors
/// When a statement fails.
pub fn poll(conn: &mut Conn, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let row = codes::table.find(digest.as_bytes().as_slice());
    let at = (now + SLACK).as_micros();
    let due = codes::last_polled_at
        .is_null()
        .or((codes::last_polled_at.assume_not_null() + codes::poll_interval).le(at));
    let noted = codes::last_polled_at.eq(now.as_micros());
    if diesel::update(row.filter(due)).set(noted).execute(conn)? == 1 {
        return Ok(true);
    }
    let longer = codes::poll_interval.eq(codes::poll_interval + DEVICE_POLL_INTERVAL.as_micros());
    diesel::update(row).set((noted, longer)).execute(conn)?;
    Ok(false)
}

/// Says yes for a person; `false` if it is too old or was decided before.
///
/// # Errors
/// When the statement fails, or person or consent do not exist.
pub fn approve(
    conn: &mut Conn,
    digest: SecretDigest,
    approval: &Approval,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let open = codes::table
        .find(digest.as_bytes().as_slice())
        .filter(codes::approved_at.is_null().and(codes::denied_at.is_null()))
        .filter(codes::expires_at.gt(now.as_micros()));
    let rows = diesel::update(open)
        .set((
            codes::owner_id.eq(approval.owner.to_string()),
            codes::grant_id.eq(approval.grant.to_string()),
            codes::auth_time.eq(approval.auth_time.as_micros()),
            codes::amr.eq(&approval.amr),
            codes::approved_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Says no; `false` if it is too old or was decided before.
///
/// # Errors
/// When the statement fails.
pub fn deny(conn: &mut Conn, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let open = codes::table
        .find(digest.as_bytes().as_slice())
        .filter(codes::approved_at.is_null().and(codes::denied_at.is_null()))
        .filter(codes::expires_at.gt(now.as_micros()));
    Ok(diesel::update(open).set(codes::denied_at.eq(now.as_micros())).execute(conn)? == 1)
}

/// Redeems an approved code: of any number at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn redeem(conn: &mut Conn, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let unspent = codes::table
        .find(digest.as_bytes().as_slice())
        .filter(codes::approved_at.is_not_null().and(codes::consumed_at.is_null()))
        .filter(codes::expires_at.gt(now.as_micros()));
    Ok(diesel::update(unspent).set(codes::consumed_at.eq(now.as_micros())).execute(conn)? == 1)
}
