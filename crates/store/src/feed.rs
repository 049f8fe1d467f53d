//! The change feed: appended at the end of a transaction, read by position.
//!
//! Positions come from one counter row that is raised at the end of the transaction, so they are dense and in the
//! order of commits: whoever waits for the counter's lock commits later.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::change::{Change, Effect, Epoch, FeedHead, FeedPage, FeedSnapshot, NewChange, Position};
use keyway_core::ids::EntityId;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{feed, feed_head};
use crate::types::{Table, stored_count, time};

const FEED: Table = Table("feed");
const HEAD: Table = Table("feed_head");

/// The most changes in one page.
pub const MAX_PAGE: u32 = 1_000;

#[derive(Queryable)]
struct Row {
    position: i64,
    kind: String,
    id: String,
    effect: String,
    relevant_until: i64,
    _created_at: i64,
}

impl TryFrom<Row> for Change {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            position: Position(FEED.count("position", row.position)?),
            kind: FEED.parse("kind", &row.kind)?,
            id: FEED.parse("id", &row.id)?,
            effect: FEED.parse("effect", &row.effect)?,
            relevant_until: time(row.relevant_until),
        })
    }
}

/// Gives `changes` their places. Must be the last thing before COMMIT: from here on the counter's row is locked.
pub(crate) fn append(conn: &mut Conn, changes: &[NewChange], now: Timestamp) -> Result<Position, StoreError> {
    let count = stored_count(changes.len() as u64);
    let last: i64 = diesel::update(feed_head::table.find(1))
        .set(feed_head::position.eq(feed_head::position + count))
        .returning(feed_head::position)
        .get_result(conn)?;
    for (position, change) in (last - count + 1..).zip(changes) {
        diesel::insert_into(feed::table)
            .values((
                feed::position.eq(position),
                feed::kind.eq(change.kind.as_str()),
                feed::id.eq(change.id.to_string()),
                feed::effect.eq(change.effect.as_str()),
                feed::relevant_until.eq(change.relevant_until.as_micros()),
                feed::created_at.eq(now.as_micros()),
            ))
            .execute(conn)?;
    }
    Ok(Position(HEAD.count("position", last)?))
}

/// Where the feed stands.
///
/// # Errors
/// When the row is missing or the statement fails.
pub fn head(conn: &mut Conn) -> Result<FeedHead, StoreError> {
    let row: Option<(String, i64, i64)> = feed_head::table
        .find(1)
        .select((feed_head::epoch, feed_head::position, feed_head::tail))
        .get_result(conn)
        .optional()?;
    let (epoch, position, tail) = row.ok_or(HEAD.inconsistent("id"))?;
    Ok(FeedHead {
        epoch: Epoch(epoch),
        head: Position(HEAD.count("position", position)?),
        tail: Position(HEAD.count("tail", tail)?),
    })
}

/// The changes after `after`, at most `limit` ([`MAX_PAGE`]) of them, with where the feed stood.
///
/// Without changes if the cursor is of no use: of another epoch, ahead of the head, or behind the tail. Whoever asked
/// sees that in [`FeedPage::at`] and starts over with [`snapshot`].
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn page_after(
    conn: &mut Conn,
    epoch: &Epoch,
    after: Position,
    limit: u32,
) -> Result<FeedPage, StoreError> {
    // The head first: rows committed in between are left for the next page.
    let at = head(conn)?;
    if at.epoch != *epoch || after >= at.head || after < at.tail {
        return Ok(FeedPage { at, changes: Vec::new() });
    }
    let rows: Vec<Row> = feed::table
        .filter(feed::position.gt(stored_count(after.0)).and(feed::position.le(stored_count(at.head.0))))
        .order(feed::position)
        .limit(i64::from(limit.clamp(1, MAX_PAGE)))
        .load(conn)?;
    let changes = rows.into_iter().map(Change::try_from).collect::<Result<Vec<_>, _>>()?;
    let dense = (after.0 + 1..).zip(&changes).all(|(position, change)| change.position.0 == position);
    if !dense || changes.is_empty() {
        // Housekeeping has cut the feed since the head was read; the tail tells.
        return Ok(FeedPage { at: head(conn)?, changes: Vec::new() });
    }
    Ok(FeedPage { at, changes })
}

/// Everything taken away that still matters at `now`, for a guard that starts from nothing.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn snapshot(conn: &mut Conn, now: Timestamp) -> Result<FeedSnapshot, StoreError> {
    // The head first: what is committed in between is in the rows and comes again after the head, never neither.
    let at = head(conn)?;
    let rows: Vec<Row> = feed::table
        .filter(feed::effect.eq(Effect::Ended.as_str()).and(feed::relevant_until.gt(now.as_micros())))
        .order(feed::position)
        .load(conn)?;
    Ok(FeedSnapshot { at, ended: rows.into_iter().map(Change::try_from).collect::<Result<_, _>>()? })
}

/// Whether any of `ids` lost something after `position`. What this tells of an access token holds for its whole
/// life: rows stay as long as anything issued before them could be in time.
///
/// # Errors
/// When the statement fails.
pub fn ended_after(conn: &mut Conn, ids: &[EntityId], position: Position) -> Result<bool, StoreError> {
    let ids = ids.iter().map(ToString::to_string);
    let ended = feed::table
        .filter(feed::id.eq_any(ids).and(feed::effect.eq(Effect::Ended.as_str())))
        .filter(feed::position.gt(stored_count(position.0)));
    Ok(ended.select(feed::position).first::<i64>(conn).optional()?.is_some())
}

/// Whether a JWT issued at `position` with `ids` in its line has ended. One that was issued before a row that is gone
/// was past its time when the row went, whatever a clock that was set back says.
///
/// # Errors
/// When a statement fails.
pub fn jwt_ended(conn: &mut Conn, ids: &[EntityId], position: Position) -> Result<bool, StoreError> {
    Ok(position < head(conn)?.tail || ended_after(conn, ids, position)?)
}

/// Whether any of `ids` lost something at `since` or later.
///
/// # Errors
/// When the statement fails.
pub fn ended_since(conn: &mut Conn, ids: &[EntityId], since: Timestamp) -> Result<bool, StoreError> {
    if ids.is_empty() {
        return Ok(false);
    }
    let ids = ids.iter().map(ToString::to_string);
    let ended = feed::table
        .filter(feed::id.eq_any(ids).and(feed::effect.eq(Effect::Ended.as_str())))
        .filter(feed::created_at.ge(since.as_micros()));
    Ok(ended.select(feed::position).first::<i64>(conn).optional()?.is_some())
}

/// Begins another epoch, as a restore must: every cursor into the old one is of no use from here on.
///
/// # Errors
/// When the statement fails.
pub fn begin_epoch(conn: &mut Conn, epoch: &Epoch) -> Result<(), StoreError> {
    diesel::update(feed_head::table.find(1)).set(feed_head::epoch.eq(&epoch.0)).execute(conn)?;
    Ok(())
}

/// Drops up to `limit` changes from the beginning that no longer matter at `now`, and raises the tail to the last
/// of them. Only a prefix goes: what stands after a change that still matters is kept, so that the feed has no gaps.
pub(crate) fn cut(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let at = head(conn)?;
    let tail = stored_count(at.tail.0);
    let first_kept: Option<i64> = feed::table
        .filter(feed::relevant_until.gt(now.as_micros()))
        .select(diesel::dsl::min(feed::position))
        .get_result(conn)?;
    let keep_from = first_kept.unwrap_or_else(|| stored_count(at.head.0).saturating_add(1));
    let new_tail = keep_from.saturating_sub(1).min(tail.saturating_add(limit));
    if new_tail <= tail {
        return Ok(0);
    }
    diesel::update(feed_head::table.find(1)).set(feed_head::tail.eq(new_tail)).execute(conn)?;
    Ok(diesel::delete(feed::table.filter(feed::position.le(new_tail))).execute(conn)?)
}
