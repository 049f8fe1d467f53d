//! The schema: embedded migrations for both databases.

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use keyway_core::Random;
use keyway_core::change::Epoch;

use crate::conn::{Conn, DatabaseUrl, Role};
use crate::error::StoreError;
use crate::schema::feed_head;

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Any number, as long as every version uses the same.
const ADVISORY_LOCK: i64 = 0x6b65_7977_6179;

/// Runs what is missing, all of it in one transaction, and says what was run. Creates a SQLite file that does not
/// exist, readable by its owner alone. Two processes that start at once wait for each other. Blocks.
///
/// # Errors
/// When the database cannot be reached or a migration fails; nothing of it is kept then.
pub fn migrate(url: &DatabaseUrl, random: &dyn Random) -> Result<Vec<String>, StoreError> {
    create_file(url)?;
    let mut conn = url.connect(Role::Writer)?;
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    let epoch = Epoch(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    in_transaction(&mut conn, |conn| {
        let run = run_pending(conn)?;
        if feed_head::table.count().get_result::<i64>(conn)? == 0 {
            diesel::insert_into(feed_head::table)
                .values((
                    feed_head::id.eq(1),
                    feed_head::epoch.eq(&epoch.0),
                    feed_head::position.eq(0),
                    feed_head::tail.eq(0),
                ))
                .execute(conn)?;
        }
        Ok(run)
    })
}

/// The migrations that this version has and the database has not. Blocks.
///
/// # Errors
/// [`StoreError::Schema`] when the database has migrations that this version does not know, or does not exist.
pub fn pending(url: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
    require_file(url)?;
    let mut conn = url.connect(Role::Writer)?;
    let (known, applied) = match &mut conn {
        Conn::Sqlite(conn) => (versions::<diesel::sqlite::Sqlite>(&SQLITE)?, applied(conn)?),
        Conn::Postgres(conn) => (versions::<diesel::pg::Pg>(&POSTGRES)?, applied(conn)?),
    };
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(StoreError::Schema(format!(
            "the database has migration {newer}, of a newer version of Keyway"
        )));
    }
    Ok(known.into_iter().filter(|version| !applied.contains(version)).collect())
}

/// How many migrations the embedded database has in this version.
pub(crate) fn count() -> Result<usize, StoreError> {
    versions::<diesel::sqlite::Sqlite>(&SQLITE).map(|known| known.len())
}

/// Fails unless [`pending`] is empty.
pub(crate) fn require_current(url: &DatabaseUrl) -> Result<(), StoreError> {
    let missing = pending(url)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::Schema(format!(
        "the database lacks the migrations {}; run keyway migrate",
        missing.join(", ")
    )))
}

fn in_transaction<T>(
    conn: &mut Conn,
    f: impl FnOnce(&mut Conn) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    use diesel::connection::TransactionManager;
    conn.begin_write()?;
    let result = lock(conn).and_then(|()| f(conn));
    match result {
        Ok(value) => {
            <Conn as TransactionManager<Conn>>::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => {
            conn.roll_back_to(0)?;
            Err(error)
        }
    }
}

/// SQLite's write lock is already held; PostgreSQL needs one that both processes ask for first.
fn lock(conn: &mut Conn) -> Result<(), StoreError> {
    if let Conn::Postgres(conn) = conn {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).execute(conn)?;
    }
    Ok(())
}

fn run_pending(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    let run = match conn {
        Conn::Sqlite(conn) => names(conn.run_pending_migrations(SQLITE)),
        Conn::Postgres(conn) => names(conn.run_pending_migrations(POSTGRES)),
    };
    run.map_err(|error| StoreError::Schema(error.to_string()))
}

fn names(
    run: diesel::migration::Result<Vec<diesel::migration::MigrationVersion<'_>>>,
) -> diesel::migration::Result<Vec<String>> {
    run.map(|versions| versions.iter().map(ToString::to_string).collect())
}

fn versions<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    use diesel::migration::MigrationSource;
    let mut list: Vec<String> = MigrationSource::<DB>::migrations(source)
        .map_err(|error| StoreError::Schema(error.to_string()))?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    list.sort_unstable();
    Ok(list)
}

fn applied<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
) -> Result<Vec<String>, StoreError> {
    names(conn.applied_migrations()).map_err(|error| StoreError::Schema(error.to_string()))
}

#[cfg(unix)]
fn create_file(url: &DatabaseUrl) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    if let DatabaseUrl::Sqlite(path) = url
        && !path.exists()
    {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options
            .open(path)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn create_file(_: &DatabaseUrl) -> Result<(), StoreError> {
    Ok(())
}

fn require_file(url: &DatabaseUrl) -> Result<(), StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            Err(StoreError::Schema(format!("there is no database at {}; run keyway migrate", path.display())))
        }
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
