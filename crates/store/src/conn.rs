//! A connection to either database, and the address that says which.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use diesel::connection::{AnsiTransactionManager, SimpleConnection};
use diesel::r2d2::R2D2Connection;
use diesel::{Connection, PgConnection, SqliteConnection};
use keyway_core::secret::PlainSecret;

use crate::error::StoreError;

/// A connection to SQLite or PostgreSQL. The statements are the same; the few that differ `match` on it.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A PostgreSQL server.
    Postgres(PgConnection),
}

/// Where the database is. The scheme decides which it is; nothing is guessed.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`: a file, relative (`sqlite://var/keyway.db`) or absolute (`sqlite:///srv/keyway.db`).
    Sqlite(PathBuf),
    /// `postgres://…`, as libpq reads it. May hold a password, so it is kept as a secret.
    Postgres(PlainSecret),
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;
    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            if path.is_empty() || path.contains(['?', '\0']) || path.starts_with(':') {
                return Err(StoreError::Address(
                    "a SQLite database is written sqlite://PATH, without parameters".into(),
                ));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            check_encryption(text)?;
            return Ok(Self::Postgres(PlainSecret::new(text)));
        }
        Err(StoreError::Address("a database is written sqlite://PATH or postgres://HOST/NAME".into()))
    }
}

/// For people: without user and password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match url::Url::parse(url.expose()) {
                Ok(url) => write!(f, "postgres://{}{}", url.host_str().unwrap_or_default(), url.path()),
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

/// A build without TLS refuses an address that asks for it, and one that crosses a network without saying that
/// it does so in the clear.
fn check_encryption(text: &str) -> Result<(), StoreError> {
    let url = url::Url::parse(text)
        .map_err(|_| StoreError::Address("the PostgreSQL address is not a URL".into()))?;
    let parameter =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if cfg!(feature = "postgres-tls") {
        return Ok(());
    }
    let host = parameter("host").or_else(|| url.host_str().map(str::to_owned)).unwrap_or_default();
    let near = host.is_empty()
        || host.starts_with('/')
        || host.starts_with("%2F")
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match parameter("sslmode").as_deref() {
        Some("require" | "verify-ca" | "verify-full") => Err(StoreError::Address(
            "this build speaks no TLS to PostgreSQL; build it with the feature postgres-tls".into(),
        )),
        Some("disable") => Ok(()),
        _ if near => Ok(()),
        _ => Err(StoreError::Address(format!(
            "this build speaks no TLS to PostgreSQL; add sslmode=disable to reach {host} in the clear, or build \
             it with the feature postgres-tls"
        ))),
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Look-ups: on SQLite nothing can be written through it.
    Reader,
    /// Changes.
    Writer,
}

impl DatabaseUrl {
    /// Opens a connection. Does not create a missing SQLite folder.
    pub(crate) fn connect(&self, role: Role) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite(path) => open_sqlite(path, role).map(Conn::Sqlite),
            Self::Postgres(url) => open_postgres(url).map(Conn::Postgres),
        }
    }
    /// Whether this is the embedded database.
    pub const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

fn open_postgres(url: &PlainSecret) -> Result<PgConnection, StoreError> {
    let mut conn =
        PgConnection::establish(url.expose()).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    // libpq prints notices on stderr, past the log.
    conn.batch_execute("SET client_min_messages TO warning; SET lock_timeout TO '10s'")?;
    Ok(conn)
}

fn open_sqlite(path: &Path, role: Role) -> Result<SqliteConnection, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Address("the database's path is not UTF-8".into()))?;
    let mut conn =
        SqliteConnection::establish(text).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    // The time to wait for a lock comes first: switching to WAL needs one.
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;",
    )?;
    if role == Role::Reader {
        conn.batch_execute("PRAGMA query_only = ON;")?;
    }
    Ok(conn)
}

impl Conn {
    /// Begins a transaction that may write. SQLite takes the write lock at once: a read that turns into a write
    /// later fails under load instead of waiting.
    pub(crate) fn begin_write(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?,
            Self::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")?,
        }
        Ok(())
    }
    /// How many transactions and savepoints are open; `None` if that is no longer known.
    pub(crate) fn depth(&mut self) -> Option<u32> {
        use diesel::connection::TransactionManager;
        let status = <Self as TransactionManager<Self>>::transaction_manager_status_mut(self);
        status.transaction_depth().ok().map(|depth| depth.map_or(0, std::num::NonZeroU32::get))
    }
    /// Rolls back until only `depth` transactions and savepoints are open.
    pub(crate) fn roll_back_to(&mut self, depth: u32) -> Result<(), StoreError> {
        use diesel::connection::TransactionManager;
        loop {
            match self.depth() {
                None => return Err(StoreError::Unavailable("the transaction's state is unknown".into())),
                Some(now) if now > depth => <Self as TransactionManager<Self>>::rollback_transaction(self)?,
                Some(now) if now == depth => return Ok(()),
                Some(_) => {
                    return Err(StoreError::Unavailable("the transaction was ended from within".into()));
                }
            }
        }
    }
}

/// Runs the same expression on either kind of connection, for the few statements that the enum cannot take
/// (`on_conflict`).
macro_rules! on_either {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::Conn::Sqlite($c) => $body,
            $crate::Conn::Postgres($c) => $body,
        }
    };
}
pub(crate) use on_either;

/// Opens and checks the connections of a pool.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) url: DatabaseUrl,
    pub(crate) role: Role,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) statements: crate::testing::Statements,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = StoreError;

    #[cfg(not(any(test, feature = "testing")))]
    fn connect(&self) -> Result<Conn, StoreError> {
        self.url.connect(self.role)
    }
    #[cfg(any(test, feature = "testing"))]
    fn connect(&self) -> Result<Conn, StoreError> {
        let mut conn = self.url.connect(self.role)?;
        self.statements.watch(&mut conn);
        Ok(conn)
    }
    fn is_valid(&self, conn: &mut Conn) -> Result<(), StoreError> {
        conn.ping().map_err(StoreError::from)
    }
    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides_which_database_it_is() {
        assert!("sqlite://var/keyway.db".parse::<DatabaseUrl>().unwrap().is_sqlite());
        assert!(!"postgres:///keyway?host=/run/pg".parse::<DatabaseUrl>().unwrap().is_sqlite());
        for bad in
            ["", "keyway.db", "sqlite:keyway.db", "sqlite://", "sqlite://:memory:", "mysql://localhost/x"]
        {
            assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://keyway:hunter2@localhost/keyway".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }

    #[cfg(not(feature = "postgres-tls"))]
    #[test]
    fn an_unencrypted_way_across_a_network_must_be_asked_for() {
        assert!("postgres://db.example.com/keyway".parse::<DatabaseUrl>().is_err());
        assert!("postgres://db.example.com/keyway?sslmode=disable".parse::<DatabaseUrl>().is_ok());
        assert!("postgres://localhost/keyway?sslmode=require".parse::<DatabaseUrl>().is_err());
        assert!("postgres://[::1]:5433/keyway".parse::<DatabaseUrl>().is_ok());
    }
}
