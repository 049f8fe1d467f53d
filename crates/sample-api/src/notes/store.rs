//! The notes' table.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use keyway_core::Timestamp;
use tokio::sync::Semaphore;

use super::{Draft, MAX_NOTES, Note, Shelf};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/notes");
const CONNECTIONS: u32 = 4;
/// How long a call waits for a connection before it is refused.
const WAIT: Duration = Duration::from_secs(2);

diesel::table! {
    notes (id) {
        id -> Text,
        subject -> Text,
        environment -> Text,
        title -> Text,
        body -> Text,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

/// Why the notes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    /// The file cannot be used, or not in time.
    #[error("the notes are not available: {0}")]
    Unavailable(String),
    /// A subject has as many notes as it may.
    #[error("there are too many notes")]
    TooMany,
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[from] diesel::result::Error),
}

impl From<r2d2::Error> for NotesError {
    fn from(error: r2d2::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The notes. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Notes {
    pool: r2d2::Pool<ConnectionManager<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pragmas;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Pragmas {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        // The time-out first: turning on WAL may already have to wait.
        conn.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        )
        .map_err(diesel::r2d2::Error::QueryError)
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notes)]
struct Row {
    id: String,
    subject: String,
    environment: String,
    title: String,
    body: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for Note {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            title: row.title,
            body: row.body,
            created_at: Timestamp::from_micros(row.created_at).to_rfc3339(),
            updated_at: Timestamp::from_micros(row.updated_at).to_rfc3339(),
            version: row.version,
        }
    }
}

impl Notes {
    /// Opens the file, and makes or migrates it; a new one is readable by its owner alone. Blocks; meant for the
    /// start of a process.
    ///
    /// # Errors
    /// [`NotesError::Unavailable`] when the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, NotesError> {
        create(path).map_err(|error| NotesError::Unavailable(format!("{}: {error}", path.display())))?;
        let manager = ConnectionManager::new(path.to_string_lossy());
        let pool = r2d2::Pool::builder()
            .max_size(CONNECTIONS)
            .connection_timeout(WAIT)
            .connection_customizer(Box::new(Pragmas))
            .build(manager)?;
        // Two processes that start at once wait for each other.
        pool.get()?
            .immediate_transaction(|conn| conn.run_pending_migrations(MIGRATIONS).map(drop))
            .map_err(|error| NotesError::Unavailable(error.to_string()))?;
        Ok(Self { pool, permits: Arc::new(Semaphore::new(CONNECTIONS as usize)) })
    }

    /// Runs `work` on a blocking thread, on a connection of the pool.
    async fn run<T, F>(&self, work: F) -> Result<T, NotesError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, NotesError> + Send + 'static,
        T: Send + 'static,
    {
        let late = || NotesError::Unavailable("no connection in time".to_owned());
        let permit = tokio::time::timeout(WAIT, Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.map_err(|_| late())?.map_err(|_| late())?;
        let pool = self.pool.clone();
        let work = tokio::task::spawn_blocking(move || {
            let result = pool.get().map_err(NotesError::from).and_then(|mut conn| work(&mut conn));
            drop(permit);
            result
        });
        work.await.unwrap_or_else(|error| Err(NotesError::Unavailable(error.to_string())))
    }

    /// The notes of a shelf after `after`, the oldest first.
    pub(crate) async fn list(
        &self,
        shelf: Shelf,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Note>, NotesError> {
        self.run(move |conn| {
            let mut query = notes::table
                .filter(notes::subject.eq(shelf.subject.to_string()))
                .filter(notes::environment.eq(shelf.environment.as_str()))
                .order(notes::id)
                .limit(i64::from(limit))
                .select(Row::as_select())
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(notes::id.gt(after));
            }
            Ok(query.load(conn)?.into_iter().map(Note::from).collect())
        })
        .await
    }

    /// One note of a shelf.
    pub(crate) async fn find(&self, shelf: Shelf, id: String) -> Result<Option<Note>, NotesError> {
        self.run(move |conn| Ok(on(conn, shelf, &id)?.map(Note::from))).await
    }

    /// Adds a note.
    pub(crate) async fn insert(
        &self,
        shelf: Shelf,
        id: String,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Note, NotesError> {
        self.run(move |conn| {
            conn.immediate_transaction(|conn| {
                let count: i64 = notes::table
                    .filter(notes::subject.eq(shelf.subject.to_string()))
                    .filter(notes::environment.eq(shelf.environment.as_str()))
                    .count()
                    .get_result(conn)?;
                if count >= MAX_NOTES {
                    return Err(NotesError::TooMany);
                }
                let row = Row {
                    id,
                    subject: shelf.subject.to_string(),
                    environment: shelf.environment.as_str().to_owned(),
                    title: draft.title,
                    body: draft.body,
                    version: 1,
                    created_at: now.as_micros(),
                    updated_at: now.as_micros(),
                };
                diesel::insert_into(notes::table).values(&row).execute(conn)?;
                Ok(row.into())
            })
        })
        .await
    }

    /// Replaces a note in the version that was read; `None` if it is no longer that.
    pub(crate) async fn update(
        &self,
        shelf: Shelf,
        read: Note,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Option<Note>, NotesError> {
        self.run(move |conn| {
            conn.immediate_transaction(|conn| {
                let there = notes::table.find(&read.id).filter(notes::version.eq(read.version));
                let changed = diesel::update(there)
                    .set((
                        notes::title.eq(draft.title),
                        notes::body.eq(draft.body),
                        notes::version.eq(read.version + 1),
                        notes::updated_at.eq(now.as_micros()),
                    ))
                    .execute(conn)?;
                if changed == 1 { Ok(on(conn, shelf, &read.id)?.map(Note::from)) } else { Ok(None) }
            })
        })
        .await
    }

    /// Deletes a note in the version that was read; `false` if it is no longer that.
    pub(crate) async fn delete(&self, read: Note) -> Result<bool, NotesError> {
        self.run(move |conn| {
            let there = notes::table.find(&read.id).filter(notes::version.eq(read.version));
            Ok(diesel::delete(there).execute(conn)? == 1)
        })
        .await
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn on(conn: &mut SqliteConnection, shelf: Shelf, id: &str) -> Result<Option<Row>, diesel::result::Error> {
    notes::table
        .find(id)
        .filter(notes::subject.eq(shelf.subject.to_string()))
        .filter(notes::environment.eq(shelf.environment.as_str()))
        .select(Row::as_select())
        .first(conn)
        .optional()
}
