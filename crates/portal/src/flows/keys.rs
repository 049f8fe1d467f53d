//! API keys: created, changed, switched off and on, rotated, revoked, imported.
//!
//! One rule runs through all of it: nothing grants what it does not have. What a credential makes has at most its
//! maker's terms and has it as ancestor; a credential widens only what it made itself.

mod create;
mod draft;
mod edit;
mod error;
mod import;
mod revoke;
mod rotate;

use std::sync::Arc;

use keyway_core::api_key::{ApiKey, Terms};
use keyway_core::audience::{Access, Api, Catalogue, Grantable};
use keyway_core::facts::{Facts, LimitDefaults};
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::{Environment, Owner};
use keyway_core::quota::{Measure, Quota, Window};
use keyway_core::scope::ScopeSet;
use keyway_store::tables::{accounts, api_keys, owners};
use keyway_store::{Conn, StoreError, Tx};
use serde_json::{Value, json};

use super::notices::{Notice, Notices};
use super::{Act, throttle};
use crate::settings::Settings;

pub use create::{create, new_secret};
pub use draft::{FieldErrors, KeyDraft, RawKey, RawPatch};
pub use edit::{KeyPatch, edit, set_enabled};
pub use error::KeyError;
pub use import::{ImportKey, ImportLine, ImportReport, check_import_line, import, parse_import_line};
pub use revoke::{Losses, losses, revoke};
pub use rotate::{Rotated, change_grace, rotate};

/// What the rules about keys rest on. Cheap to clone; goes into the closure of a write.
#[derive(Clone, Debug)]
pub struct KeyRules {
    /// The APIs and their scopes.
    pub catalogue: Arc<Catalogue>,
    /// The limits that hold where a key or owner names none.
    pub limits: LimitDefaults,
    /// Whether live keys need a verified e-mail address.
    pub live_needs_verified: bool,
}

impl KeyRules {
    /// As the portal was told.
    pub fn new(catalogue: &Arc<Catalogue>, settings: &Settings) -> Self {
        Self {
            catalogue: Arc::clone(catalogue),
            limits: settings.limit_defaults,
            live_needs_verified: !settings.verify_email.allows_live(false),
        }
    }
}

/// By what right someone acts on keys.
#[derive(Clone, Debug)]
pub enum By {
    /// The owner, in the browser.
    Person {
        /// Whether they showed who they are within the last ten minutes.
        fresh: bool,
    },
    /// A credential of the owner, at the management API.
    Credential(Arc<Facts>),
    /// Whoever may run commands on the server.
    Operator,
}

/// The owner for whom keys are made or widened, and whether they administer.
struct Holder {
    owner: Owner,
    is_admin: bool,
    verified: bool,
}

/// Locks the owner's row, so that rules over several keys hold, and reads who it is.
fn lock_holder(tx: &mut Tx<'_>, id: OwnerId) -> Result<Holder, KeyError> {
    if !owners::lock(tx.conn(), id)? {
        return Err(KeyError::NoOwner);
    }
    let owner = owners::find(tx.conn(), id)?.ok_or(KeyError::NoOwner)?;
    if owner.suspended_at.is_some() {
        return Err(KeyError::Suspended);
    }
    // Who has no account has no address to verify: teams.
    let account = accounts::find(tx.conn(), id)?;
    Ok(Holder {
        owner,
        is_admin: account.as_ref().is_some_and(|a| a.is_admin),
        verified: account.is_none_or(|a| a.email_verified_at.is_some()),
    })
}

/// A key of `owner` for `by`. Other people's do not exist, and for a credential neither do those of the other
/// environment.
///
/// # Errors
/// [`KeyError::NotFound`], or when the database cannot answer.
pub fn find_own(conn: &mut Conn, owner: OwnerId, by: &By, id: ApiKeyId) -> Result<ApiKey, KeyError> {
    let visible = |key: &ApiKey| match by {
        By::Operator => true,
        By::Person { .. } => key.owner == owner,
        By::Credential(facts) => key.owner == owner && key.terms.environment == facts.environment,
    };
    api_keys::find(conn, id)?.filter(visible).ok_or(KeyError::NotFound)
}

impl KeyRules {
    /// The APIs that a key with these scopes is for: the named ones, or those to which the scopes belong. Every
    /// scope belongs to one of them, and each of them has a scope.
    fn audiences(&self, named: &[String], scopes: &ScopeSet) -> Result<Vec<&Api>, KeyError> {
        if scopes.is_empty() {
            return Err(KeyError::NoScopes);
        }
        let mut apis: Vec<&Api> = Vec::new();
        if named.is_empty() {
            for scope in scopes {
                let api = self.catalogue.apis().iter().find(|api| api.scope(scope.as_str()).is_some());
                apis.push(api.ok_or_else(|| KeyError::UnknownScope(scope.to_string()))?);
            }
        } else {
            for audience in named {
                let api = self.catalogue.find(audience);
                apis.push(api.ok_or_else(|| KeyError::UnknownAudience(audience.clone()))?);
            }
            if let Some(stray) =
                scopes.iter().find(|s| apis.iter().all(|api| api.scope(s.as_str()).is_none()))
            {
                return Err(KeyError::UnknownScope(stray.to_string()));
            }
            let empty = |api: &&Api| !api.scopes.iter().any(|s| scopes.contains(&s.name));
            if let Some(empty) = apis.iter().copied().find(empty) {
                return Err(KeyError::AudienceWithoutScope(empty.name.clone()));
            }
        }
        apis.sort_unstable_by(|a, b| a.audience.cmp(&b.audience));
        apis.dedup_by(|a, b| a.audience == b.audience);
        Ok(apis)
    }

    /// Whether terms reach beyond reading on live data: making or widening such a key wants a fresh sign-in.
    pub fn wants_fresh(&self, terms: &Terms) -> bool {
        terms.environment == Environment::Live
            && self.scopes_of(terms).any(|definition| definition.access > Access::Read)
    }

    fn scopes_of<'r>(
        &'r self,
        terms: &'r Terms,
    ) -> impl Iterator<Item = &'r keyway_core::audience::ScopeDefinition> {
        let apis = terms.audiences.iter().filter_map(|audience| self.catalogue.find(audience.as_str()));
        apis.flat_map(|api| &api.scopes).filter(|scope| terms.scopes.contains(&scope.name))
    }

    /// Whether the holder may put these scopes on a key.
    fn check_grantable(&self, terms: &Terms, holder: &Holder, by: &By) -> Result<(), KeyError> {
        let allowed = |grant| match grant {
            Grantable::Everyone => true,
            Grantable::OnApproval | Grantable::Administrators => {
                holder.is_admin || matches!(by, By::Operator)
            }
        };
        match self.scopes_of(terms).find(|scope| !allowed(scope.grant)) {
            Some(scope) => Err(KeyError::NotGrantable(scope.name.clone())),
            None => Ok(()),
        }
    }

    /// The rules that every new or widened set of terms keeps.
    fn check_terms(&self, terms: &Terms, holder: &Holder, by: &By) -> Result<(), KeyError> {
        self.check_grantable(terms, holder, by)?;
        if let Some(rate) = terms.rate {
            let shared = holder.owner.rate.or(self.limits.owner.rate());
            if let Some(shared) = shared.filter(|shared| rate.exceeds(*shared)) {
                return Err(KeyError::RateAboveOwner(shared));
            }
        }
        for window in [Window::Day, Window::Month] {
            let (own, shared) = (terms.quotas.of(window), self.limits.owner_quotas.of(window));
            if let (Quota::Calls(_), Quota::Calls(most)) = (own, shared)
                && own.exceeds(shared)
            {
                return Err(KeyError::QuotaAboveOwner(window, Measure::Quota(window, most)));
            }
        }
        let unverified = self.live_needs_verified && !holder.verified && !matches!(by, By::Operator);
        if unverified && terms.environment == Environment::Live {
            return Err(KeyError::Unverified);
        }
        if matches!(by, By::Person { fresh: false }) && self.wants_fresh(terms) {
            return Err(KeyError::NotFresh);
        }
        Ok(())
    }
}

/// The keys that made this one, whatever their state.
fn makers(conn: &mut Conn, key: &ApiKey) -> Result<Vec<ApiKey>, StoreError> {
    api_keys::find_among(conn, &key.ancestors)
}

/// What the owner is told of a key that they made.
pub fn made_notice(key: &ApiKey) -> Notice {
    Notice::NewCredential {
        kind: "API key",
        credential: key.name.clone(),
        scopes: key.terms.scopes.clone(),
        path: format!("/keys/{}", key.id),
        by_program: false,
    }
}

/// Tells the owner of a key that a credential of theirs made; whether a mail was written. It is one an hour at most:
/// a program may make thousands.
///
/// # Errors
/// When the database fails.
pub fn tell_of_program(
    tx: &mut Tx<'_>,
    notices: &Notices,
    act: &Act,
    key: &ApiKey,
) -> Result<bool, StoreError> {
    if !throttle::spend_key_mail(tx.conn(), key.owner, act.now)? {
        return Ok(false);
    }
    let mut notice = made_notice(key);
    if let Notice::NewCredential { by_program, .. } = &mut notice {
        *by_program = true;
    }
    notices.tell(tx, act, key.owner, &notice)
}

/// What audit rows tell of a key.
fn state(key: &ApiKey) -> Value {
    json!({
        "name": key.name,
        "prefix": key.prefix,
        "environment": key.terms.environment.as_str(),
        "audiences": key.terms.audiences.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "scopes": key.terms.scopes.to_string(),
        "addresses": key.terms.addresses.to_string(),
        "rate": key.terms.rate.map(|rate| rate.to_string()),
        "quota_day": key.terms.quotas.day.calls(),
        "quota_month": key.terms.quotas.month.calls(),
        "expires_at": key.terms.expires_at.map(keyway_core::Timestamp::to_rfc3339),
    })
}

#[cfg(test)]
mod tests;
