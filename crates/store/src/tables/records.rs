//! What guards report: hourly and daily counts, single requests, last uses, calls that count against quotas. A batch counts once.

use std::collections::HashMap;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::audience::Audience;
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::record::{Count, Record, RecordBatch};
use keyway_core::refusal::Check;
use keyway_core::usage::Grain;

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::{record_batches, request_records, usage_counts, usage_days};
use crate::tables::{access_tokens, api_keys, counted_calls, families, grants, ledger};
use crate::types::{stored_count, text_opt};

/// Stores a batch; `false` if it was stored before.
///
/// # Errors
/// When a statement fails.
pub fn store(conn: &mut Conn, batch: &RecordBatch, now: Timestamp) -> Result<bool, StoreError> {
    let new = on_either!(conn, |conn| {
        diesel::insert_into(record_batches::table)
            .values((
                record_batches::id.eq(batch.id.to_string()),
                record_batches::received_at.eq(now.as_micros()),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    if new == 0 {
        return Ok(false);
    }
    for count in &batch.counts {
        add_to_hour(conn, &batch.audience, count, Grain::Hour.begin(batch.at))?;
        add_to_day(conn, &batch.audience, count, Grain::Day.begin(batch.at))?;
    }
    for record in &batch.records {
        insert(conn, &batch.audience, record)?;
    }
    for used in &batch.last_uses {
        // Whoever calls with a connection has no row to say it in. Mostly it is a key, noted in one statement.
        if !api_keys::touch(conn, used.credential, used.at, used.address)? {
            ledger::touch(conn, used.credential, used.at, used.address)?;
        }
    }
    counted_calls::add(conn, &batch.drawn)?;
    Ok(true)
}

/// Drops from a batch what it says of credentials that are known not to be for its API, or not the named owner's: keys,
/// opaque tokens, families and consents. A JWT by itself has no row: it is taken at the reporter's word, which goes no
/// further than the reporter's own API.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn keep_own(conn: &mut Conn, batch: &mut RecordBatch) -> Result<(), StoreError> {
    let mut ids: Vec<EntityId> = batch.counts.iter().map(|count| count.credential).collect();
    ids.extend(batch.last_uses.iter().map(|used| used.credential));
    ids.extend(batch.records.iter().flat_map(|record| record.credential.into_iter().chain(record.root)));
    ids.sort_unstable();
    ids.dedup();
    let mut known = HashMap::new();
    for key in api_keys::find_among(conn, &ids)? {
        known.insert(key.id.entity(), (key.owner, key.terms.audiences.contains(&batch.audience)));
    }
    for (id, owner, audience) in access_tokens::owners_of(conn, &ids)? {
        known.insert(id, (owner, audience == batch.audience));
    }
    ids.retain(|id| !known.contains_key(id));
    for (id, owner, audience) in families::owners_of(conn, &ids)? {
        known.insert(id, (owner, audience == batch.audience));
    }
    ids.retain(|id| !known.contains_key(id));
    for (id, owner, ours) in grants::owners_of(conn, &ids, &batch.audience)? {
        known.insert(id, (owner, ours));
    }
    let own = |id: &EntityId, named: Option<OwnerId>| {
        known.get(id).is_none_or(|(owner, ours)| *ours && named.is_none_or(|named| named == *owner))
    };
    counted_calls::keep_own(conn, &batch.audience, &mut batch.drawn)?;
    batch.counts.retain(|count| own(&count.credential, Some(count.owner)));
    batch.last_uses.retain(|used| own(&used.credential, None));
    batch.records.retain(|record| {
        let mut named = record.credential.iter().chain(&record.root);
        named.all(|id| own(id, record.owner))
    });
    Ok(())
}

fn add_to_hour(
    conn: &mut Conn,
    audience: &Audience,
    count: &Count,
    hour: Timestamp,
) -> Result<(), StoreError> {
    let (calls, latency) = (stored_count(count.calls), stored_count(count.latency_sum_us));
    on_either!(conn, |conn| {
        diesel::insert_into(usage_counts::table)
            .values((
                usage_counts::credential_id.eq(count.credential.to_string()),
                usage_counts::owner_id.eq(count.owner.to_string()),
                usage_counts::audience.eq(audience.as_str()),
                usage_counts::route.eq(&*count.route),
                usage_counts::outcome.eq(count.outcome.as_str()),
                usage_counts::bucket.eq(hour.as_micros()),
                usage_counts::count.eq(calls),
                usage_counts::latency_sum_us.eq(latency),
            ))
            .on_conflict((
                usage_counts::credential_id,
                usage_counts::owner_id,
                usage_counts::audience,
                usage_counts::route,
                usage_counts::outcome,
                usage_counts::bucket,
            ))
            .do_update()
            .set((
                usage_counts::count.eq(usage_counts::count + calls),
                usage_counts::latency_sum_us.eq(usage_counts::latency_sum_us + latency),
            ))
            .execute(conn)
    })?;
    Ok(())
}

fn add_to_day(conn: &mut Conn, audience: &Audience, count: &Count, day: Timestamp) -> Result<(), StoreError> {
    let (calls, latency) = (stored_count(count.calls), stored_count(count.latency_sum_us));
    on_either!(conn, |conn| {
        diesel::insert_into(usage_days::table)
            .values((
                usage_days::owner_id.eq(count.owner.to_string()),
                usage_days::day.eq(day.as_micros()),
                usage_days::credential_id.eq(count.credential.to_string()),
                usage_days::audience.eq(audience.as_str()),
                usage_days::route.eq(&*count.route),
                usage_days::outcome.eq(count.outcome.as_str()),
                usage_days::count.eq(calls),
                usage_days::latency_sum_us.eq(latency),
            ))
            .on_conflict((
                usage_days::owner_id,
                usage_days::day,
                usage_days::credential_id,
                usage_days::audience,
                usage_days::route,
                usage_days::outcome,
            ))
            .do_update()
            .set((
                usage_days::count.eq(usage_days::count + calls),
                usage_days::latency_sum_us.eq(usage_days::latency_sum_us + latency),
            ))
            .execute(conn)
    })?;
    Ok(())
}

fn insert(conn: &mut Conn, audience: &Audience, record: &Record) -> Result<(), StoreError> {
    on_either!(conn, |conn| {
        diesel::insert_into(request_records::table)
            .values((
                request_records::id.eq(record.request.to_string()),
                request_records::at.eq(record.at.as_micros()),
                request_records::credential_id.eq(text_opt(record.credential.as_ref())),
                request_records::owner_id.eq(text_opt(record.owner.as_ref())),
                request_records::audience.eq(audience.as_str()),
                request_records::method.eq(&*record.method),
                request_records::route.eq(&*record.route),
                request_records::status.eq(i64::from(record.status)),
                request_records::check_failed.eq(record.failed.map(Check::as_str)),
                request_records::code.eq(record.code.as_deref()),
                request_records::address.eq(text_opt(record.address.as_ref())),
                request_records::latency_us.eq(i64::from(record.latency_us)),
                request_records::user_agent.eq(record.user_agent.as_deref()),
                request_records::needed.eq(record.lacked.as_ref().map(|lacked| &*lacked.needed)),
                request_records::root.eq(text_opt(record.root.or(record.credential).as_ref())),
                request_records::missing.eq(record.lacked.as_ref().map(|lacked| &*lacked.missing)),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(())
}
