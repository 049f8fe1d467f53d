//! Refresh-token families: how one begins, what its access tokens are like, and how it ends.

use keyway_core::Random;
use keyway_core::Timestamp;
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::credential::{self, Kind};
use keyway_core::facts::{Budgets, Subject};
use keyway_core::ids::{FamilyId, OwnerId};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::REFRESH_IDLE;
use keyway_core::owner::Owner;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::families::{self, EndReason, Family, FamilyKind};
use keyway_store::tables::{grants, owners, refresh_tokens};
use keyway_store::{Conn, StoreError, Tx};
use serde_json::json;

use super::{Issuance, Terms};
use crate::flows::{Act, Deed};

/// What an access token of `family` is like, with `scopes` of its own and bound to the key that its request proved.
pub(super) fn terms(
    issuance: &Issuance,
    family: &Family,
    owner: &Owner,
    scopes: ScopeSet,
    bound_to: Option<Thumbprint>,
) -> Terms {
    let mut ancestors = family.ancestors.clone();
    ancestors.push(family.id.entity());
    Terms {
        subject: Subject::Owner(family.owner),
        client: family.client,
        family: Some(family.id),
        grant: family.grant,
        ancestors,
        audience: family.audience.clone(),
        scopes,
        environment: family.environment,
        addresses: keyway_core::address::AddressList::default(),
        budgets: budgets(issuance, family, owner),
        rate: None,
        bound_to,
        auth_time: family.auth_time,
        lifetime: family.access_lifetime,
        not_after: Some(family.expires_at),
    }
}

/// An app that a user authorised has a budget per user and app; what the owner minted draws on the owner's.
fn budgets(issuance: &Issuance, family: &Family, owner: &Owner) -> Budgets {
    match family.grant {
        Some(grant) => issuance.limits.app_budgets(grant.entity(), family.environment),
        None => issuance.limits.budgets(family.root, None, (owner.id, owner.rate), family.environment),
    }
}

/// A refresh token for a family.
pub(super) fn refresh_token(issuance: &Issuance, random: &dyn Random) -> PlainSecret {
    credential::generate(&issuance.brand, Kind::RefreshToken, random)
}

/// Until when a refresh token that is made now works.
pub(super) fn idle_until(family: &Family, now: Timestamp) -> Timestamp {
    (now + REFRESH_IDLE).min(family.expires_at)
}

/// Whether owner and consent are still there, asked in the transaction that rests on them.
pub(super) fn still_stands(conn: &mut Conn, family: &Family) -> Result<bool, StoreError> {
    let owner = owners::find(conn, family.owner)?.is_some_and(|owner| owner.suspended_at.is_none());
    let grant = match family.grant {
        Some(grant) => grants::find(conn, grant)?.is_some(),
        None => true,
    };
    Ok(owner && grant)
}

/// Keeps a refresh token, the one with this sequence.
pub(super) fn begin_refresh(
    tx: &mut Tx<'_>,
    act: &Act,
    family: &Family,
    token: &PlainSecret,
    sequence: u64,
    until: Timestamp,
) -> Result<(), StoreError> {
    refresh_tokens::insert(tx.conn(), token.digest(), family.id, sequence, act.now, until)
}

/// Keeps a new family with its first refresh token.
pub(super) fn begin(
    tx: &mut Tx<'_>,
    act: &Act,
    family: &Family,
    first: Option<&PlainSecret>,
) -> Result<(), StoreError> {
    families::insert(tx.conn(), family)?;
    if let Some(token) = first {
        begin_refresh(tx, act, family, token, 0, family.idle_expires_at)?;
    }
    let what = json!({
        "client": family.client.to_string(),
        "audience": family.audience.as_str(),
        "scopes": family.scopes.to_string(),
        "refresh": family.has_refresh,
    });
    let action = match family.kind {
        FamilyKind::Dashboard => "token.minted",
        FamilyKind::Oauth => "token.issued",
    };
    act.audit(tx, Deed::new(Some(family.owner), action, "family", family.id).after(what))
}

/// Ends a family of `owner`, with all its tokens. `false` if it is not theirs or was over already.
///
/// # Errors
/// When the database cannot take it.
pub fn end(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: FamilyId) -> Result<bool, StoreError> {
    match families::find(tx.conn(), id)?.filter(|family| family.owner == owner) {
        Some(family) => end_because(tx, act, &family, EndReason::Revoked),
        None => Ok(false),
    }
}

/// Ends a family, with all its tokens: they are refused on the next call. `false` if it was over already.
///
/// # Errors
/// When the database cannot take it.
pub fn end_because(
    tx: &mut Tx<'_>,
    act: &Act,
    family: &Family,
    reason: EndReason,
) -> Result<bool, StoreError> {
    if !families::end(tx.conn(), family.id, act.now, reason)? {
        return Ok(false);
    }
    tx.publish(NewChange::ended(EntityKind::Family, family.id, act.now));
    let deed = Deed::new(Some(family.owner), "token.family_ended", "family", family.id);
    act.audit(tx, deed.after(json!({ "because": reason.as_str(), "name": family.name })))?;
    Ok(true)
}
