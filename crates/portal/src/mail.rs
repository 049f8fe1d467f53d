//! Sending what lies in the outbox: by SMTP, or into a folder that `dev` shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration as StdDuration;

use keyway_core::Duration;
use keyway_store::StoreError;
use keyway_store::tables::outbox::{self, OutgoingMail};
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::Notify;

use crate::state::Portal;

/// Without a bell, the outbox is looked at so often: for retries, and for mails of other processes.
const ROUND: StdDuration = StdDuration::from_secs(5);
/// Mails of one round.
const BATCH: u32 = 20;
/// A mail is given up after so many tries.
const TRIES: u64 = 8;
/// The wait before the second try; each further one is twice as long.
const FIRST_RETRY: Duration = Duration::seconds(30);

/// Wakes who sends mails, after a transaction that wrote one.
#[derive(Clone, Debug, Default)]
pub struct MailBell(Arc<Notify>);

impl MailBell {
    /// There is mail.
    pub fn ring(&self) {
        self.0.notify_one();
    }
    /// Waits until there is.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Why a mail is not on its way.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address of the server, `KEYWAY_SMTP_URL`, cannot be used.
    #[error("the mail server's address cannot be used: {0}")]
    Address(#[source] lettre::transport::smtp::Error),
    /// The server did not take it.
    #[error("the mail server did not take it: {0}")]
    Smtp(#[source] lettre::transport::smtp::Error),
    /// An address in it is none.
    #[error("an address of the mail is none: {0}")]
    Mailbox(#[from] lettre::address::AddressError),
    /// It cannot be put together.
    #[error("the mail cannot be put together: {0}")]
    Message(#[from] lettre::error::Error),
    /// The folder cannot be written.
    #[error("the mail folder cannot be written: {0}")]
    Folder(#[from] std::io::Error),
}

/// How mails leave.
#[derive(Clone)]
pub enum Mailer {
    /// By a server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// As files `<id>.eml`, readable by people.
    Folder(PathBuf),
}

impl Mailer {
    /// By the server at `url`, as `smtps://user:password@mail.example.com`.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn smtp(url: &str) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailError::Address)?;
        Ok(Self::Smtp(transport.timeout(Some(StdDuration::from_secs(20))).build()))
    }

    /// Into the folder where `/dev/mail` looks.
    pub fn folder(data_dir: &Path) -> Self {
        Self::Folder(data_dir.join("mail"))
    }

    async fn send(&self, from: &str, mail: &OutgoingMail) -> Result<(), MailError> {
        match self {
            Self::Smtp(transport) => {
                transport.send(message(from, mail)?).await.map_err(MailError::Smtp).map(|_taken| ())
            }
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), format!("{}.eml", mail.id));
                let text = format!(
                    "To: {}\nSubject: {}\nDate: {}\nContent-Type: text/plain; charset=utf-8\n\n{}",
                    mail.recipient,
                    mail.subject,
                    mail.created_at.to_rfc3339(),
                    mail.body_text
                );
                let written = tokio::task::spawn_blocking(move || {
                    std::fs::create_dir_all(&folder)?;
                    std::fs::write(folder.join(name), text)
                });
                Ok(written.await.map_err(std::io::Error::other)??)
            }
        }
    }
}

/// A mail as it goes over the wire: whatever its subject holds, it stays one header.
fn message(from: &str, mail: &OutgoingMail) -> Result<Message, MailError> {
    let (from, to): (Mailbox, Mailbox) = (from.parse()?, mail.recipient.parse()?);
    let body = MultiPart::alternative_plain_html(mail.body_text.clone(), mail.body_html.clone());
    Ok(Message::builder().from(from).to(to).subject(&mail.subject).multipart(body)?)
}

/// Sends mails until the future is dropped. What could not be sent is tried again, ever later.
pub async fn deliver(portal: Arc<Portal>, mailer: Mailer) {
    loop {
        if let Err(error) = deliver_due(&portal, &mailer).await {
            tracing::error!(%error, "the outbox cannot be read");
        }
        // Whichever comes first.
        let _late = tokio::time::timeout(ROUND, portal.mail_bell.wait()).await;
    }
}

/// Sends what is due now; how many were sent.
///
/// # Errors
/// When the database fails; a mail that cannot be sent is no error here.
pub async fn deliver_due(portal: &Portal, mailer: &Mailer) -> Result<usize, StoreError> {
    let now = portal.now();
    let due = portal.store.read(move |conn| outbox::due(conn, now, BATCH)).await?;
    let mut sent = 0;
    for mail in due {
        let wait = FIRST_RETRY.as_micros().saturating_mul(1 << mail.attempts.min(12));
        let (claim, next) = (mail.clone(), now + Duration::micros(wait));
        let claimed = portal
            .store
            .write(move |tx| -> Result<_, StoreError> { outbox::claim(tx.conn(), &claim, next) })
            .await?;
        if !claimed {
            continue;
        }
        let (id, tries) = (mail.id, mail.attempts + 1);
        match mailer.send(&portal.settings.mail_from, &mail).await {
            Ok(()) => {
                sent += 1;
                portal
                    .store
                    .write(move |tx| -> Result<_, StoreError> { outbox::sent(tx.conn(), id, now) })
                    .await?;
            }
            Err(error) if tries >= TRIES => {
                tracing::error!(%error, mail = %id, tries, "a mail is given up");
                portal
                    .store
                    .write(move |tx| -> Result<_, StoreError> { outbox::failed(tx.conn(), id, now) })
                    .await?;
            }
            Err(error) => tracing::warn!(%error, mail = %id, tries, "a mail was not sent; it is tried again"),
        }
    }
    Ok(sent)
}

/// A mail in the folder, as `/dev/mail` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FolderMail {
    /// The file's name without its ending.
    pub id: String,
    /// When it was written, in microseconds.
    pub at: i64,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// A mail of the folder by its id.
pub fn read_from_folder(data_dir: &Path, id: &str) -> Option<FolderMail> {
    // Ids are UUIDs: nothing leads out of the folder.
    let id: keyway_core::ids::EntityId = id.parse().ok()?;
    let file = std::fs::read_to_string(data_dir.join("mail").join(format!("{id}.eml"))).ok()?;
    let (head, text) = file.split_once("\n\n")?;
    let line =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let at = keyway_core::Timestamp::parse_rfc3339(&line("Date: "))?;
    Some(FolderMail {
        id: id.to_string(),
        at: at.as_micros(),
        to: line("To: "),
        subject: line("Subject: "),
        text: text.to_owned(),
    })
}

/// The newest mails of the folder, at most `limit`.
pub fn list_folder(data_dir: &Path, limit: usize) -> Vec<FolderMail> {
    let Ok(entries) = std::fs::read_dir(data_dir.join("mail")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".eml").map(str::to_owned)
        })
        .collect();
    // Ids begin with the time.
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.iter().take(limit).filter_map(|id| read_from_folder(data_dir, id)).collect()
}

#[cfg(test)]
mod tests {
    use keyway_core::Timestamp;
    use keyway_core::ids::EntityId;
    use keyway_core::random::SeededRandom;

    use super::*;

    #[test]
    fn no_subject_and_no_recipient_adds_a_header() {
        let now = Timestamp::from_seconds(0);
        let mail = |recipient: &str, subject: &str| OutgoingMail {
            id: EntityId::new(now, &SeededRandom::new(1)),
            recipient: recipient.to_owned(),
            subject: subject.to_owned(),
            body_text: "Hello".to_owned(),
            body_html: "<p>Hello".to_owned(),
            created_at: now,
            attempts: 0,
            next_attempt_at: now,
            sent_at: None,
            failed_at: None,
        };
        for subject in
            ["a\r\nBcc: eve@evil.example", "a\nBcc: eve@evil.example", "ä\r\n\r\n<b>", "\u{202e}a\0"]
        {
            let sent = message("Keyway <keyway@example.com>", &mail("ada@example.com", subject)).unwrap();
            let sent = String::from_utf8(sent.formatted()).unwrap();
            let (head, _) = sent.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> =
                head.split("\r\n").filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
            assert!(!names.contains(&"Bcc"), "{head}");
            assert_eq!(sent.matches("Hello").count(), 2, "{sent}");
        }
        for recipient in ["ada@example.com\r\nBcc: eve@evil.example", "ada@example.com, eve@evil.example", ""]
        {
            assert!(message("Keyway <keyway@example.com>", &mail(recipient, "a")).is_err(), "{recipient}");
        }
    }
}
