//! Putting a mail into the outbox, with the change that causes it.

use keyway_core::ids::EntityId;
use keyway_core::{Random, Timestamp};
use keyway_store::tables::outbox::{self, OutgoingMail};
use keyway_store::{StoreError, Tx};

use crate::render::Mail;

/// Puts a rendered mail in; it is sent once the transaction is committed.
///
/// # Errors
/// When the database cannot take it.
pub fn queue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    random: &dyn Random,
    recipient: &str,
    mail: &Mail,
) -> Result<(), StoreError> {
    outbox::insert(
        tx.conn(),
        &OutgoingMail {
            id: EntityId::new(now, random),
            recipient: recipient.to_owned(),
            subject: mail.subject.clone(),
            body_text: mail.text.clone(),
            body_html: mail.html.clone(),
            created_at: now,
            attempts: 0,
            next_attempt_at: now,
            sent_at: None,
            failed_at: None,
        },
    )
}
