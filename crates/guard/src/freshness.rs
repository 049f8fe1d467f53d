//! Whether what is known is still good. Decided at every read, by what the feed has said since.
//!
//! Every applied page of changes raises a tick that is this guard's own. What is cached carries the tick at which it
//! was last known to be good; it still is, unless one of its ids has changed at a later tick.

use std::collections::{HashMap, VecDeque};

use keyway_core::Timestamp;
use keyway_core::change::{Change, Effect, Epoch, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::{Duration, Monotonic};
use keyway_core::ids::EntityId;

use crate::sync::{AtomicU64, Ordering, RwLock};

/// A moment in this guard's own count of applied pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

/// Until which tick something is known to be good.
#[derive(Debug)]
pub(crate) struct Stamp(AtomicU64);

impl Stamp {
    /// Known as of `tick`, which was read *before* the look-up began.
    pub(crate) fn at(tick: Tick) -> Self {
        Self(AtomicU64::new(tick.0))
    }
}

/// Whether something was ended after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Yes,
    No,
    /// The set is not complete: ask.
    Unknown,
}

/// The feed cannot be followed from here: start over from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartOver;

/// What the feed has told.
#[derive(Debug)]
pub(crate) struct Freshness {
    tick: AtomicU64,
    position: AtomicU64,
    /// When the feed's head was last seen to be where this guard is: nanoseconds + 1; 0 is never.
    seen_at: AtomicU64,
    view: RwLock<View>,
    max_recent: usize,
    max_ended: usize,
    #[cfg(all(test, feature = "shuttle"))]
    pub(crate) fault: std::sync::OnceLock<crate::sync::Fault>,
}

#[derive(Debug, Default)]
struct View {
    epoch: Option<Epoch>,
    /// What was known before this tick is stale: rows about it may have been dropped from `recent`.
    floor: u64,
    recent: HashMap<EntityId, u64>,
    order: VecDeque<(EntityId, u64)>,
    ended: HashMap<EntityId, (Position, Timestamp)>,
    /// The newest position that was taken out of `ended`. What was issued before it was past its time then.
    forgotten: Position,
    complete: bool,
}

impl Freshness {
    /// Knows nothing yet.
    pub(crate) fn new(max_recent: usize, max_ended: usize) -> Self {
        Self {
            tick: AtomicU64::new(0),
            position: AtomicU64::new(0),
            seen_at: AtomicU64::new(0),
            view: RwLock::default(),
            max_recent,
            max_ended,
            #[cfg(all(test, feature = "shuttle"))]
            fault: std::sync::OnceLock::new(),
        }
    }

    /// The tick that a look-up about to begin will be good as of.
    pub(crate) fn now(&self) -> Tick {
        Tick(self.tick.load(Ordering::Acquire))
    }

    /// The feed's position that has been applied.
    pub(crate) fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// From where the feed is to be followed; `None` before the first snapshot.
    pub(crate) fn cursor(&self) -> Option<(Epoch, Position)> {
        let view = self.view.read();
        view.epoch.clone().map(|epoch| (epoch, self.position()))
    }

    /// Whether the feed's head was seen within `max_staleness` before `now`.
    pub(crate) fn is_current(&self, now: Monotonic, max_staleness: Duration) -> bool {
        let seen_at = self.seen_at.load(Ordering::Acquire);
        let limit = u64::try_from(max_staleness.as_micros()).unwrap_or(0).saturating_mul(1_000);
        seen_at != 0 && now.nanos_since(Monotonic(seen_at - 1)) <= limit
    }

    /// Whether what was stamped is still good: nothing about `ids` has changed since. One load in the usual case.
    pub(crate) fn is_good(&self, stamp: &Stamp, ids: impl IntoIterator<Item = EntityId>) -> bool {
        #[cfg(all(test, feature = "shuttle"))]
        if self.fault.get() == Some(&crate::sync::Fault::Removed) {
            return true;
        }
        let known = stamp.0.load(Ordering::Acquire);
        if known >= self.tick.load(Ordering::Acquire) {
            return true;
        }
        let view = self.view.read();
        if known < view.floor || ids.into_iter().any(|id| view.recent.get(&id).is_some_and(|at| *at > known))
        {
            return false;
        }
        // Under the lock the tick stands still.
        stamp.0.fetch_max(self.tick.load(Ordering::Acquire), Ordering::AcqRel);
        true
    }

    /// Whether one of `ids` was ended after `since`.
    pub(crate) fn ended(&self, ids: impl IntoIterator<Item = EntityId>, since: Position) -> Ended {
        let view = self.view.read();
        if ids.into_iter().any(|id| view.ended.get(&id).is_some_and(|(at, _)| *at > since)) {
            return Ended::Yes;
        }
        // A clock that was set back makes the past valid again; what it tells is then for the source to say.
        if view.complete && since >= view.forgotten { Ended::No } else { Ended::Unknown }
    }

    /// Applies a page: of the changes after `after`, asked for at `asked_at`. What has been applied since is skipped.
    pub(crate) fn apply(
        &self,
        page: &FeedPage,
        after: Position,
        asked_at: Monotonic,
    ) -> Result<(), StartOver> {
        let mut view = self.view.write();
        let mut position = self.position();
        let at = &page.at;
        if view.epoch.as_ref() != Some(&at.epoch) || at.head < after || at.tail > position {
            return Err(StartOver);
        }
        let applied = position;
        let new = page.changes.iter().filter(|change| change.position > applied);
        if new.clone().next().is_some() {
            let tick = self.tick.load(Ordering::Acquire) + 1;
            for change in new {
                if change.position.0 != position.0 + 1 {
                    return Err(StartOver);
                }
                position = change.position;
                view.note(change, tick, self.max_recent, self.max_ended);
            }
            // The tick first: who sees the position must not take an older stamp for good.
            self.tick.store(tick, Ordering::Release);
            self.position.store(position.0, Ordering::Release);
        }
        drop(view);
        if at.head == position {
            self.see(asked_at);
        }
        Ok(())
    }

    /// Starts from a snapshot that was asked for at `asked_at`. Whatever was known before is stale.
    pub(crate) fn start_over(&self, snapshot: &FeedSnapshot, asked_at: Monotonic) {
        let mut view = self.view.write();
        let tick = self.tick.load(Ordering::Acquire) + 1;
        *view = View {
            epoch: Some(snapshot.at.epoch.clone()),
            floor: tick,
            complete: true,
            forgotten: snapshot.at.tail,
            ..View::default()
        };
        for change in &snapshot.ended {
            view.end(change, self.max_ended);
        }
        self.tick.store(tick, Ordering::Release);
        self.position.store(snapshot.at.head.0, Ordering::Release);
        drop(view);
        self.see(asked_at);
    }

    /// Forgets what no longer matters at `now`. Answers whether the set of what was ended is complete.
    pub(crate) fn prune(&self, now: Timestamp) -> bool {
        let mut view = self.view.write();
        let View { ended, forgotten, .. } = &mut *view;
        ended.retain(|_, (position, relevant_until)| {
            let matters = *relevant_until > now;
            if !matters {
                *forgotten = (*forgotten).max(*position);
            }
            matters
        });
        view.complete
    }

    /// How many recent changes and ended ids are held.
    pub(crate) fn held(&self) -> (usize, usize) {
        let view = self.view.read();
        (view.order.len(), view.ended.len())
    }

    fn see(&self, at: Monotonic) {
        self.seen_at.fetch_max(at.0.saturating_add(1), Ordering::AcqRel);
    }
}

impl View {
    fn note(&mut self, change: &Change, tick: u64, max_recent: usize, max_ended: usize) {
        self.recent.insert(change.id, tick);
        self.order.push_back((change.id, tick));
        while self.order.len() > max_recent {
            let Some((id, at)) = self.order.pop_front() else { break };
            self.floor = self.floor.max(at);
            if self.recent.get(&id) == Some(&at) {
                self.recent.remove(&id);
            }
        }
        match change.effect {
            Effect::Ended => self.end(change, max_ended),
            Effect::Changed => {}
        }
    }

    /// Never evicts: at its size limit the set is no longer complete, and JWTs are looked up.
    fn end(&mut self, change: &Change, max_ended: usize) {
        if let Some((position, until)) = self.ended.get_mut(&change.id) {
            *position = (*position).max(change.position);
            *until = (*until).max(change.relevant_until);
        } else if self.ended.len() < max_ended {
            self.ended.insert(change.id, (change.position, change.relevant_until));
        } else {
            self.complete = false;
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests;
