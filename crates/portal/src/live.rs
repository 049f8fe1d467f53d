//! Pages that follow along: who listens, and telling them that something changed.
//!
//! One look at the database a second serves all listeners of this process, wherever the change came from; without a
//! listener there is none. Told is only that something changed: a page fetches itself again to see what. Who is slow
//! misses nothing but what was overtaken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::live::{self, Standing};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::session::IDLE;
use crate::state::Portal;

/// The most listeners of one browser session: tabs.
pub const PER_SESSION: usize = 6;
/// The most listeners of one person, in all their browsers.
pub const PER_PERSON: usize = 30;
/// The most listeners of this process.
const ALL: usize = 2_000;
/// After this a listener has to come again, and show again that it may.
const LONGEST: Duration = Duration::minutes(15);
/// How often is looked.
const ROUND: std::time::Duration = std::time::Duration::from_secs(1);

/// Who listens.
#[derive(Default)]
pub struct Listeners {
    listening: Mutex<HashMap<u64, Listener>>,
    next: AtomicU64,
    some: Notify,
}

struct Listener {
    session: SessionId,
    /// Who is signed in.
    person: OwnerId,
    /// Whose things it follows; everybody's if absent.
    owner: Option<OwnerId>,
    since: Timestamp,
    /// None before the first look.
    standing: watch::Sender<Option<Standing>>,
}

/// A place among the listeners, given up when dropped.
pub struct Seat {
    portal: Arc<Portal>,
    number: u64,
    /// Where things stand; ends with the session.
    pub standing: watch::Receiver<Option<Standing>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.portal.live.listening.lock().remove(&self.number);
    }
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Begins to listen in `session` of `person` to what happens to `owner`'s things, or to everybody's.
///
/// # Errors
/// When the process has listeners enough. In a session that has, and of a person who has, the oldest is sent away: a
/// page that was left is often noticed late.
pub fn listen(
    portal: &Arc<Portal>,
    session: SessionId,
    person: OwnerId,
    owner: Option<OwnerId>,
) -> Result<Seat, Full> {
    let hub = &portal.live;
    let mut listening = hub.listening.lock();
    make_room(&mut listening, PER_SESSION, |listener| listener.session == session);
    make_room(&mut listening, PER_PERSON, |listener| listener.person == person);
    if listening.len() >= ALL {
        return Err(Full);
    }
    let (sender, standing) = watch::channel(None);
    let number = hub.next.fetch_add(1, Ordering::Relaxed);
    listening.insert(number, Listener { session, person, owner, since: portal.now(), standing: sender });
    hub.some.notify_one();
    Ok(Seat { portal: Arc::clone(portal), number, standing })
}

/// Sends the oldest of `these` away when there are `most`.
fn make_room(listening: &mut HashMap<u64, Listener>, most: usize, these: impl Fn(&Listener) -> bool) {
    let own = listening.iter().filter(|(_, listener)| these(listener)).map(|(number, _)| *number);
    let own: Vec<u64> = own.collect();
    if own.len() >= most
        && let Some(oldest) = own.iter().min()
    {
        listening.remove(oldest);
    }
}

impl Listeners {
    /// Sends all of them away.
    pub fn close(&self) {
        self.listening.lock().clear();
    }

    fn asked(&self) -> (Vec<OwnerId>, Vec<SessionId>) {
        let listening = self.listening.lock();
        let mut owners: Vec<OwnerId> = listening.values().filter_map(|listener| listener.owner).collect();
        let mut sessions: Vec<SessionId> = listening.values().map(|listener| listener.session).collect();
        owners.sort_unstable();
        owners.dedup();
        sessions.sort_unstable();
        sessions.dedup();
        (owners, sessions)
    }
}

/// Looks once, and tells the listeners what differs. Whose session has ended, or is idle, is sent away. Whether anybody listens.
///
/// # Errors
/// When the database cannot answer.
pub async fn look(portal: &Portal) -> Result<bool, StoreError> {
    let (owners, sessions) = portal.live.asked();
    if sessions.is_empty() {
        return Ok(false);
    }
    let now = portal.now();
    let asked = sessions.clone();
    let found =
        portal.store.read(move |conn| live::standings(conn, &owners, &asked, now - IDLE, now)).await?;
    portal.live.listening.lock().retain(|_, listener| {
        let new = found.of(listener.owner);
        listener.standing.send_if_modified(|standing| standing.replace(new) != Some(new));
        // Who came while this was asked is not among the answers.
        let known = sessions.binary_search(&listener.session).is_ok();
        let ended = known && !found.sessions.contains(&listener.session);
        !ended && now.since(listener.since) < LONGEST
    });
    Ok(true)
}

/// Looks once a second as long as anybody listens, until the future is dropped.
pub async fn keep_looking(portal: Arc<Portal>) {
    loop {
        match look(&portal).await {
            Ok(true) => tokio::time::sleep(ROUND).await,
            Ok(false) => portal.live.some.notified().await,
            Err(error) => {
                tracing::warn!(%error, "live pages do not follow");
                tokio::time::sleep(ROUND).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
