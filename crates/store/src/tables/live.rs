//! What pages that follow along want to know once a second: in a few cheap statements, for all of them at once.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{exists, max};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::usage::Grain;
use keyway_core::{Duration, Timestamp};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{audit, record_batches, sessions, usage_counts};
use crate::types::Table;

const AUDIT: Table = Table("audit");
const SESSIONS: Table = Table("sessions");
const COUNTS: Table = Table("usage_counts");
/// How far back is looked. A guard's batch may be late; nothing older is news.
const WINDOW: Duration = Duration::hours(2);
/// How long a guard keeps calls to itself.
const LATE: Duration = Duration::minutes(1);

/// Where an owner's things stand. Only whether it differs from an earlier one means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// An owner's calls counted lately; of everybody, when a guard last reported, in microseconds.
    pub calls: u64,
    /// When something was last done, in microseconds.
    pub deeds: i64,
}

/// Where things stand for all who were asked about.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// Of each owner.
    pub owners: HashMap<OwnerId, Standing>,
    /// Of everybody together.
    pub everybody: Standing,
    /// The sessions that have neither ended nor been idle.
    pub sessions: HashSet<SessionId>,
}

impl Standings {
    /// Of one owner, or of everybody.
    pub fn of(&self, owner: Option<OwnerId>) -> Standing {
        match owner {
            Some(owner) => self.owners.get(&owner).copied().unwrap_or_default(),
            None => self.everybody,
        }
    }
}

/// Where things stand for `owners`, and which of `sessions` have not ended and were used after `seen_after`.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn standings(
    conn: &mut Conn,
    owners: &[OwnerId],
    sessions: &[SessionId],
    seen_after: Timestamp,
    now: Timestamp,
) -> Result<Standings, StoreError> {
    let since = (now - WINDOW).as_micros();
    let names: Vec<String> = owners.iter().map(ToString::to_string).collect();
    let mut standings = Standings::default();
    let counts: Vec<(String, i64)> = usage_counts::table
        .filter(usage_counts::owner_id.eq_any(&names).and(usage_counts::bucket.ge(since)))
        .group_by(usage_counts::owner_id)
        .select((usage_counts::owner_id, diesel::dsl::sql::<BigInt>("CAST(SUM(count) AS BIGINT)")))
        .load(conn)?;
    for (owner, calls) in counts {
        let owner = COUNTS.parse("owner_id", &owner)?;
        standings.owners.entry(owner).or_default().calls = COUNTS.count("count", calls)?;
    }
    let deeds: Vec<(Option<String>, Option<i64>)> = audit::table
        .filter(audit::owner_id.eq_any(&names).and(audit::at.ge(since)))
        .group_by(audit::owner_id)
        .select((audit::owner_id, max(audit::at)))
        .load(conn)?;
    for (owner, at) in deeds {
        if let Some(owner) = AUDIT.parse_opt("owner_id", owner.as_deref())? {
            standings.owners.entry(owner).or_default().deeds = at.unwrap_or_default();
        }
    }
    // What only grows: counts within a window may stand still while calls come as others leave it.
    let arrived: Option<i64> =
        record_batches::table.select(max(record_batches::received_at)).get_result(conn)?;
    standings.everybody.calls = u64::try_from(arrived.unwrap_or_default()).unwrap_or_default();
    let done: Option<i64> = audit::table.select(max(audit::at)).get_result(conn)?;
    standings.everybody.deeds = done.unwrap_or_default();
    let names: Vec<String> = sessions.iter().map(ToString::to_string).collect();
    let alive: Vec<String> = sessions::table
        .filter(sessions::id.eq_any(names).and(sessions::expires_at.gt(now.as_micros())))
        .filter(sessions::last_seen_at.gt(seen_after.as_micros()))
        .select(sessions::id)
        .load(conn)?;
    for id in alive {
        standings.sessions.insert(SESSIONS.parse("id", &id)?);
    }
    Ok(standings)
}

/// Whether something arrived or was done after `since`, for `owner` or, with none, for anybody. Who was away longer than
/// two hours learns of those.
///
/// # Errors
/// When a statement fails.
pub fn anything_since(
    conn: &mut Conn,
    owner: Option<OwnerId>,
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let since = since.max(now - WINDOW);
    let micros = since.as_micros();
    let arrived = record_batches::table.filter(record_batches::received_at.gt(micros));
    let done = audit::table.filter(audit::at.gt(micros));
    let Some(owner) = owner else {
        return Ok(diesel::select(exists(arrived).or(exists(done))).get_result(conn)?);
    };
    let owner = owner.to_string();
    // Counts say the hour alone: reports came, and this owner's calls are among those of the hour.
    let hour = Grain::Hour.begin(since - LATE).as_micros();
    let called =
        usage_counts::table.filter(usage_counts::owner_id.eq(&owner).and(usage_counts::bucket.ge(hour)));
    let done = done.filter(audit::owner_id.eq(&owner));
    Ok(diesel::select(exists(arrived).and(exists(called)).or(exists(done))).get_result(conn)?)
}
