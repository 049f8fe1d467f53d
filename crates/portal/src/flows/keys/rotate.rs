//! Rotating a key: another takes its place, and for a while both work.

use keyway_core::api_key::{ApiKey, Excess, Grace, InvalidLifetime, KeyStatus, Terms, sooner};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::credential;
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::quota::Quotas;
use keyway_core::rate::Limit;
use keyway_core::secret::PlainSecret;
use keyway_store::Tx;
use keyway_store::tables::api_keys;
use serde_json::json;

use super::create::check_room;
use super::edit::check_lineage;
use super::{By, KeyError, KeyRules, find_own, lock_holder, makers, state};
use crate::flows::{Act, Deed};

/// Why a key that is rotated without grace is revoked.
const ROTATED: &str = "rotated";

/// A key and the one that took its place.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new one.
    pub new: ApiKey,
    /// The old one, as it is now.
    pub old: ApiKey,
}

/// Lets a new key, whose secret is `secret`, take the place of `id`: the same terms, and the same lifetime from now
/// on. The old one goes on for `grace`, within its own end and 7 days.
///
/// # Errors
/// See [`KeyError`].
#[expect(clippy::too_many_arguments, reason = "each is one of the things that a rotation depends on")]
pub fn rotate(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    by: &By,
    owner: OwnerId,
    id: ApiKeyId,
    grace: Grace,
    secret: &PlainSecret,
) -> Result<Rotated, KeyError> {
    let found = find_own(tx.conn(), owner, by, id)?;
    let holder = lock_holder(tx, found.owner)?;
    // Once more under the lock: of two rotations at once, the second finds the first.
    let old = find_own(tx.conn(), owner, by, id)?;
    match old.status(act.now) {
        KeyStatus::Revoked => return Err(KeyError::Revoked),
        KeyStatus::Disabled => return Err(KeyError::Disabled),
        KeyStatus::Active | KeyStatus::ExpiringSoon | KeyStatus::InGrace | KeyStatus::Expired => {}
    }
    if old.replaced_by.is_some() {
        return Err(KeyError::AlreadyReplaced);
    }
    let mut terms = old.terms.clone();
    terms.expires_at = old.terms.expires_at.map(|end| act.now + end.since(old.created_at));
    let makers = makers(tx.conn(), &old)?;
    if makers.len() < old.ancestors.len() {
        // A token made it: it ends with the token, and nothing renews it.
        return Err(KeyError::BeyondMaker(Excess::Expiry));
    }
    for maker in makers {
        terms.expires_at = sooner(terms.expires_at, maker.ends_at());
    }
    let mut ancestors = old.ancestors.clone();
    if let By::Credential(maker) = by {
        bound_by(&mut terms, &old, maker)?;
        // A key that rotates itself is not its successor's ancestor: the successor is to outlive it.
        if maker.id != old.id.entity() {
            ancestors.extend(ApiKey::bounds_of(maker).1);
            ancestors.sort_unstable();
            ancestors.dedup();
        }
    }
    rules.check_terms(&terms, &holder, by)?;
    check_lineage(tx, &old, &terms)?;
    if terms.expires_at.is_some_and(|end| end <= act.now) {
        return Err(KeyError::Expiry(InvalidLifetime::Past));
    }

    let new = ApiKey {
        id: ApiKeyId::new(act.now, &*act.random),
        prefix: credential::display_prefix(secret),
        last4: secret.last4().to_owned(),
        terms,
        ancestors,
        created_at: act.now,
        replaces: Some(old.id),
        imported: false,
        last_used_at: None,
        last_used_address: None,
        version: 0,
        ..old.clone()
    };
    if grace != Grace::Now {
        check_room(tx, old.owner)?;
    }
    api_keys::insert(tx.conn(), &new, &secret.digest())?;
    let end = grace.end(act.now, old.terms.expires_at, act.now);
    if !api_keys::replace(tx.conn(), old.id, new.id, end)? {
        return Err(KeyError::AlreadyReplaced);
    }
    if grace == Grace::Now {
        api_keys::revoke(tx.conn(), old.id, ROTATED, act.now)?;
        tx.publish(NewChange::ended(EntityKind::ApiKey, old.id, act.now));
    } else {
        // What descends from it ends no later than a grace does, or than it did before.
        tx.publish(NewChange::changed(EntityKind::ApiKey, old.id, act.now));
    }
    let deed = Deed::new(Some(old.owner), "key.rotated", "api_key", old.id).before(state(&old));
    act.audit(
        tx,
        deed.after(json!({ "replaced_by": new.id, "grace": grace.as_str(), "ends_at": end.to_rfc3339() })),
    )?;
    act.audit(tx, Deed::new(Some(new.owner), "key.created", "api_key", new.id).after(state(&new)))?;
    let old = find_own(tx.conn(), owner, by, id)?;
    Ok(Rotated { new, old })
}

/// A credential gets the secret of the new key: so the key must lie within what it has, and ends with it.
fn bound_by(terms: &mut Terms, old: &ApiKey, maker: &keyway_core::facts::Facts) -> Result<(), KeyError> {
    let (bounds, _) = ApiKey::bounds_of(maker);
    terms.expires_at = sooner(terms.expires_at, bounds.expires_at);
    let itself = maker.id == old.id.entity();
    if !itself && (terms.rate.is_some() || !terms.quotas.is_off()) {
        return Err(KeyError::NotMadeByIt);
    }
    let compared = Terms { rate: None, quotas: Quotas::OFF, ..terms.clone() };
    match compared.first_excess(&bounds, Limit::Off, Quotas::OFF) {
        Some(_) => Err(KeyError::NotMadeByIt),
        None => Ok(()),
    }
}

/// Lets the grace of a replaced key last `grace` from now on: extended, shortened, or ended.
///
/// # Errors
/// See [`KeyError`].
pub fn change_grace(
    tx: &mut Tx<'_>,
    act: &Act,
    by: &By,
    owner: OwnerId,
    id: ApiKeyId,
    grace: Grace,
) -> Result<ApiKey, KeyError> {
    let old = find_own(tx.conn(), owner, by, id)?;
    if old.status(act.now) != KeyStatus::InGrace {
        return Err(KeyError::NotInGrace);
    }
    let successor = match old.replaced_by {
        Some(new) => find_own(tx.conn(), owner, by, new)?,
        None => return Err(KeyError::NotInGrace),
    };
    if grace == Grace::Now {
        return super::revoke(tx, act, by, owner, id, ROTATED);
    }
    let before = old.ends_at();
    let end = grace.end(successor.created_at, old.terms.expires_at, act.now);
    if !api_keys::update_grace(tx.conn(), id, old.version, end)? {
        return Err(KeyError::ChangedMeanwhile);
    }
    tx.publish(if before.is_some_and(|before| end < before) {
        NewChange::ended(EntityKind::ApiKey, id, act.now)
    } else {
        NewChange::changed(EntityKind::ApiKey, id, act.now)
    });
    let deed = Deed::new(Some(old.owner), "key.grace_changed", "api_key", id);
    act.audit(
        tx,
        deed.before(json!({ "ends_at": before.map(keyway_core::Timestamp::to_rfc3339) }))
            .after(json!({ "ends_at": end.to_rfc3339() })),
    )?;
    find_own(tx.conn(), owner, by, id)
}
