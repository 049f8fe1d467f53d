//! A client acting for itself (RFC 6749 §4.4): no user, no refresh token.

use std::sync::Arc;

use keyway_core::address::AddressList;
use keyway_core::facts::{Ancestors, Subject};
use keyway_core::jwt::{ACCESS_TOKEN_LIFETIME, Thumbprint};
use keyway_core::oauth::{Client, ErrorCode, OauthError, is_about_user};
use keyway_core::owner::Environment;
use keyway_core::scope::ScopeSet;
use keyway_store::{Store, StoreError};

use super::{Answer, Ground, Issuance, Terms, TokenError};
use crate::flows::Act;
use crate::flows::authorize::target;

/// What a client asks for. It has been authenticated, is confidential and may use this grant.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub client: Arc<Client>,
    /// What the token rests on: read of the client's owner, before or with the client.
    pub ground: Ground,
    /// What for; all that it was registered with, if it does not say.
    pub scope: Option<ScopeSet>,
    /// The API (RFC 8707).
    pub resource: Option<String>,
    /// The key that the client proves to hold (RFC 9449).
    pub proven: Option<Thumbprint>,
}

/// Gives an access token.
///
/// # Errors
/// `invalid_scope` if more is asked than the client was registered with, `invalid_target` if the API is unknown or
/// more than one could be meant.
pub async fn run(store: &Store, issuance: &Issuance, act: &Act, asked: Asked) -> Result<Answer, TokenError> {
    let Asked { client, ground, scope, resource, proven } = asked;
    // There is no user to tell of.
    let registered: ScopeSet =
        client.scopes.iter().filter(|scope| !is_about_user(scope.as_str())).cloned().collect();
    let wanted = scope.as_ref().unwrap_or(&registered);
    if let Some(extra) = wanted.iter().find(|scope| !registered.contains(scope.as_str())) {
        return Err(OauthError::new(
            ErrorCode::InvalidScope,
            format!("this client may not ask for the scope {extra}"),
        )
        .into());
    }
    let (audience, scopes) =
        target(&client, &issuance.catalogue, resource.as_deref(), wanted, scope.is_some())?;
    let owner = client.owner;
    let budgets =
        issuance.limits.budgets(client.id.entity(), None, (owner, ground.owner.rate), Environment::Live);
    let terms = Terms {
        subject: Subject::Client(client.id),
        client: client.id,
        family: None,
        grant: None,
        ancestors: Ancestors::from_slice(&[owner.entity(), client.id.entity()]),
        audience,
        scopes,
        environment: Environment::Live,
        addresses: AddressList::default(),
        budgets,
        rate: None,
        bound_to: proven,
        auth_time: None,
        lifetime: ACCESS_TOKEN_LIFETIME,
        not_after: None,
    };
    let issued = issuance.issue(&ground, &terms, act.now, &*act.random)?;
    let answer = issued.response(None).to_answer();
    if issued.is_opaque() {
        store.write::<_, StoreError, _>(move |tx| issued.keep(tx)).await?;
    }
    Ok(answer)
}
