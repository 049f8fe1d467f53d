//! The ways in: [`Store::read`] and [`Store::write`]. The hop to a blocking thread is here and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::Clock;
use keyway_core::change::Position;
use keyway_core::clock::Monotonic;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::conn::{Conn, DatabaseUrl, Manager, Role};
use crate::error::StoreError;
use crate::head::Head;
use crate::tx::Tx;
use crate::watch::Watcher;
use crate::writer::{self, Writer};
use crate::{feed, migrate};

/// How the store is to be opened.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// Connections in the pool: of SQLite's readers, of PostgreSQL's readers and writers together.
    pub connections: u32,
    /// The most writes that wait on SQLite.
    pub write_queue: usize,
    /// How long a call waits for a connection before it is refused as busy.
    pub wait: Duration,
}

impl StoreConfig {
    /// With 8 connections, 4,096 waiting writes and 2 seconds of waiting.
    pub const fn new(url: DatabaseUrl) -> Self {
        Self { url, connections: 8, write_queue: 4_096, wait: Duration::from_secs(2) }
    }
}

/// The database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    config: StoreConfig,
    pool: r2d2::Pool<Manager>,
    permits: Arc<Semaphore>,
    /// SQLite's; on PostgreSQL writes go through the pool.
    writer: Option<Writer>,
    watcher: Watcher,
    head: Arc<Head>,
    clock: Arc<dyn Clock>,
    #[cfg(any(test, feature = "testing"))]
    statements: crate::testing::Statements,
}

impl Store {
    /// Opens a migrated database. Blocks; meant for the start of a process.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when migrations are missing or unknown ones have been applied,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        migrate::require_current(&config.url)?;
        let pooled = if config.url.is_sqlite() { Role::Reader } else { Role::Writer };
        let seen_at = clock.monotonic();
        let stands = feed::head(&mut config.url.connect(pooled)?)?;
        let head = Arc::new(Head::new(stands.epoch, stands.head, seen_at));
        let writer = if config.url.is_sqlite() {
            let (url, queue) = (config.url.clone(), config.write_queue);
            Some(Writer::start(url, queue, Arc::clone(&head), Arc::clone(&clock))?)
        } else {
            None
        };
        #[cfg(any(test, feature = "testing"))]
        let statements = crate::testing::Statements::default();
        let pool = r2d2::Pool::builder()
            .max_size(config.connections)
            .min_idle(Some(1))
            .connection_timeout(config.wait)
            .test_on_check_out(!config.url.is_sqlite())
            .build_unchecked(Manager {
                url: config.url.clone(),
                role: pooled,
                #[cfg(any(test, feature = "testing"))]
                statements: statements.clone(),
            });
        let watcher = Watcher::start(config.url.clone(), Arc::clone(&head), Arc::clone(&clock))?;
        let permits = Arc::new(Semaphore::new(config.connections as usize));
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                pool,
                permits,
                writer,
                watcher,
                head,
                clock,
                #[cfg(any(test, feature = "testing"))]
                statements,
            }),
        })
    }

    /// Runs look-ups on a blocking thread. Each statement sees what was committed before it; on SQLite nothing can
    /// be written.
    ///
    /// # Errors
    /// What `f` answers; else [`StoreError::Busy`] when no connection is free in time,
    /// [`StoreError::Unavailable`] when none can be made, [`StoreError::Panicked`] when `f` panicked.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let permit = self.permit().await?;
        let inner = Arc::clone(&self.inner);
        let work = tokio::task::spawn_blocking(move || {
            let mut conn = inner.pool.get().map_err(StoreError::from)?;
            let result = f(&mut conn);
            // The connection goes back before another may ask for one.
            drop(conn);
            drop(permit);
            result
        });
        work.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// Runs `f` in a transaction and answers once it is durable. Kept if `f` answers `Ok`, undone if it answers
    /// `Err`; never run twice. Nothing slow belongs into `f`: hashing, signing and randomness come before. The
    /// write goes on if the caller stops waiting.
    ///
    /// # Errors
    /// What `f` answers; else [`StoreError::Busy`] when too many wait, [`StoreError::Unavailable`] when the
    /// transaction was lost, [`StoreError::Panicked`] when `f` panicked.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = writer::job(f, reply);
        if let Some(writer) = &self.inner.writer {
            writer.submit(job)?;
        } else {
            let permit = self.permit().await?;
            let inner = Arc::clone(&self.inner);
            tokio::task::spawn_blocking(move || {
                // Without a connection the job is dropped, which answers it.
                match inner.pool.get() {
                    Ok(mut conn) => writer::run_alone(&mut conn, job, &inner.head, &*inner.clock),
                    Err(error) => tracing::warn!(%error, "no connection to write with"),
                }
                drop(permit);
            });
        }
        let gone = || StoreError::Unavailable("the write was not begun".into());
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }

    /// The newest position of the feed that this process knows to be committed. At least that of every write it
    /// has answered.
    pub fn head(&self) -> Position {
        self.inner.head.position()
    }

    /// When the database itself was last asked where the feed stands: guards that trust [`Store::head`] for longer
    /// than their `max_staleness` after this moment trust a guess.
    pub fn head_seen_at(&self) -> Monotonic {
        self.inner.head.seen_at()
    }

    /// Follows [`Store::head`]: also wakes, with a lower position, when another epoch begins.
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.inner.head.subscribe()
    }

    /// Waits until [`Store::head`] is another than `known`, at most `wait`.
    pub async fn wait_for_change(&self, known: Position, wait: Duration) -> Position {
        let mut head = self.subscribe();
        match tokio::time::timeout(wait, head.wait_for(|position| *position != known)).await {
            Ok(Ok(position)) => *position,
            Ok(Err(_)) | Err(_) => self.head(),
        }
    }

    /// Where the database is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.inner.config.url
    }

    /// How many statements its pooled connections have begun: on SQLite those that read, on PostgreSQL all.
    #[cfg(any(test, feature = "testing"))]
    pub fn statements(&self) -> u64 {
        self.inner.statements.count()
    }

    /// The clock that the store was opened with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Takes no more writes, finishes those that wait, and ends the threads. Reads still work. May be called twice.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let work = tokio::task::spawn_blocking(move || {
            if let Some(writer) = &inner.writer {
                writer.close();
            }
            inner.watcher.close();
        });
        if work.await.is_err() {
            tracing::error!("closing the store ended in a panic");
        }
        if self.inner.writer.is_none() {
            // PostgreSQL's writes hold a permit each: all of them back means that none is under way.
            let all = self.inner.config.connections;
            if let Ok(permits) = self.inner.permits.acquire_many(all).await {
                drop(permits);
            }
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permits = Arc::clone(&self.inner.permits);
        match tokio::time::timeout(self.inner.config.wait, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(StoreError::Unavailable("the store is closed".into())),
            Err(_) => Err(StoreError::Busy),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("url", &self.inner.config.url).finish_non_exhaustive()
    }
}

/// The last one out ends the threads.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
        self.watcher.close();
    }
}

#[cfg(test)]
mod tests;
