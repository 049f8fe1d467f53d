//! Persistence on SQLite and PostgreSQL, behind one code path.
//!
//! [`Store::read`] and [`Store::write`] are the only ways in; within them, the free functions of [`tables`], one
//! aggregate a file, take the connection and give domain types. A change is told to guards by [`Tx::publish`] and
//! written down by [`Tx::audit`] in the transaction that makes it.
//!
//! | file | what it does |
//! |---|---|
//! | `store`, `tx` | the two ways in; what a writing closure holds |
//! | `writer` | SQLite's one writer, which lets waiting writes share a COMMIT |
//! | `conn`, `migrate`, `schema`, `types` | both databases; their schema; columns and domain types |
//! | `feed`, `head`, `watch` | the change feed; where it stands; noticing other processes |
//! | `facts`, `source` | what guards learn, and where they report |
//! | `seal` | sealing under the master key what must be read back |
//! | `tables` | the rows |
//! | `housekeeping` | deleting what has expired |
//! | `backup` | a copy of the embedded database, and its way back |
//!
//! Where there is one row at most, it is read with `get_result`, not `first`: that adds `LIMIT ?`, and SQLite, whose planner
//! looks at the limit's value, prepares such a statement anew each time.
//!
//! To add a table: a migration in both folders (rules in `migrations/README.md`), its `table!` in `schema`, a file in
//! `tables` (private row, `TryFrom` into the domain type, `find`, `list`, `insert`, `update_*`), and, if its rows
//! expire, a line in `housekeeping`.

#![warn(missing_docs)]

pub mod backup;
mod conn;
mod error;
pub mod facts;
pub mod feed;
mod head;
pub mod housekeeping;
mod migrate;
mod schema;
pub mod seal;
mod source;
mod store;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tx;
mod types;
mod watch;
mod writer;

pub use conn::{Conn, DatabaseUrl};
pub use error::StoreError;
pub use migrate::{migrate, pending};
pub use source::StoreSource;
pub use store::{Store, StoreConfig};
pub use tx::Tx;
