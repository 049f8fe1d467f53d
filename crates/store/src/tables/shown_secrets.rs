//! Secrets on their way to the one page that shows them: sealed under a key that only the browser holds.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{EntityId, OwnerId, SessionId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::shown_secrets;
use crate::types::{Table, time};

const TABLE: Table = Table("shown_secrets");

/// A secret that waits to be shown, or was.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownSecret {
    /// The form's submission: the same form sent twice is one.
    pub id: EntityId,
    /// Whose it is.
    pub owner: OwnerId,
    /// The browser session that made it.
    pub session: SessionId,
    /// What it is the secret of, as an id.
    pub target: EntityId,
    /// The sealed secret; gone once shown.
    pub sealed: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Nothing is shown after this.
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = shown_secrets)]
struct Row {
    id: String,
    owner_id: String,
    session_id: String,
    target: String,
    sealed: Option<Vec<u8>>,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<Row> for ShownSecret {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            session: TABLE.parse("session_id", &row.session_id)?,
            target: TABLE.parse("target", &row.target)?,
            sealed: row.sealed,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Keeps a sealed secret.
///
/// # Errors
/// [`StoreError::Conflict`] when the same form was sent before.
pub fn insert(conn: &mut Conn, secret: &ShownSecret) -> Result<(), StoreError> {
    diesel::insert_into(shown_secrets::table)
        .values((
            shown_secrets::id.eq(secret.id.to_string()),
            shown_secrets::owner_id.eq(secret.owner.to_string()),
            shown_secrets::session_id.eq(secret.session.to_string()),
            shown_secrets::target.eq(secret.target.to_string()),
            shown_secrets::sealed.eq(&secret.sealed),
            shown_secrets::created_at.eq(secret.created_at.as_micros()),
            shown_secrets::expires_at.eq(secret.expires_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The secret of a form's submission.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, id: EntityId) -> Result<Option<ShownSecret>, StoreError> {
    shown_secrets::table
        .find(id.to_string())
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(ShownSecret::try_from)
        .transpose()
}

/// The newest secret of a target that was made in this session.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_by_target(
    conn: &mut Conn,
    owner: OwnerId,
    session: SessionId,
    target: EntityId,
) -> Result<Option<ShownSecret>, StoreError> {
    shown_secrets::table
        .filter(shown_secrets::owner_id.eq(owner.to_string()))
        .filter(shown_secrets::target.eq(target.to_string()))
        .filter(shown_secrets::session_id.eq(session.to_string()))
        .order(shown_secrets::created_at.desc())
        .select(Row::as_select())
        .first(conn)
        .optional()?
        .map(ShownSecret::try_from)
        .transpose()
}

/// Erases the sealed secret as it is shown. `false` when it was shown before: of two at once, one shows it.
///
/// # Errors
/// When the statement fails.
pub fn erase(conn: &mut Conn, id: EntityId, now: Timestamp) -> Result<bool, StoreError> {
    let waiting = shown_secrets::table.find(id.to_string()).filter(shown_secrets::sealed.is_not_null());
    let changed = diesel::update(waiting)
        .set((shown_secrets::sealed.eq(None::<Vec<u8>>), shown_secrets::shown_at.eq(now.as_micros())))
        .execute(conn)?;
    Ok(changed == 1)
}
