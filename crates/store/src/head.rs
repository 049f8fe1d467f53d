//! Where the feed stands, as this process knows it: one atomic that is never behind an answered write.

use std::sync::atomic::{AtomicU64, Ordering};

use keyway_core::change::{Epoch, Position};
use keyway_core::clock::Monotonic;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The newest committed position and those who wait for it to rise.
#[derive(Debug)]
pub(crate) struct Head {
    position: AtomicU64,
    /// When the database last said so itself, in nanoseconds of the monotonic clock.
    seen_at: AtomicU64,
    epoch: Mutex<Epoch>,
    rose: watch::Sender<Position>,
}

impl Head {
    pub(crate) fn new(epoch: Epoch, position: Position, seen_at: Monotonic) -> Self {
        Self {
            position: AtomicU64::new(position.0),
            seen_at: AtomicU64::new(seen_at.0),
            epoch: Mutex::new(epoch),
            rose: watch::Sender::new(position),
        }
    }
    pub(crate) fn position(&self) -> Position {
        Position(self.position.load(Ordering::SeqCst))
    }
    pub(crate) fn seen_at(&self) -> Monotonic {
        Monotonic(self.seen_at.load(Ordering::SeqCst))
    }
    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.rose.subscribe()
    }
    /// A write of this process has been committed up to `position`.
    pub(crate) fn committed(&self, position: Position) {
        if self.position.fetch_max(position.0, Ordering::SeqCst) < position.0 {
            self.tell();
        }
    }
    /// The database was read. In another epoch positions begin anew and may be lower.
    pub(crate) fn seen(&self, epoch: &Epoch, position: Position, at: Monotonic) {
        let mut known = self.epoch.lock();
        if *known == *epoch {
            drop(known);
            self.committed(position);
        } else {
            *known = epoch.clone();
            self.position.store(position.0, Ordering::SeqCst);
            drop(known);
            self.tell();
        }
        self.confirmed(at);
    }
    /// The database was asked, and nothing had been committed since it was last read.
    pub(crate) fn confirmed(&self, at: Monotonic) {
        self.seen_at.fetch_max(at.0, Ordering::SeqCst);
    }
    /// Wakes every waiter; each then reads the atomic or the feed itself.
    fn tell(&self) {
        self.rose.send_replace(self.position());
    }
}
