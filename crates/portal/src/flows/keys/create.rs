//! Creating a key.

use keyway_core::Random;
use keyway_core::api_key::{ApiKey, Audiences, Lifetime, MAX_KEYS, Terms, sooner};
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::facts::Ancestors;
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::quota::Quotas;
use keyway_core::rate::Limit;
use keyway_core::secret::PlainSecret;
use keyway_store::Tx;
use keyway_store::tables::api_keys;

use super::{By, KeyDraft, KeyError, KeyRules, lock_holder, state};
use crate::flows::{Act, Deed};

/// A new secret for a key; made before the transaction.
pub fn new_secret(brand: &Brand, environment: Environment, random: &dyn Random) -> PlainSecret {
    let kind = match environment {
        Environment::Live => Kind::LiveKey,
        Environment::Test => Kind::TestKey,
    };
    credential::generate(brand, kind, random)
}

/// Creates a key of `owner`, whose secret is `secret`.
///
/// # Errors
/// See [`KeyError`].
pub fn create(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    by: &By,
    owner: OwnerId,
    draft: KeyDraft,
    secret: &PlainSecret,
) -> Result<ApiKey, KeyError> {
    let holder = lock_holder(tx, owner)?;
    let apis = rules.audiences(&draft.audiences, &draft.scopes)?;
    let mut terms = Terms {
        environment: draft.environment,
        audiences: apis.iter().map(|api| api.audience.clone()).collect::<Audiences>(),
        scopes: draft.scopes,
        addresses: draft.addresses,
        rate: draft.rate,
        quotas: draft.quotas,
        expires_at: draft.lifetime.unwrap_or_default().end(act.now)?,
    };
    let mut ancestors = Ancestors::new();
    if let By::Credential(maker) = by {
        let (bounds, line) = ApiKey::bounds_of(maker);
        inherit(&mut terms, &bounds, draft.lifetime)?;
        ancestors = line;
    }
    rules.check_terms(&terms, &holder, by)?;
    check_room(tx, owner)?;
    let key = ApiKey {
        id: ApiKeyId::new(act.now, &*act.random),
        owner,
        creator: owner,
        prefix: credential::display_prefix(secret),
        last4: secret.last4().to_owned(),
        name: draft.name,
        note: draft.note,
        terms,
        ancestors,
        created_at: act.now,
        disabled_at: None,
        revoked_at: None,
        revoked_reason: None,
        replaced_by: None,
        grace_ends_at: None,
        replaces: None,
        imported: false,
        last_used_at: None,
        last_used_address: None,
        version: 0,
    };
    api_keys::insert(tx.conn(), &key, &secret.digest())?;
    act.audit(tx, Deed::new(Some(owner), "key.created", "api_key", key.id).after(state(&key)))?;
    Ok(key)
}

/// What is not said follows from the maker; what is said must lie within it.
fn inherit(terms: &mut Terms, bounds: &Terms, lifetime: Option<Lifetime>) -> Result<(), KeyError> {
    if terms.rate.is_some() || !terms.quotas.is_off() {
        return Err(KeyError::RateOfMaker);
    }
    if terms.addresses.is_empty() {
        terms.addresses = bounds.addresses.clone();
    }
    if lifetime.is_none() {
        terms.expires_at = sooner(terms.expires_at, bounds.expires_at);
    }
    match terms.first_excess(bounds, Limit::Off, Quotas::OFF) {
        Some(excess) => Err(KeyError::BeyondMaker(excess)),
        None => Ok(()),
    }
}

/// Whether one more key fits. Counts under the owner's lock.
pub(super) fn check_room(tx: &mut Tx<'_>, owner: OwnerId) -> Result<(), KeyError> {
    let taken = api_keys::count_unrevoked(tx.conn(), owner)?;
    if taken < MAX_KEYS { Ok(()) } else { Err(KeyError::TooMany) }
}
