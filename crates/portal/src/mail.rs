//! Sending what lies in the outbox: by SMTP, or into a folder.

use std::sync::Arc;

use tokio::sync::Notify;

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
