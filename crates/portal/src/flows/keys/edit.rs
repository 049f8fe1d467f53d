//! Changing a key, and switching it off and on.

use keyway_core::address::AddressList;
use keyway_core::api_key::{ApiKey, Excess, Lifetime, Terms, sooner};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::quota::{Quota, Quotas};
use keyway_core::rate::{Limit, Rate};
use keyway_core::scope::ScopeSet;
use keyway_store::Tx;
use keyway_store::tables::api_keys;

use super::{By, KeyError, KeyRules, find_own, lock_holder, makers, state};
use crate::flows::{Act, Deed};

/// What is changed of a key; what is absent stays as it is. Its environment never changes.
#[derive(Clone, Debug, Default)]
pub struct KeyPatch {
    /// What people call it.
    pub name: Option<String>,
    /// For people.
    pub note: Option<String>,
    /// What it may do; the APIs follow from it.
    pub scopes: Option<ScopeSet>,
    /// How long it lives from now on.
    pub lifetime: Option<Lifetime>,
    /// Its own limit; `Some(None)` for the setting's.
    pub rate: Option<Option<Rate>>,
    /// Its own quota a day; off for the setting's.
    pub quota_day: Option<Quota>,
    /// Its own quota a month; off for the setting's.
    pub quota_month: Option<Quota>,
    /// From where it may be used.
    pub addresses: Option<AddressList>,
    /// The version that was looked at, if one was.
    pub version: Option<u64>,
}

/// Changes a key. What it loses, everything that descends from it loses at once.
///
/// # Errors
/// See [`KeyError`].
pub fn edit(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    by: &By,
    owner: OwnerId,
    id: ApiKeyId,
    patch: KeyPatch,
) -> Result<ApiKey, KeyError> {
    let before = find_own(tx.conn(), owner, by, id)?;
    if before.revoked_at.is_some() {
        return Err(KeyError::Revoked);
    }
    if patch.version.is_some_and(|seen| seen != before.version) {
        return Err(KeyError::ChangedMeanwhile);
    }
    let mut after = before.clone();
    after.name = patch.name.unwrap_or(after.name);
    after.note = patch.note.unwrap_or(after.note);
    after.terms.addresses = patch.addresses.unwrap_or(after.terms.addresses);
    after.terms.rate = patch.rate.unwrap_or(after.terms.rate);
    after.terms.quotas.day = patch.quota_day.unwrap_or(after.terms.quotas.day);
    after.terms.quotas.month = patch.quota_month.unwrap_or(after.terms.quotas.month);
    if let Some(scopes) = patch.scopes.filter(|scopes| *scopes != before.terms.scopes) {
        let apis = rules.audiences(&[], &scopes)?;
        after.terms.audiences = apis.iter().map(|api| api.audience.clone()).collect();
        after.terms.scopes = scopes;
    }
    if let Some(lifetime) = patch.lifetime {
        after.terms.expires_at = lifetime.end(act.now)?;
    }
    let (rate, quotas) = (rules.limits.credential, rules.limits.credential_quotas);
    if after.terms.first_excess(&before.terms, rate, quotas).is_some() {
        check_widening(tx, rules, by, &before, &after.terms)?;
    }
    if !api_keys::update(tx.conn(), &after)? {
        return Err(KeyError::ChangedMeanwhile);
    }
    after.version = before.version + 1;
    if before.terms.first_excess(&after.terms, rate, quotas).is_some() {
        tx.publish(NewChange::ended(EntityKind::ApiKey, id, act.now));
    } else if before.terms != after.terms {
        tx.publish(NewChange::changed(EntityKind::ApiKey, id, act.now));
    }
    let deed = Deed::new(Some(before.owner), "key.changed", "api_key", id);
    act.audit(tx, deed.before(state(&before)).after(state(&after)))?;
    Ok(after)
}

/// A key may be widened by its owner, within what those have who made it; and by a credential that made it, within
/// that credential's own terms.
fn check_widening(
    tx: &mut Tx<'_>,
    rules: &KeyRules,
    by: &By,
    key: &ApiKey,
    terms: &Terms,
) -> Result<(), KeyError> {
    let holder = lock_holder(tx, key.owner)?;
    rules.check_terms(terms, &holder, by)?;
    check_lineage(tx, key, terms)?;
    check_maker(by, key, terms)
}

/// Terms of a key made by keys lie within theirs, and its limit is theirs.
pub(super) fn check_lineage(tx: &mut Tx<'_>, key: &ApiKey, terms: &Terms) -> Result<(), KeyError> {
    if !key.ancestors.is_empty() && (terms.rate.is_some() || !terms.quotas.is_off()) {
        return Err(KeyError::RateOfMaker);
    }
    let makers = makers(tx.conn(), key)?;
    // What a token made never outlives the token.
    let longer = sooner(terms.expires_at, key.terms.expires_at) != terms.expires_at;
    if makers.len() < key.ancestors.len() && longer {
        return Err(KeyError::BeyondMaker(Excess::Expiry));
    }
    for maker in makers {
        let bounds = Terms { rate: None, quotas: Quotas::OFF, ..maker.terms };
        if let Some(excess) = terms.first_excess(&bounds, Limit::Off, Quotas::OFF) {
            return Err(KeyError::BeyondMaker(excess));
        }
    }
    Ok(())
}

/// A credential gives nothing to what it did not make, and nothing that it does not have.
fn check_maker(by: &By, key: &ApiKey, terms: &Terms) -> Result<(), KeyError> {
    let By::Credential(maker) = by else { return Ok(()) };
    if !key.ancestors.contains(&maker.id) {
        return Err(KeyError::NotMadeByIt);
    }
    let (bounds, _) = ApiKey::bounds_of(maker);
    match terms.first_excess(&bounds, Limit::Off, Quotas::OFF) {
        Some(excess) => Err(KeyError::BeyondMaker(excess)),
        None => Ok(()),
    }
}

/// Switches a key on or off. Off takes effect on everything that descends from it; nothing happens when it is so
/// already.
///
/// # Errors
/// See [`KeyError`].
pub fn set_enabled(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    by: &By,
    owner: OwnerId,
    id: ApiKeyId,
    enabled: bool,
) -> Result<ApiKey, KeyError> {
    let key = find_own(tx.conn(), owner, by, id)?;
    if key.revoked_at.is_some() {
        return Err(KeyError::Revoked);
    }
    let changed = if enabled {
        check_widening(tx, rules, by, &key, &key.terms)?;
        api_keys::enable(tx.conn(), id)?
    } else {
        api_keys::disable(tx.conn(), id, act.now)?
    };
    if changed {
        let (action, change) = if enabled {
            ("key.enabled", NewChange::changed(EntityKind::ApiKey, id, act.now))
        } else {
            ("key.disabled", NewChange::ended(EntityKind::ApiKey, id, act.now))
        };
        tx.publish(change);
        act.audit(tx, Deed::new(Some(key.owner), action, "api_key", id))?;
    }
    find_own(tx.conn(), owner, by, id)
}
