//! Who does something, when and from where: what every use-case needs besides its input.

use std::net::IpAddr;
use std::sync::Arc;

use keyway_core::ids::{AuditId, OwnerId};
use keyway_core::{Random, Timestamp};
use keyway_store::tables::audit::{Actor, AuditEntry};
use keyway_store::{StoreError, Tx};
use serde_json::Value;

/// An act of someone. Cheap to clone; goes into the closure of a write.
#[derive(Clone)]
pub struct Act {
    /// When.
    pub now: Timestamp,
    /// For ids; secrets are made before the transaction.
    pub random: Arc<dyn Random>,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub address: Option<IpAddr>,
}

/// What an audit row tells of an act.
#[derive(Clone, Debug)]
pub struct Deed<'d> {
    /// Whose thing it was: they may read the row.
    pub owner: Option<OwnerId>,
    /// What was done, as `key.revoked`.
    pub action: &'d str,
    /// What kind of thing it was done to, as `api_key`.
    pub target_kind: &'d str,
    /// Which.
    pub target_id: String,
    /// How it was before; never a secret.
    pub before: Option<Value>,
    /// How it is now; never a secret.
    pub after: Option<Value>,
}

impl<'d> Deed<'d> {
    /// Without states before and after.
    pub fn new(
        owner: Option<OwnerId>,
        action: &'d str,
        target_kind: &'d str,
        target: impl std::fmt::Display,
    ) -> Self {
        Self { owner, action, target_kind, target_id: target.to_string(), before: None, after: None }
    }
    /// How it was before.
    #[must_use]
    pub fn before(mut self, state: Value) -> Self {
        self.before = Some(state);
        self
    }
    /// How it is now.
    #[must_use]
    pub fn after(mut self, state: Value) -> Self {
        self.after = Some(state);
        self
    }
}

impl Act {
    /// Writes the act down, in the transaction that does it.
    ///
    /// # Errors
    /// When the database cannot take it.
    pub fn audit(&self, tx: &mut Tx<'_>, deed: Deed<'_>) -> Result<(), StoreError> {
        tx.audit(&AuditEntry {
            id: AuditId::new(self.now, &*self.random),
            at: self.now,
            actor: self.actor.clone(),
            owner_id: deed.owner,
            action: deed.action.to_owned(),
            target_kind: deed.target_kind.to_owned(),
            target_id: deed.target_id,
            before: deed.before.map(|v| v.to_string()),
            after: deed.after.map(|v| v.to_string()),
            address: self.address,
        })
    }
}
