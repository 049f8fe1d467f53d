//! Notices what other processes change: one thread, one connection of its own, one cheap question at a time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyway_core::Clock;
use parking_lot::Mutex;

use crate::conn::{Conn, DatabaseUrl, Role};
use crate::error::StoreError;
use crate::feed;
use crate::head::Head;

/// SQLite is asked whether anything was committed elsewhere; that costs microseconds and no transaction.
const SQLITE_EVERY: Duration = Duration::from_millis(50);
/// PostgreSQL is asked for the counter's row.
const POSTGRES_EVERY: Duration = Duration::from_millis(250);

/// The thread's handle.
pub(crate) struct Watcher {
    stop: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watcher {
    /// Starts the thread.
    pub(crate) fn start(
        url: DatabaseUrl,
        head: Arc<Head>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("store-watcher".into())
            .spawn(move || watch(&url, &head, &*clock, &stopped))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }
    /// Ends the thread. Blocks until then.
    pub(crate) fn close(&self) {
        drop(self.stop.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the feed's watcher ended in a panic");
        }
    }
}

fn watch(url: &DatabaseUrl, head: &Head, clock: &dyn Clock, stopped: &Receiver<()>) {
    let every = if url.is_sqlite() { SQLITE_EVERY } else { POSTGRES_EVERY };
    let mut line = None;
    let mut failing = false;
    loop {
        let asked = look(url, head, clock, &mut line);
        if let Err(error) = &asked {
            line = None;
            if !failing {
                tracing::warn!(%error, "the change feed cannot be followed");
            }
        } else if failing {
            tracing::info!("the change feed is followed again");
        }
        failing = asked.is_err();
        match stopped.recv_timeout(every) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A connection and SQLite's number for what it last saw.
struct Line {
    conn: Conn,
    data_version: Option<i64>,
}

fn look(
    url: &DatabaseUrl,
    head: &Head,
    clock: &dyn Clock,
    line: &mut Option<Line>,
) -> Result<(), StoreError> {
    let line = match line {
        Some(line) => line,
        None => line.insert(Line { conn: url.connect(Role::Reader)?, data_version: None }),
    };
    // Taken before the question: the answer is at least as new.
    let at = clock.monotonic();
    let data_version = match &mut line.conn {
        Conn::Sqlite(conn) => Some(data_version(conn)?),
        Conn::Postgres(_) => None,
    };
    if data_version.is_some() && data_version == line.data_version {
        head.confirmed(at);
        return Ok(());
    }
    // The number was read first: a commit in between is noticed the next time.
    let stands = feed::head(&mut line.conn)?;
    line.data_version = data_version;
    head.seen(&stands.epoch, stands.head, at);
    Ok(())
}

#[derive(QueryableByName)]
struct DataVersion {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

fn data_version(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row: DataVersion = diesel::sql_query("PRAGMA data_version").get_result(conn)?;
    Ok(row.data_version)
}
