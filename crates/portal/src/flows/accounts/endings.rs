//! What else ends when a password changes or an account is suspended.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::OwnerId;
use keyway_store::tables::endings;
use keyway_store::tables::families::EndReason;
use keyway_store::{StoreError, Tx};
use serde_json::json;

use crate::flows::connections::end_connections;
use crate::flows::{Act, Deed};

/// What else is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Also {
    /// All API keys.
    pub keys: bool,
    /// All JWT pairs.
    pub tokens: bool,
    /// All consents to apps.
    pub grants: bool,
    /// All accounts elsewhere: an intruder may have connected their own.
    pub connections: bool,
}

impl Also {
    /// Everything.
    pub const ALL: Self = Self { keys: true, tokens: true, grants: true, connections: true };
}

/// Ends what is asked, tells the guards and writes it down.
///
/// # Errors
/// When the database fails.
pub fn end_also(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    also: Also,
    reason: EndReason,
) -> Result<(), StoreError> {
    let now = act.now;
    if also.connections {
        end_connections(tx, act, owner)?;
    }
    let (mut keys, mut families, mut grants) = (Vec::new(), Vec::new(), Vec::new());
    if also.keys {
        keys = endings::revoke_api_keys(tx.conn(), owner, reason, now)?;
    }
    if also.tokens {
        families = endings::end_families(tx.conn(), owner, reason, now)?;
    }
    if also.grants {
        grants = endings::revoke_grants(tx.conn(), owner, reason, now)?;
    }
    for id in &keys {
        tx.publish(NewChange::ended(EntityKind::ApiKey, *id, now));
    }
    for id in &families {
        tx.publish(NewChange::ended(EntityKind::Family, *id, now));
    }
    for id in &grants {
        tx.publish(NewChange::ended(EntityKind::Grant, *id, now));
    }
    if keys.len() + families.len() + grants.len() == 0 {
        return Ok(());
    }
    let ended = json!({ "keys": keys.len(), "jwt_families": families.len(), "apps": grants.len(), "reason": reason.as_str() });
    act.audit(tx, Deed::new(Some(owner), "credentials.ended", "account", owner).after(ended))
}
