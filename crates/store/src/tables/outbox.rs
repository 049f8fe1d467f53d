//! Mails to be sent: written with the change that causes them, sent afterwards, again if need be.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::EntityId;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::outbox;
use crate::types::{Table, micros_opt, stored_count, time, time_opt};

const TABLE: Table = Table("outbox");

/// A mail on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Its id.
    pub id: EntityId,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// As plain text.
    pub body_text: String,
    /// As HTML.
    pub body_html: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is to be tried next.
    pub next_attempt_at: Timestamp,
    /// When the server took it.
    pub sent_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
}

/// Mails carry links that work once: their bodies are not for logs.
impl std::fmt::Debug for OutgoingMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingMail")
            .field("id", &self.id)
            .field("subject", &self.subject)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[derive(Queryable)]
struct Row {
    id: String,
    recipient: String,
    subject: String,
    body_text: String,
    body_html: String,
    created_at: i64,
    attempts: i64,
    next_attempt_at: i64,
    sent_at: Option<i64>,
    failed_at: Option<i64>,
}

impl TryFrom<Row> for OutgoingMail {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            recipient: row.recipient,
            subject: row.subject,
            body_text: row.body_text,
            body_html: row.body_html,
            created_at: time(row.created_at),
            attempts: TABLE.count("attempts", row.attempts)?,
            next_attempt_at: time(row.next_attempt_at),
            sent_at: time_opt(row.sent_at),
            failed_at: time_opt(row.failed_at),
        })
    }
}

/// Puts a mail in.
///
/// # Errors
/// When the statement fails.
pub fn insert(conn: &mut Conn, mail: &OutgoingMail) -> Result<(), StoreError> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(mail.id.to_string()),
            outbox::recipient.eq(&mail.recipient),
            outbox::subject.eq(&mail.subject),
            outbox::body_text.eq(&mail.body_text),
            outbox::body_html.eq(&mail.body_html),
            outbox::created_at.eq(mail.created_at.as_micros()),
            outbox::attempts.eq(stored_count(mail.attempts)),
            outbox::next_attempt_at.eq(mail.next_attempt_at.as_micros()),
            outbox::sent_at.eq(micros_opt(mail.sent_at)),
            outbox::failed_at.eq(micros_opt(mail.failed_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Mails whose time has come, the oldest first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn due(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<OutgoingMail>, StoreError> {
    outbox::table
        .filter(outbox::sent_at.is_null().and(outbox::failed_at.is_null()))
        .filter(outbox::next_attempt_at.le(now.as_micros()))
        .order(outbox::next_attempt_at)
        .limit(i64::from(limit))
        .load::<Row>(conn)?
        .into_iter()
        .map(OutgoingMail::try_from)
        .collect()
}

/// Takes a mail that [`due`] gave for one attempt, the next not before `next_attempt_at`. `false` when another
/// process took it first.
///
/// # Errors
/// When the statement fails.
pub fn claim(conn: &mut Conn, mail: &OutgoingMail, next_attempt_at: Timestamp) -> Result<bool, StoreError> {
    let attempts = stored_count(mail.attempts);
    let untaken = outbox::table.find(mail.id.to_string()).filter(
        outbox::attempts.eq(attempts).and(outbox::sent_at.is_null()).and(outbox::failed_at.is_null()),
    );
    let changed = diesel::update(untaken)
        .set((
            outbox::attempts.eq(attempts.saturating_add(1)),
            outbox::next_attempt_at.eq(next_attempt_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// The server took it. Its bodies, which may hold links, are forgotten.
///
/// # Errors
/// When the statement fails.
pub fn sent(conn: &mut Conn, id: EntityId, now: Timestamp) -> Result<bool, StoreError> {
    let changed = diesel::update(outbox::table.find(id.to_string()))
        .set((outbox::sent_at.eq(now.as_micros()), outbox::body_text.eq(""), outbox::body_html.eq("")))
        .execute(conn)?;
    Ok(changed == 1)
}

/// It is given up. Its bodies are forgotten.
///
/// # Errors
/// When the statement fails.
pub fn failed(conn: &mut Conn, id: EntityId, now: Timestamp) -> Result<bool, StoreError> {
    let changed = diesel::update(outbox::table.find(id.to_string()))
        .set((outbox::failed_at.eq(now.as_micros()), outbox::body_text.eq(""), outbox::body_html.eq("")))
        .execute(conn)?;
    Ok(changed == 1)
}
