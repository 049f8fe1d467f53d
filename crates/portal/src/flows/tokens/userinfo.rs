//! What an app may know of the user who signed in (OpenID Connect Core §5.3).

use keyway_core::facts::{Facts, Subject};
use keyway_core::ids::OwnerId;
use keyway_core::oauth::{EMAIL, PROFILE};
use keyway_store::tables::{accounts, owners};
use keyway_store::{Conn, StoreError};
use serde::Serialize;

/// The claims, each where its scope was granted (OpenID Connect Core §5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// The person, as in the ID token.
    pub sub: OwnerId,
    /// Scope `profile`: what the person is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Scope `email`: the person's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Scope `email`: whether the person showed that it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
}

/// What the holder of a living access token with these facts may know; `None` if no person stands behind it.
///
/// # Errors
/// When the database cannot answer.
pub fn userinfo(conn: &mut Conn, facts: &Facts) -> Result<Option<UserInfo>, StoreError> {
    let Subject::Owner(sub) = facts.subject else { return Ok(None) };
    let (Some(owner), Some(account)) = (owners::find(conn, sub)?, accounts::find(conn, sub)?) else {
        return Ok(None);
    };
    let has = |scope: &str| facts.scopes.contains(scope);
    Ok(Some(UserInfo {
        sub,
        name: has(PROFILE).then_some(owner.name),
        email_verified: has(EMAIL).then_some(account.email_verified_at.is_some()),
        email: has(EMAIL).then_some(account.email),
    }))
}
