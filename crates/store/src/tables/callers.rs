//! Who called lately, from single requests: every refusal, and the accepted calls that guards recorded.

use std::collections::BTreeMap;
use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{EntityId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::request_records;
use crate::types::{Table, time};

const TABLE: Table = Table("request_records");

/// The most requests that are looked at: the newest ones.
pub const MOST_REQUESTS: u32 = 10_000;

/// Whose requests are looked at.
#[derive(Clone, Debug)]
pub struct CallerFilter {
    /// Of whose credentials.
    pub owner: OwnerId,
    /// With one of these, or what descends from it; with any when empty.
    pub credentials: Vec<EntityId>,
    /// On one route, by its pattern.
    pub route: Option<String>,
    /// From this moment on.
    pub since: Timestamp,
}

/// Calls from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// From where; `None` where that is not known.
    pub address: Option<IpAddr>,
    /// How many were let through.
    pub accepted: u64,
    /// How many were not.
    pub refused: u64,
    /// When the last came in.
    pub last_at: Timestamp,
}

/// Calls of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledRoute {
    /// The HTTP method.
    pub method: String,
    /// The route's pattern.
    pub route: String,
    /// How many.
    pub calls: u64,
    /// When the last came in.
    pub last_at: Timestamp,
}

/// Who called, and what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// The busiest first.
    pub addresses: Vec<Caller>,
    /// The busiest first.
    pub routes: Vec<CalledRoute>,
    /// How many requests were looked at.
    pub requests: u64,
    /// Whether there are more than were looked at.
    pub cut: bool,
}

type Row = (Option<String>, Option<String>, String, String, i64);

/// Who called, what and when, by the newest [`MOST_REQUESTS`] requests. One statement.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn callers(conn: &mut Conn, filter: &CallerFilter) -> Result<Callers, StoreError> {
    let mut query = request_records::table
        .filter(request_records::owner_id.eq(filter.owner.to_string()))
        .filter(request_records::at.ge(filter.since.as_micros()))
        .order(request_records::at.desc())
        .limit(i64::from(MOST_REQUESTS) + 1)
        .select((
            request_records::address,
            request_records::check_failed,
            request_records::method,
            request_records::route,
            request_records::at,
        ))
        .into_boxed();
    if !filter.credentials.is_empty() {
        let ids: Vec<String> = filter.credentials.iter().map(ToString::to_string).collect();
        query = query.filter(request_records::root.eq_any(ids));
    }
    if let Some(route) = &filter.route {
        query = query.filter(request_records::route.eq(route));
    }
    let mut rows: Vec<Row> = query.load(conn)?;
    let cut = rows.len() > MOST_REQUESTS as usize;
    rows.truncate(MOST_REQUESTS as usize);
    let mut found = Callers { requests: rows.len() as u64, cut, ..Callers::default() };
    let mut addresses = BTreeMap::<Option<String>, Caller>::new();
    let mut routes = BTreeMap::<(String, String), CalledRoute>::new();
    for (address, failed, method, route, at) in rows {
        // The newest come first.
        let last_at = time(at);
        let place = match addresses.entry(address) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let address = TABLE.parse_opt("address", new.key().as_deref())?;
                new.insert(Caller { address, accepted: 0, refused: 0, last_at })
            }
        };
        if failed.is_none() {
            place.accepted += 1;
        } else {
            place.refused += 1;
        }
        let called = routes.entry((method, route)).or_insert_with_key(|(method, route)| CalledRoute {
            method: method.clone(),
            route: route.clone(),
            calls: 0,
            last_at,
        });
        called.calls += 1;
    }
    found.addresses = addresses.into_values().collect();
    found.addresses.sort_by_key(|one| std::cmp::Reverse(one.accepted + one.refused));
    found.routes = routes.into_values().collect();
    found.routes.sort_by_key(|one| std::cmp::Reverse(one.calls));
    Ok(found)
}
