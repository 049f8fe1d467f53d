//! One-time links, sent by mail or printed in a terminal. The token in them is known here by its digest alone.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::change::UnknownName;
use keyway_core::ids::{LinkId, OwnerId, SessionId};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::mail_links;
use crate::types::{Table, text_opt, time, time_opt};

const TABLE: Table = Table("mail_links");

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Shows that an address is theirs.
    Verify,
    /// Sets another password.
    Reset,
    /// Shows that the person at a browser session reads the account's mail.
    Confirm,
    /// Makes the first administrator.
    Bootstrap,
}

impl LinkPurpose {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Confirm => "confirm",
            Self::Bootstrap => "bootstrap",
        }
    }
}

impl std::str::FromStr for LinkPurpose {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "verify" => Ok(Self::Verify),
            "reset" => Ok(Self::Reset),
            "confirm" => Ok(Self::Confirm),
            "bootstrap" => Ok(Self::Bootstrap),
            _ => Err(UnknownName),
        }
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLink {
    /// Its id.
    pub id: LinkId,
    /// Of the token in it.
    pub digest: SecretDigest,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose account.
    pub owner_id: Option<OwnerId>,
    /// The address it was sent to; empty when printed.
    pub email: String,
    /// The browser session in which it was asked for.
    pub session_id: Option<SessionId>,
    /// When.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub consumed_at: Option<Timestamp>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    digest: Vec<u8>,
    purpose: String,
    owner_id: Option<String>,
    email: String,
    session_id: Option<String>,
    created_at: i64,
    expires_at: i64,
    consumed_at: Option<i64>,
}

impl TryFrom<Row> for MailLink {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            digest: TABLE.digest("digest", &row.digest)?,
            purpose: TABLE.parse("purpose", &row.purpose)?,
            owner_id: TABLE.parse_opt("owner_id", row.owner_id.as_deref())?,
            email: row.email,
            session_id: TABLE.parse_opt("session_id", row.session_id.as_deref())?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            consumed_at: time_opt(row.consumed_at),
        })
    }
}

/// Adds a link.
///
/// # Errors
/// When the statement fails.
pub fn insert(conn: &mut Conn, link: &MailLink) -> Result<(), StoreError> {
    diesel::insert_into(mail_links::table)
        .values((
            mail_links::id.eq(link.id.to_string()),
            mail_links::digest.eq(link.digest.as_bytes().as_slice()),
            mail_links::purpose.eq(link.purpose.as_str()),
            mail_links::owner_id.eq(text_opt(link.owner_id.as_ref())),
            mail_links::email.eq(&link.email),
            mail_links::session_id.eq(text_opt(link.session_id.as_ref())),
            mail_links::created_at.eq(link.created_at.as_micros()),
            mail_links::expires_at.eq(link.expires_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The link of a token, if it still works.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_usable(
    conn: &mut Conn,
    purpose: LinkPurpose,
    digest: &SecretDigest,
    now: Timestamp,
) -> Result<Option<MailLink>, StoreError> {
    let row: Option<Row> = mail_links::table
        .filter(mail_links::digest.eq(digest.as_bytes().as_slice()))
        .filter(mail_links::purpose.eq(purpose.as_str()).and(mail_links::consumed_at.is_null()))
        .filter(mail_links::expires_at.gt(now.as_micros()))
        .get_result(conn)
        .optional()?;
    row.map(MailLink::try_from).transpose()
}

/// Uses a link. `false` when it was used before or is out of time: of two at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn consume(conn: &mut Conn, id: LinkId, now: Timestamp) -> Result<bool, StoreError> {
    let usable = mail_links::table
        .find(id.to_string())
        .filter(mail_links::consumed_at.is_null().and(mail_links::expires_at.gt(now.as_micros())));
    Ok(diesel::update(usable).set(mail_links::consumed_at.eq(now.as_micros())).execute(conn)? == 1)
}

/// Ends all unused links of a purpose: of one owner, or those of nobody.
///
/// # Errors
/// When the statement fails.
pub fn withdraw(
    conn: &mut Conn,
    purpose: LinkPurpose,
    owner: Option<OwnerId>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let unused = mail_links::table.filter(mail_links::purpose.eq(purpose.as_str()));
    let consumed = mail_links::consumed_at.eq(now.as_micros());
    let ended = match owner {
        Some(owner) => diesel::update(
            unused.filter(mail_links::consumed_at.is_null().and(mail_links::owner_id.eq(owner.to_string()))),
        )
        .set(consumed)
        .execute(conn)?,
        None => diesel::update(
            unused.filter(mail_links::consumed_at.is_null().and(mail_links::owner_id.is_null())),
        )
        .set(consumed)
        .execute(conn)?,
    };
    Ok(ended as u64)
}
