//! Calls that count against daily and monthly quotas, by budget, environment and day.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::audience::Audience;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::quota::{Counted, Day, Drawn};

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::{clients, connections, counted_calls, families, grants};
use crate::tables::api_keys;
use crate::types::{Table, stored_count, time};

const TABLE: Table = Table("counted_calls");

/// Ids in one statement: SQLite takes no more than 32,766 values.
const CHUNK: usize = 1_000;

/// Whose calls of which day.
type Key = (EntityId, Environment, Day);

/// The budgets and days that `drawn` draws on, each once and always in the same order, so that two transactions never
/// wait for each other; and how many calls of each.
fn budgets(drawn: &[Drawn]) -> BTreeMap<(EntityId, &'static str, Day), u64> {
    let mut sums = BTreeMap::new();
    for one in drawn {
        for id in std::iter::once(one.root).chain(one.owner.map(OwnerId::entity)) {
            let sum: &mut u64 = sums.entry((id, one.environment.as_str(), one.day)).or_default();
            *sum = sum.saturating_add(one.calls);
        }
    }
    sums
}

/// Counts what was drawn: for its root, and for its owner where it draws on that budget too.
///
/// # Errors
/// When a statement fails.
pub fn add(conn: &mut Conn, drawn: &[Drawn]) -> Result<(), StoreError> {
    for ((id, environment, day), calls) in budgets(drawn) {
        let calls = stored_count(calls);
        on_either!(conn, |conn| {
            diesel::insert_into(counted_calls::table)
                .values((
                    counted_calls::id.eq(id.to_string()),
                    counted_calls::environment.eq(environment),
                    counted_calls::day.eq(day.start().as_micros()),
                    counted_calls::calls.eq(calls),
                ))
                .on_conflict((counted_calls::id, counted_calls::environment, counted_calls::day))
                .do_update()
                .set(counted_calls::calls.eq(counted_calls::calls + calls))
                .execute(conn)
        })?;
    }
    Ok(())
}

/// What is counted of every budget and day in `drawn`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn totals(conn: &mut Conn, drawn: &[Drawn]) -> Result<Vec<Counted>, StoreError> {
    let mut asked: Vec<Key> = Vec::new();
    for one in drawn {
        let owner = one.owner.map(OwnerId::entity);
        asked.extend([Some(one.root), owner].into_iter().flatten().map(|id| (id, one.environment, one.day)));
    }
    of(conn, &asked)
}

/// What is counted of each budget on the day named with it, and in that day's month. What a clock that ran ahead put
/// on a later day counts as well: setting it back refills nothing.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn of(conn: &mut Conn, asked: &[Key]) -> Result<Vec<Counted>, StoreError> {
    let Some(first) = asked.iter().map(|(.., day)| day.month().first_day()).min() else {
        return Ok(Vec::new());
    };
    let mut ids: Vec<String> = asked.iter().map(|(id, ..)| id.to_string()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut counts = BTreeMap::<(EntityId, &'static str), Vec<(Day, u64)>>::new();
    for ids in ids.chunks(CHUNK) {
        let rows: Vec<(String, String, i64, i64)> = counted_calls::table
            .filter(counted_calls::id.eq_any(ids).and(counted_calls::day.ge(first.start().as_micros())))
            .select((counted_calls::id, counted_calls::environment, counted_calls::day, counted_calls::calls))
            .load(conn)?;
        for (id, environment, day, calls) in rows {
            let environment: Environment = TABLE.parse("environment", &environment)?;
            let key = (TABLE.parse("id", &id)?, environment.as_str());
            let count = (Day::of(time(day)), TABLE.count("calls", calls)?);
            counts.entry(key).or_default().push(count);
        }
    }
    let mut told = Vec::with_capacity(asked.len());
    let mut seen = HashSet::with_capacity(asked.len());
    for &(id, environment, day) in asked.iter().filter(|key| seen.insert(**key)) {
        let since = |first: Day| {
            let days = counts.get(&(id, environment.as_str())).into_iter().flatten();
            days.filter(|(day, _)| *day >= first).map(|(_, calls)| calls).sum()
        };
        told.push(Counted {
            id,
            environment,
            day,
            in_day: since(day),
            in_month: since(day.month().first_day()),
        });
    }
    Ok(told)
}

/// Drops what draws on budgets that are not of the API `audience`, or not the named owner's. Each root has a row: a key,
/// a family, a client, a connection, or a consent, which draws on no owner's budget and may be for several APIs.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn keep_own(conn: &mut Conn, audience: &Audience, drawn: &mut Vec<Drawn>) -> Result<(), StoreError> {
    if drawn.is_empty() {
        return Ok(());
    }
    let roots: Vec<EntityId> = drawn.iter().map(|one| one.root).collect();
    let ids: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let mut owners = HashMap::<EntityId, Option<OwnerId>>::new();
    for key in api_keys::find_among(conn, &roots)? {
        if key.terms.audiences.contains(audience) {
            owners.insert(key.id.entity(), Some(key.owner));
        }
    }
    let of_family: Vec<(String, String)> = families::table
        .filter(families::id.eq_any(&ids).and(families::audience.eq(audience.as_str())))
        .select((families::id, families::owner_id))
        .load(conn)?;
    let of_client: Vec<(String, String)> = clients::table
        .filter(clients::id.eq_any(&ids))
        .select((clients::id, clients::owner_id))
        .load(conn)?;
    let of_connection: Vec<(String, String)> = connections::table
        .filter(connections::id.eq_any(&ids))
        .select((connections::id, connections::owner_id))
        .load(conn)?;
    for (id, owner) in of_family.into_iter().chain(of_client).chain(of_connection) {
        owners.insert(TABLE.parse("id", &id)?, Some(TABLE.parse("owner_id", &owner)?));
    }
    let consents: Vec<String> =
        grants::table.filter(grants::id.eq_any(&ids)).select(grants::id).load(conn)?;
    for id in consents {
        owners.insert(TABLE.parse("id", &id)?, None);
    }
    drawn.retain(|one| owners.get(&one.root).is_some_and(|owner| *owner == one.owner));
    Ok(())
}

/// Deletes the counts of the oldest day, if it is `before` or earlier. Answers how many there were.
///
/// # Errors
/// When a statement fails.
pub fn delete_oldest(conn: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    let oldest: Option<i64> = counted_calls::table
        .filter(counted_calls::day.le(before.as_micros()))
        .select(diesel::dsl::min(counted_calls::day))
        .get_result(conn)?;
    let Some(oldest) = oldest else { return Ok(0) };
    Ok(diesel::delete(counted_calls::table.filter(counted_calls::day.eq(oldest))).execute(conn)?)
}
