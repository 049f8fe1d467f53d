//! A transaction in which a change is made, told and written down together.

use keyway_core::change::NewChange;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::tables::audit::{self, AuditEntry};

/// What a closure given to [`Store::write`](crate::Store::write) works in. Nothing of it is kept if the closure
/// answers with an error.
///
/// After a statement has failed, answer with an error: PostgreSQL refuses everything else that is asked in the
/// same transaction. What may fail and be gone on from belongs into `conn().transaction(…)`.
pub struct Tx<'c> {
    conn: &'c mut Conn,
    changes: Vec<NewChange>,
}

impl<'c> Tx<'c> {
    pub(crate) const fn new(conn: &'c mut Conn) -> Self {
        Self { conn, changes: Vec::new() }
    }
    /// The connection, for the functions in [`tables`](crate::tables).
    pub const fn conn(&mut self) -> &mut Conn {
        self.conn
    }
    /// Tells the guards, by the feed: takes its place there as the transaction commits.
    pub fn publish(&mut self, change: NewChange) {
        self.changes.push(change);
    }
    /// Writes down who did what. Goes into every transaction that changes something for someone.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        audit::insert(self.conn, entry)
    }
    pub(crate) fn into_changes(self) -> Vec<NewChange> {
        self.changes
    }
}
