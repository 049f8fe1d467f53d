//! What can go wrong in the store. How each becomes an answer is the portal's to say.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or a transaction was lost with everything in it: ask again later (503).
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Too many are waiting: ask again in a moment (503 with `Retry-After`).
    #[error("too many are waiting for the database")]
    Busy,
    /// A row with the same unique value exists.
    #[error("a row with the same unique value exists")]
    Conflict,
    /// A row that another refers to is missing, or a value is outside what its column allows.
    #[error("a constraint does not hold: {0}")]
    Constraint(String),
    /// What a column holds does not make sense.
    #[error("the column {table}.{column} holds what this version cannot read")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// Its column.
        column: &'static str,
    },
    /// The database's schema is not this version's.
    #[error("the schema is not this version's: {0}")]
    Schema(String),
    /// The database's address cannot be used.
    #[error("{0}")]
    Address(String),
    /// A sealed value, or the database, belongs to another master key.
    #[error("sealed under the master key {sealed_under}, but {given} was given")]
    WrongMasterKey {
        /// The id of the key that is needed.
        sealed_under: String,
        /// The id of the key that was given.
        given: String,
    },
    /// A sealed value was altered, or moved from where it was sealed.
    #[error("the sealed value in {table}.{column} cannot be opened")]
    Sealed {
        /// The table.
        table: &'static str,
        /// Its column.
        column: &'static str,
    },
    /// The closure that was given in panicked; nothing of it was kept.
    #[error("the work on the database panicked; nothing of it was kept")]
    Panicked,
    /// A statement failed in a way that is a fault of the program or of the data.
    #[error("a statement failed")]
    Statement(#[source] DieselError),
}

impl StoreError {
    /// Whether asking again later may succeed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy)
    }
    /// Seconds to wait before asking again, for `Retry-After`.
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        if self.is_temporary() { Some(1) } else { None }
    }
}

/// By kind alone. A missing row is never an error of its own: look-ups ask with `.optional()`.
impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            DieselError::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::ExclusionViolation,
                info,
            ) => Self::Constraint(info.message().to_owned()),
            DieselError::DatabaseError(
                DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::ClosedConnection,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            DieselError::DatabaseError(kind, info) if is_passing(info.message()) => {
                Self::Unavailable(format!("{kind:?}: {}", info.message()))
            }
            DieselError::BrokenTransactionManager
            | DieselError::AlreadyInTransaction
            | DieselError::NotInTransaction
            | DieselError::RollbackTransaction
            | DieselError::RollbackErrorOnCommit { .. } => Self::Unavailable(error.to_string()),
            other => Self::Statement(other),
        }
    }
}

/// Failures that diesel gives no kind of their own, by their message.
fn is_passing(message: &str) -> bool {
    const SIGNS: [&str; 10] = [
        "database is locked",
        "database table is locked",
        "disk I/O error",
        "database or disk is full",
        "unable to open database file",
        "deadlock detected",
        "server closed the connection",
        "connection to server",
        "terminating connection",
        "no connection to the server",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
