//! Scopes about the user, which belong to no API (OpenID Connect Core §5.4 and §11).

use crate::scope::{Scope, ScopeSet};

/// Asks for an ID token.
pub const OPENID: &str = "openid";
/// Asks for the user's name.
pub const PROFILE: &str = "profile";
/// Asks for the user's e-mail address.
pub const EMAIL: &str = "email";
/// Asks for a consent that outlives the browser session. It stands in no token.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes about the user with plain words for consent, in the order in which they are shown.
pub const IDENTITY_SCOPES: [(&str, &str); 3] = [
    (OPENID, "Recognise you at your next visit"),
    (PROFILE, "See your name"),
    (EMAIL, "See your e-mail address"),
];

/// The plain words for one of [`IDENTITY_SCOPES`].
pub fn described(scope: &str) -> Option<&'static str> {
    IDENTITY_SCOPES.iter().find(|(name, _)| *name == scope).map(|(_, words)| *words)
}

/// All of [`IDENTITY_SCOPES`].
pub fn identity_scopes() -> ScopeSet {
    IDENTITY_SCOPES.iter().filter_map(|(name, _)| name.parse::<Scope>().ok()).collect()
}

/// [`OFFLINE_ACCESS`] alone.
pub fn offline_access() -> ScopeSet {
    OFFLINE_ACCESS.parse::<Scope>().into_iter().collect()
}

/// Whether a scope is one of [`IDENTITY_SCOPES`] or [`OFFLINE_ACCESS`]: any app may ask for it, and it is the user who
/// says yes or no.
pub fn is_about_user(scope: &str) -> bool {
    scope == OFFLINE_ACCESS || IDENTITY_SCOPES.iter().any(|(name, _)| *name == scope)
}
