//! Single requests as guards recorded them: listed newest first, and found by id.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{EntityId, OwnerId, RequestId};
use keyway_core::record::Lacked;
use keyway_core::refusal::Check;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::request_records;
use crate::types::{Table, time};

const TABLE: Table = Table("request_records");

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Its id, as sent back in `X-Request-Id`.
    pub id: RequestId,
    /// When it came in.
    pub at: Timestamp,
    /// The credential, if it was recognised.
    pub credential: Option<EntityId>,
    /// What it is counted under: itself, or the family, consent, client or key that it descends from.
    pub root: Option<EntityId>,
    /// Whose it is.
    pub owner: Option<OwnerId>,
    /// The API that was called.
    pub audience: String,
    /// The HTTP method.
    pub method: String,
    /// The route's pattern.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
    /// The first check that failed.
    pub failed: Option<Check>,
    /// The refusal's code.
    pub code: Option<String>,
    /// What the call lacked, where that is one thing.
    pub lacked: Option<Lacked>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Microseconds from arrival to answer.
    pub latency_us: u64,
    /// What the client called itself.
    pub user_agent: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = request_records)]
struct Row {
    id: String,
    at: i64,
    credential_id: Option<String>,
    root: Option<String>,
    owner_id: Option<String>,
    audience: String,
    method: String,
    route: String,
    status: i64,
    check_failed: Option<String>,
    code: Option<String>,
    needed: Option<String>,
    missing: Option<String>,
    address: Option<String>,
    latency_us: i64,
    user_agent: Option<String>,
}

impl TryFrom<Row> for LoggedRequest {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let lacked = row.needed.zip(row.missing);
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            at: time(row.at),
            credential: TABLE.parse_opt("credential_id", row.credential_id.as_deref())?,
            root: TABLE.parse_opt("root", row.root.as_deref())?,
            owner: TABLE.parse_opt("owner_id", row.owner_id.as_deref())?,
            audience: row.audience,
            method: row.method,
            route: row.route,
            status: u16::try_from(row.status).map_err(|_| TABLE.inconsistent("status"))?,
            failed: TABLE.parse_opt("check_failed", row.check_failed.as_deref())?,
            code: row.code,
            lacked: lacked.map(|(needed, missing)| Lacked { needed: needed.into(), missing: missing.into() }),
            address: TABLE.parse_opt("address", row.address.as_deref())?,
            latency_us: TABLE.count("latency_us", row.latency_us)?,
            user_agent: row.user_agent,
        })
    }
}

/// How a request ended, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No check failed.
    Accepted,
    /// Some check failed.
    Refused,
    /// This check failed.
    At(Check),
}

/// Which requests.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Of one owner's credentials; of everybody, and those without a credential, when absent.
    pub owner: Option<OwnerId>,
    /// With one credential, or with what descends from it.
    pub credential: Option<EntityId>,
    /// How they ended.
    pub ended: Option<Ended>,
    /// The first digit of their status.
    pub class: Option<u16>,
    /// On one route, by its pattern.
    pub route: Option<String>,
    /// Older than this one: where the page before ended.
    pub before: Option<(Timestamp, RequestId)>,
}

/// The newest requests first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(conn: &mut Conn, filter: &RequestFilter, limit: u32) -> Result<Vec<LoggedRequest>, StoreError> {
    let mut query = request_records::table
        .order((request_records::at.desc(), request_records::id.desc()))
        .limit(i64::from(limit))
        .select(Row::as_select())
        .into_boxed();
    if let Some(owner) = filter.owner {
        query = query.filter(request_records::owner_id.eq(owner.to_string()));
    }
    if let Some(credential) = filter.credential {
        query = query.filter(request_records::root.eq(credential.to_string()));
    }
    query = match filter.ended {
        Some(Ended::Accepted) => query.filter(request_records::check_failed.is_null()),
        Some(Ended::Refused) => query.filter(request_records::check_failed.is_not_null()),
        Some(Ended::At(check)) => query.filter(request_records::check_failed.eq(check.as_str())),
        None => query,
    };
    if let Some(class) = filter.class {
        let first = i64::from(class) * 100;
        query = query.filter(request_records::status.between(first, first + 99));
    }
    if let Some(route) = &filter.route {
        query = query.filter(request_records::route.eq(route));
    }
    if let Some((at, id)) = filter.before {
        let at = at.as_micros();
        let same_moment = request_records::at.eq(at).and(request_records::id.lt(id.to_string()));
        query = query.filter(request_records::at.lt(at).or(same_moment));
    }
    query.load::<Row>(conn)?.into_iter().map(LoggedRequest::try_from).collect()
}

/// The request of this id, whosever it is.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: RequestId) -> Result<Option<LoggedRequest>, StoreError> {
    request_records::table
        .find(id.to_string())
        .select(Row::as_select())
        .first(conn)
        .optional()?
        .map(LoggedRequest::try_from)
        .transpose()
}
