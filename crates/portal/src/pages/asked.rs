//! What an app asks a person for: shown alike for a browser's request and for a device's.

use keyway_core::Timestamp;
use keyway_core::oauth::{Client, ClientOrigin, Grant, IDENTITY_SCOPES, is_about_user};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::scope::ScopeSet;
use serde::Serialize;

use crate::state::Portal;

/// The app that asks.
#[derive(Serialize)]
pub struct AppView {
    name: String,
    owner: String,
    website: Option<String>,
    created_at: Timestamp,
    checked: bool,
}

impl AppView {
    /// `client`, which `owner` registered.
    pub fn of(client: &Client, owner: Option<Owner>) -> Self {
        let checked = client.origin != ClientOrigin::Dynamic;
        Self {
            name: client.name.clone(),
            owner: match owner {
                // It registered itself, on nobody's behalf: the portal's name would vouch for it.
                Some(owner) if owner.kind == OwnerKind::Builtin && !checked => "somebody unknown".to_owned(),
                Some(owner) => owner.name,
                None => "an account that is gone".to_owned(),
            },
            website: client.website.clone(),
            created_at: client.created_at,
            checked,
        }
    }
}

/// A scope in plain words.
#[derive(Serialize)]
pub struct ScopeView {
    name: String,
    description: String,
    sensitive: bool,
    is_new: bool,
}

/// The name of the API with this audience, if there is one, and `scopes` in plain words; new are those that `grant`
/// lacks.
pub fn scope_views<'p>(
    portal: &'p Portal,
    audience: &str,
    scopes: &ScopeSet,
    grant: Option<&Grant>,
) -> (Option<&'p str>, Vec<ScopeView>) {
    let api = portal.catalogue.find(audience);
    // What is asked about the user first.
    let about_user = IDENTITY_SCOPES.iter().filter(|(name, _)| scopes.contains(name));
    let about_user = about_user.map(|(name, description)| ScopeView {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        sensitive: false,
        is_new: grant.is_some_and(|grant| !grant.scopes.contains(name)),
    });
    let of_api = scopes.iter().filter(|scope| !is_about_user(scope.as_str())).map(|scope| {
        let definition = api.and_then(|api| api.scope(scope.as_str()));
        ScopeView {
            name: scope.to_string(),
            description: definition.map_or_else(|| scope.to_string(), |d| d.description.clone()),
            sensitive: definition.is_some_and(|d| d.sensitive),
            is_new: grant.is_some_and(|grant| !grant.scopes.contains(scope.as_str())),
        }
    });
    (api.map(|api| api.name.as_str()), about_user.chain(of_api).collect())
}
