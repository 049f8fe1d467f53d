//! The one thread that writes to SQLite. It groups waiting writes into one transaction, so that they share an fsync.
//!
//! - Every answer, refusals included, goes out after COMMIT: a refusal may rest on a neighbour's row.
//! - A panic is rolled back to the depth at which its closure began; neighbours are unharmed.
//! - If a statement that controls the transaction fails, the group is lost: whoever ran in it is told so, whoever
//!   did not goes into the next one.
//! - The queue is bounded, and nothing is ever run twice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::TransactionManager;
use keyway_core::Clock;
use keyway_core::change::{NewChange, Position};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::conn::{Conn, DatabaseUrl, Role};
use crate::error::StoreError;
use crate::feed;
use crate::head::Head;
use crate::tx::Tx;

/// The most closures in one transaction.
const MAX_GROUP: usize = 256;

/// Why a transaction with all its closures came to nothing.
#[derive(Clone)]
pub(crate) struct Lost(String);

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        Self::Unavailable(lost.0)
    }
}

/// Hands the closure's result to its caller, or says that it came to nothing.
type Answer = Box<dyn FnOnce(Result<(), Lost>) + Send>;

/// A closure that has run: whether its changes stand, and how to answer it.
pub(crate) struct Ran {
    keep: bool,
    answer: Answer,
}

/// A closure that waits to be run. Dropped unrun, its caller is told that the database is not available.
pub(crate) type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Ran + Send>;

/// Wraps `f` so that a panic stays within, and so that its result waits for the COMMIT.
pub(crate) fn job<T, E, F>(f: F, reply: oneshot::Sender<Result<T, E>>) -> Job
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    Box::new(move |tx| {
        let result =
            catch_unwind(AssertUnwindSafe(|| f(tx))).unwrap_or_else(|_| Err(StoreError::Panicked.into()));
        let keep = result.is_ok();
        let answer: Answer = Box::new(move |fate| {
            let result = match fate {
                Ok(()) => result,
                Err(lost) => Err(StoreError::from(lost).into()),
            };
            // The caller may have gone; the write stands all the same.
            drop(reply.send(result));
        });
        Ran { keep, answer }
    })
}

/// Runs one closure in a transaction of its own (PostgreSQL) and answers it.
pub(crate) fn run_alone(conn: &mut Conn, job: Job, head: &Head, clock: &dyn Clock) {
    if let Err(error) = conn.begin_write() {
        tracing::warn!(%error, "a transaction could not begin");
        return;
    }
    let mut tx = Tx::new(conn);
    let Ran { keep, answer } = job(&mut tx);
    let changes = tx.into_changes();
    let fate = match (keep, conn.depth()) {
        (true, Some(1)) => commit_alone(conn, &changes, clock).inspect_err(|_| {
            // Nothing more is to be said about a rollback that fails: the connection is thrown away.
            drop(conn.roll_back_to(0));
        }),
        (true, _) => Err(StoreError::Unavailable("the closure left the transaction at another depth".into())),
        (false, _) => conn.roll_back_to(0).map(|()| None),
    };
    match fate {
        Ok(position) => {
            if let Some(position) = position {
                head.committed(position);
            }
            answer(Ok(()));
        }
        Err(error) => {
            tracing::error!(%error, "a transaction was lost");
            answer(Err(Lost(error.to_string())));
        }
    }
}

fn commit_alone(
    conn: &mut Conn,
    changes: &[NewChange],
    clock: &dyn Clock,
) -> Result<Option<Position>, StoreError> {
    use diesel::connection::SimpleConnection;
    let position = if changes.is_empty() { None } else { Some(feed::append(conn, changes, clock.now())?) };
    match conn {
        // PostgreSQL answers a COMMIT after a failed statement with a silent rollback. A SELECT in the same round
        // trip fails then, and the COMMIT is not reached.
        Conn::Postgres(conn) => conn.batch_execute("SELECT 1; COMMIT")?,
        Conn::Sqlite(_) => <Conn as TransactionManager<Conn>>::commit_transaction(conn)?,
    }
    Ok(position)
}

/// The writer thread's handle.
pub(crate) struct Writer {
    queue: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread with its own connection; at most `queue` closures wait.
    pub(crate) fn start(
        url: DatabaseUrl,
        queue: usize,
        head: Arc<Head>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let conn = url.connect(Role::Writer)?;
        let (sender, receiver) = sync_channel(queue);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || Loop { conn, url, receiver, head, clock }.run())
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }
    /// Puts a closure into the queue.
    pub(crate) fn submit(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.lock();
        let sender = queue.as_ref().ok_or_else(|| StoreError::Unavailable("the store is closed".into()))?;
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Unavailable("the writer has ended".into()),
        })
    }
    /// Takes nothing more, finishes what waits, and ends. Blocks until then.
    pub(crate) fn close(&self) {
        drop(self.queue.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the writer ended in a panic");
        }
    }
}

struct Loop {
    conn: Conn,
    url: DatabaseUrl,
    receiver: Receiver<Job>,
    head: Arc<Head>,
    clock: Arc<dyn Clock>,
}

impl Loop {
    fn run(mut self) {
        let mut carried = None;
        while let Some(first) = carried.take().or_else(|| self.receiver.recv().ok()) {
            carried = self.group(first);
        }
    }

    /// Runs `first` and what waits behind it in one transaction, and answers them. Gives back a closure that has
    /// not been run because the group was lost before its turn.
    fn group(&mut self, first: Job) -> Option<Job> {
        if let Err(error) = self.begin() {
            tracing::error!(%error, "no transaction could begin; all who wait are refused");
            // Dropped unrun, each tells its caller. To let them wait in turn would make an outage a queue.
            while self.receiver.try_recv().is_ok() {}
            return None;
        }
        let mut group = Group::default();
        let mut next = Some(first);
        let mut left_over = None;
        let mut outcome = Ok(());
        while let Some(job) = next.take() {
            match group.run(&mut self.conn, job) {
                Ok(()) => {
                    if group.answers.len() < MAX_GROUP {
                        next = self.receiver.try_recv().ok();
                    }
                }
                Err((error, unrun)) => {
                    left_over = unrun;
                    outcome = Err(error);
                }
            }
        }
        let outcome = outcome.and_then(|()| group.commit(&mut self.conn, &*self.clock));
        let fate = match outcome {
            Ok(position) => {
                if let Some(position) = position {
                    self.head.committed(position);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, lost = group.answers.len(), "a group of writes was lost");
                // If this fails, `begin` opens another connection.
                drop(self.conn.roll_back_to(0));
                Err(Lost(error.to_string()))
            }
        };
        for answer in group.answers {
            answer(fate.clone());
        }
        left_over
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if self.conn.depth() != Some(0) {
            self.conn = self.url.connect(Role::Writer)?;
        }
        self.conn.begin_write()
    }
}

/// What has run in the open transaction.
#[derive(Default)]
struct Group {
    answers: Vec<Answer>,
    changes: Vec<NewChange>,
}

impl Group {
    /// Runs one closure in a savepoint. An error means that the whole group is lost; the closure comes back with
    /// it if it has not been run.
    fn run(&mut self, conn: &mut Conn, job: Job) -> Result<(), (StoreError, Option<Job>)> {
        let Some(depth) = conn.depth() else {
            return Err((StoreError::Unavailable("the transaction's state is unknown".into()), Some(job)));
        };
        if let Err(error) = <Conn as TransactionManager<Conn>>::begin_transaction(conn) {
            return Err((error.into(), Some(job)));
        }
        let mut tx = Tx::new(conn);
        let Ran { keep, answer } = job(&mut tx);
        let mut changes = tx.into_changes();
        self.answers.push(answer);
        if !keep {
            return conn.roll_back_to(depth).map_err(|error| (error, None));
        }
        if conn.depth() != Some(depth + 1) {
            let error = StoreError::Unavailable("a closure left the transaction at another depth".into());
            return Err((error, None));
        }
        <Conn as TransactionManager<Conn>>::commit_transaction(conn).map_err(|error| (error.into(), None))?;
        self.changes.append(&mut changes);
        Ok(())
    }

    /// Gives the changes their places and commits.
    fn commit(&mut self, conn: &mut Conn, clock: &dyn Clock) -> Result<Option<Position>, StoreError> {
        let position = if self.changes.is_empty() {
            None
        } else {
            Some(feed::append(conn, &self.changes, clock.now())?)
        };
        <Conn as TransactionManager<Conn>>::commit_transaction(conn)?;
        Ok(position)
    }
}
