//! Throw-away databases of both kinds, for tests: migrated, empty, gone with the value.
//!
//! PostgreSQL is a cluster of its own per test process, in a temporary folder, without a service or a port; or the one
//! that `KEYWAY_TEST_POSTGRES` names (`postgres:///postgres?host=DIR&user=postgres`). A missing PostgreSQL is a
//! failure, never a skip.

mod cluster;
mod statements;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use keyway_core::Clock;
use keyway_core::clock::{ManualClock, Timestamp};
use keyway_core::random::SeededRandom;

pub(crate) use self::statements::Statements;
use crate::conn::{DatabaseUrl, Role};
use crate::store::{Store, StoreConfig};

/// When tests begin, unless they say otherwise: 2026-11-24T09:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_795_510_800);

/// The databases that every store test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database in a throw-away cluster.
    Postgres,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A migrated database that lives as long as this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: DatabaseUrl,
    text: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// Removed when dropped.
    Folder(#[expect(dead_code, reason = "kept for its drop")] tempfile::TempDir),
    Database(String),
}

static NEXT: AtomicU32 = AtomicU32::new(1);

impl TestDatabase {
    /// A SQLite file in a temporary folder.
    pub fn sqlite() -> Self {
        let folder = must(tempfile::tempdir(), "a temporary folder");
        let text = format!("sqlite://{}", folder.path().join("keyway.db").display());
        Self::migrated(text, Kept::Folder(folder))
    }
    /// A database of its own in the throw-away cluster.
    pub fn postgres() -> Self {
        let name = format!("keyway_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        cluster::execute(&format!("CREATE DATABASE {name} TEMPLATE {}", cluster::template()));
        Self {
            url: must(cluster::url(&name).parse(), "the cluster's address"),
            text: cluster::url(&name),
            kept: Kept::Database(name),
        }
    }
    /// One of either.
    pub fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite(),
            Backend::Postgres => Self::postgres(),
        }
    }
    fn migrated(text: String, kept: Kept) -> Self {
        let url: DatabaseUrl = must(text.parse(), "the address");
        must(crate::migrate(&url, &SeededRandom::new(1)), "the migrations");
        Self { url, text, kept }
    }
    /// Where it is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }
    /// Where it is, as a setting says it: for a process that a test starts.
    pub fn url_text(&self) -> &str {
        &self.text
    }
    /// Opens a store on it. Several may be open at once, as several processes would.
    pub fn store(&self, clock: Arc<dyn Clock>) -> Store {
        let mut config = StoreConfig::new(self.url.clone());
        config.connections = 4;
        config.wait = Duration::from_secs(30);
        must(Store::open(config, clock), "the store")
    }
    /// Opens a store with a clock that stands at [`START`].
    pub fn store_at_start(&self) -> (Store, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(START));
        (self.store(Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }
    /// Runs SQL past the store, as an operator or a broken program would.
    pub fn execute(&self, sql: &str) {
        let mut conn = must(self.url.connect(Role::Writer), "a connection");
        must(conn.batch_execute(sql), sql);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Kept::Database(name) = &self.kept {
            cluster::drop_database(name);
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test without its database must fail")]
fn must<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}
