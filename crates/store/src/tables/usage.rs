//! Counts of calls, summed in the database: over time, by credential, by route. Each function is one statement, however
//! many credentials there are. Hours come from `usage_counts`, days from `usage_days`.

use std::collections::HashMap;
use std::hash::Hash;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyway_core::Timestamp;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::record::Outcome;
use keyway_core::usage::{Grain, Period, Tally};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{usage_counts, usage_days};
use crate::types::{Table, time};

const TABLE: Table = Table("usage_days");

/// How many days a sparkline has.
pub const SPARK_DAYS: u16 = 30;

/// Which calls are counted.
#[derive(Clone, Debug)]
pub struct UsageFilter {
    /// Of whose credentials.
    pub owner: OwnerId,
    /// When.
    pub period: Period,
    /// With one credential: the root of a descent.
    pub credential: Option<EntityId>,
    /// On one route, by its pattern.
    pub route: Option<String>,
    /// That ended in one way.
    pub outcome: Option<Outcome>,
}

impl UsageFilter {
    /// All calls of an owner in a period.
    pub const fn of(owner: OwnerId, period: Period) -> Self {
        Self { owner, period, credential: None, route: None, outcome: None }
    }

    /// The same calls in the period before.
    #[must_use]
    pub fn before(&self) -> Self {
        Self { period: self.period.before(), ..self.clone() }
    }
}

/// The sums of a table, one row for each combination of `$column`s and outcome.
macro_rules! sums {
    ($conn:expr, $filter:expr, $table:ident, $start:ident, [$($column:ident),*]) => {{
        let mut query = $table::table
            .group_by(($($table::$column,)* $table::outcome,))
            .select((
                ($($table::$column,)* $table::outcome,),
                sql::<BigInt>("CAST(SUM(count) AS BIGINT)"),
                sql::<BigInt>("CAST(SUM(latency_sum_us) AS BIGINT)"),
            ))
            .filter($table::owner_id.eq($filter.owner.to_string()))
            .filter($table::$start.ge($filter.period.from().as_micros()))
            .filter($table::$start.lt($filter.period.until().as_micros()))
            .into_boxed();
        if let Some(credential) = $filter.credential {
            query = query.filter($table::credential_id.eq(credential.to_string()));
        }
        if let Some(route) = &$filter.route {
            query = query.filter($table::route.eq(route.clone()));
        }
        if let Some(outcome) = $filter.outcome {
            query = query.filter($table::outcome.eq(outcome.as_str()));
        }
        query.load($conn)?
    }};
}

/// Tallies by what the rows tell apart beside the outcome.
fn tallies<K: Eq + Hash>(
    rows: impl IntoIterator<Item = (K, String, i64, i64)>,
) -> Result<HashMap<K, Tally>, StoreError> {
    let mut found = HashMap::<K, Tally>::new();
    for (key, outcome, calls, latency) in rows {
        let (calls, latency) = (TABLE.count("count", calls)?, TABLE.count("latency_sum_us", latency)?);
        found.entry(key).or_default().add(TABLE.parse("outcome", &outcome)?, calls, latency);
    }
    Ok(found)
}

/// The tallies with the most calls first.
fn ranked<K: Ord>(found: HashMap<K, Tally>) -> Vec<(K, Tally)> {
    let mut all: Vec<_> = found.into_iter().collect();
    all.sort_unstable_by(|(a, left), (b, right)| right.total().cmp(&left.total()).then_with(|| a.cmp(b)));
    all
}

/// All calls together.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn totals(conn: &mut Conn, filter: &UsageFilter) -> Result<Tally, StoreError> {
    let rows: Vec<((String,), i64, i64)> = match filter.period.grain() {
        Grain::Hour => sums!(conn, filter, usage_counts, bucket, []),
        Grain::Day => sums!(conn, filter, usage_days, day, []),
    };
    let found = tallies(rows.into_iter().map(|((outcome,), calls, latency)| ((), outcome, calls, latency)))?;
    Ok(found.into_values().next().unwrap_or_default())
}

/// One tally for each bucket of the period, in order.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn series(conn: &mut Conn, filter: &UsageFilter) -> Result<Vec<Tally>, StoreError> {
    let rows: Vec<((i64, String), i64, i64)> = match filter.period.grain() {
        Grain::Hour => sums!(conn, filter, usage_counts, bucket, [bucket]),
        Grain::Day => sums!(conn, filter, usage_days, day, [day]),
    };
    let found =
        tallies(rows.into_iter().map(|((start, outcome), calls, latency)| (start, outcome, calls, latency)))?;
    let of = |start: Timestamp| found.get(&start.as_micros()).copied().unwrap_or_default();
    Ok(filter.period.starts().map(of).collect())
}

/// By credential, the busiest first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn by_credential(conn: &mut Conn, filter: &UsageFilter) -> Result<Vec<(EntityId, Tally)>, StoreError> {
    let rows: Vec<((String, String), i64, i64)> = match filter.period.grain() {
        Grain::Hour => sums!(conn, filter, usage_counts, bucket, [credential_id]),
        Grain::Day => sums!(conn, filter, usage_days, day, [credential_id]),
    };
    let found =
        tallies(rows.into_iter().map(|((id, outcome), calls, latency)| (id, outcome, calls, latency)))?;
    let read = |(id, tally): (String, Tally)| Ok((TABLE.parse("credential_id", &id)?, tally));
    ranked(found).into_iter().map(read).collect()
}

/// A route of an API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The API's audience.
    pub audience: String,
    /// The route's pattern; empty where no route was found.
    pub route: String,
}

/// By route, the busiest first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn by_route(conn: &mut Conn, filter: &UsageFilter) -> Result<Vec<(Route, Tally)>, StoreError> {
    let rows: Vec<((String, String, String), i64, i64)> = match filter.period.grain() {
        Grain::Hour => sums!(conn, filter, usage_counts, bucket, [audience, route]),
        Grain::Day => sums!(conn, filter, usage_days, day, [audience, route]),
    };
    let keyed = rows.into_iter().map(|((audience, route, outcome), calls, latency)| {
        (Route { audience, route }, outcome, calls, latency)
    });
    Ok(ranked(tallies(keyed)?))
}

/// The finest that is kept of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    /// Where its bucket begins.
    pub start: Timestamp,
    /// The credential.
    pub credential: EntityId,
    /// What was called.
    pub route: Route,
    /// How the calls ended.
    pub outcome: Outcome,
    /// How many.
    pub calls: u64,
    /// The sum of their latencies in microseconds.
    pub latency_sum_us: u64,
}

type LineRow = (i64, String, String, String, String, i64, i64);

/// The counts as they are kept, the newest first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn lines(conn: &mut Conn, filter: &UsageFilter, limit: u32) -> Result<Vec<UsageLine>, StoreError> {
    macro_rules! rows {
        ($table:ident, $start:ident) => {{
            use $table::{audience, count, credential_id, latency_sum_us, outcome, owner_id, route, $start};
            let mut query = $table::table
                .select(($start, credential_id, audience, route, outcome, count, latency_sum_us))
                .filter(owner_id.eq(filter.owner.to_string()))
                .filter($start.ge(filter.period.from().as_micros()))
                .filter($start.lt(filter.period.until().as_micros()))
                .order(($start.desc(), credential_id, audience, route, outcome))
                .limit(i64::from(limit))
                .into_boxed();
            if let Some(one) = filter.credential {
                query = query.filter(credential_id.eq(one.to_string()));
            }
            if let Some(one) = &filter.route {
                query = query.filter(route.eq(one.clone()));
            }
            if let Some(one) = filter.outcome {
                query = query.filter(outcome.eq(one.as_str()));
            }
            query.load::<LineRow>(conn)?
        }};
    }
    let rows = match filter.period.grain() {
        Grain::Hour => rows!(usage_counts, bucket),
        Grain::Day => rows!(usage_days, day),
    };
    let line = |(start, credential, audience, route, outcome, calls, latency): LineRow| {
        Ok(UsageLine {
            start: time(start),
            credential: TABLE.parse("credential_id", &credential)?,
            route: Route { audience, route },
            outcome: TABLE.parse("outcome", &outcome)?,
            calls: TABLE.count("count", calls)?,
            latency_sum_us: TABLE.count("latency_sum_us", latency)?,
        })
    };
    rows.into_iter().map(line).collect()
}

/// The last [`SPARK_DAYS`] days of each of `ids`, today last; those without a call are left out.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn sparklines(
    conn: &mut Conn,
    owner: OwnerId,
    ids: &[EntityId],
    now: Timestamp,
) -> Result<HashMap<EntityId, Vec<Tally>>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let period = Period::ending(now, Grain::Day, SPARK_DAYS);
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, i64, String, i64, i64)> = usage_days::table
        .filter(usage_days::credential_id.eq_any(names).and(usage_days::owner_id.eq(owner.to_string())))
        .filter(
            usage_days::day.ge(period.from().as_micros()).and(usage_days::day.lt(period.until().as_micros())),
        )
        .group_by((usage_days::credential_id, usage_days::day, usage_days::outcome))
        .select((
            usage_days::credential_id,
            usage_days::day,
            usage_days::outcome,
            sql::<BigInt>("CAST(SUM(count) AS BIGINT)"),
            sql::<BigInt>("CAST(SUM(latency_sum_us) AS BIGINT)"),
        ))
        .load(conn)?;
    let keyed =
        rows.into_iter().map(|(id, day, outcome, calls, latency)| ((id, day), outcome, calls, latency));
    let mut lines = HashMap::new();
    for ((id, day), tally) in tallies(keyed)? {
        let id: EntityId = TABLE.parse("credential_id", &id)?;
        let line = lines.entry(id).or_insert_with(|| vec![Tally::default(); usize::from(SPARK_DAYS)]);
        let days = time(day).since(period.from()).as_micros() / Grain::Day.span().as_micros();
        if let Some(slot) = usize::try_from(days).ok().and_then(|n| line.get_mut(n)) {
            *slot = tally;
        }
    }
    Ok(lines)
}

/// Deletes the oldest hour, if it begins `before` or earlier. Answers how many rows there were.
pub(crate) fn delete_oldest_hour(conn: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    let oldest: Option<i64> = usage_counts::table
        .filter(usage_counts::bucket.le(before.as_micros()))
        .select(diesel::dsl::min(usage_counts::bucket))
        .get_result(conn)?;
    let Some(oldest) = oldest else { return Ok(0) };
    Ok(diesel::delete(usage_counts::table.filter(usage_counts::bucket.eq(oldest))).execute(conn)?)
}

/// The same of the oldest day.
pub(crate) fn delete_oldest_day(conn: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    let oldest: Option<i64> = usage_days::table
        .filter(usage_days::day.le(before.as_micros()))
        .select(diesel::dsl::min(usage_days::day))
        .get_result(conn)?;
    let Some(oldest) = oldest else { return Ok(0) };
    Ok(diesel::delete(usage_days::table.filter(usage_days::day.eq(oldest))).execute(conn)?)
}

#[cfg(test)]
mod tests;
