//! Telling people by mail what happens to what is theirs: in the transaction in which it happens, so that no change
//! goes untold and nothing is told that did not happen.
//!
//! To add a notice: a variant of [`Notice`], its template's name in [`Notice::template`], a template and a sample
//! under `mails`; and where it may be switched off, its [`MailKind`].

pub mod expiry;

use keyway_core::ids::OwnerId;
use keyway_core::scope::ScopeSet;
use keyway_store::tables::muted_mails::{self, MailKind};
use keyway_store::tables::{accounts, owners};
use keyway_store::{StoreError, Tx};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Act, mail};
use crate::render::Renderer;

/// What somebody is told.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Notice {
    /// They, somebody in their browser, or a credential of theirs made a credential.
    NewCredential {
        /// What it is, as `API key`.
        kind: &'static str,
        /// What it is called; may be empty.
        credential: String,
        /// What it may do.
        scopes: ScopeSet,
        /// The page about it.
        path: String,
        /// Whether a credential of theirs made it, rather than somebody in their browser.
        by_program: bool,
    },
    /// Their password is another now.
    PasswordChanged,
    /// A refresh token of theirs was used again, and its family ended.
    RefreshTheft {
        /// Whose token it was: an app, or a pair by its name.
        client: String,
        /// Where what was ended is listed.
        path: &'static str,
    },
    /// Keys of theirs end soon, or have ended.
    KeyExpiry {
        /// Which: those of one threshold.
        keys: Vec<expiry::Ending>,
        /// How many more.
        more: usize,
        /// Whether they have ended.
        ended: bool,
    },
}

impl Notice {
    const fn template(&self) -> &'static str {
        match self {
            Self::NewCredential { .. } => "new_credential",
            Self::PasswordChanged => "password_changed",
            Self::RefreshTheft { .. } => "refresh_theft",
            Self::KeyExpiry { .. } => "key_expiry",
        }
    }

    /// What switches it off; nothing does where an account's safety is at stake.
    const fn kind(&self) -> Option<MailKind> {
        match self {
            Self::NewCredential { .. } => Some(MailKind::NewCredential),
            Self::KeyExpiry { .. } => Some(MailKind::KeyExpiry),
            Self::PasswordChanged | Self::RefreshTheft { .. } => None,
        }
    }
}

/// Writes notices. Cheap to clone; goes into the closure of a write.
#[derive(Clone)]
pub struct Notices {
    renderer: Renderer,
    public_url: String,
    quiet: bool,
}

impl Notices {
    /// With links to the portal at `public_url`. A `quiet` one tells nobody: the people of the demo provider are none.
    pub fn new(renderer: &Renderer, public_url: impl Into<String>, quiet: bool) -> Self {
        Self { renderer: renderer.clone(), public_url: public_url.into(), quiet }
    }

    /// Puts the mail into the outbox, unless `owner` does not want it or is no person; whether it did. A template that
    /// fails is logged and undoes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tell(
        &self,
        tx: &mut Tx<'_>,
        act: &Act,
        owner: OwnerId,
        notice: &Notice,
    ) -> Result<bool, StoreError> {
        if self.quiet {
            return Ok(false);
        }
        let (Some(person), Some(account)) =
            (owners::find(tx.conn(), owner)?, accounts::find(tx.conn(), owner)?)
        else {
            return Ok(false);
        };
        if let Some(kind) = notice.kind()
            && muted_mails::list(tx.conn(), owner)?.contains(&kind)
        {
            return Ok(false);
        }
        match self.renderer.mail(notice.template(), self.context(act, &person.name, notice), act.now) {
            Ok(letter) => {
                mail::queue(tx, act.now, &*act.random, &account.email, &letter)?;
                Ok(true)
            }
            Err(error) => {
                tracing::error!(%error, mail = notice.template(), "a mail cannot be written");
                Ok(false)
            }
        }
    }

    fn context(&self, act: &Act, name: &str, notice: &Notice) -> Value {
        let mut context = json!({
            "name": name,
            "at": act.now,
            "address": act.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
            "url": self.public_url,
        });
        if let (Value::Object(all), Ok(Value::Object(own))) = (&mut context, serde_json::to_value(notice)) {
            all.extend(own);
        }
        context
    }
}
