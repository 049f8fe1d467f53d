//! An API key exchanged for a JWT (RFC 8693): never more than the key, never longer than it, never from elsewhere, and
//! dead with it. There is no refresh token: whoever holds the key asks again.

use std::net::IpAddr;

use keyway_core::Timestamp;
use keyway_core::audience::{Api, Audience};
use keyway_core::facts::{Facts, State};
use keyway_core::ids::ClientId;
use keyway_core::jwt::{ACCESS_TOKEN_LIFETIME, Thumbprint};
use keyway_core::oauth::{Client, ErrorCode, OauthError, TokenFormat};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::{Conn, Store, facts, feed};

use super::{Answer, Ground, Issuance, Terms, TokenError};
use crate::flows::Act;

/// The `subject_token_type` of an API key.
pub const API_KEY_TYPE: &str = "urn:keyway:params:oauth:token-type:api-key";
/// RFC 8693 §3: any access token.
pub const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// RFC 8693 §3: a JWT.
pub const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The API key.
    pub key: PlainSecret,
    /// The client, if one authenticated; else the built-in one is meant.
    pub client: Option<Client>,
    /// Fewer scopes than the key has.
    pub scope: Option<ScopeSet>,
    /// One of the key's APIs.
    pub audience: Option<String>,
    /// From where.
    pub address: IpAddr,
    /// The key that was proven to be held (RFC 9449).
    pub proven: Option<Thumbprint>,
}

/// Gives a JWT for a key.
///
/// # Errors
/// `invalid_request` if the key does not work, or not from here (RFC 8693 §2.2.2); `invalid_target` if it is not for
/// the API; `invalid_scope` if nothing is left of what was asked.
pub async fn run(store: &Store, issuance: &Issuance, act: &Act, asked: Asked) -> Result<Answer, TokenError> {
    let (context, now) = (issuance.clone(), act.now);
    let (ground, terms) = store.read(move |conn| find(conn, &context, &asked, now)).await?;
    let issued = issuance.issue(&ground, &terms, now, &*act.random)?;
    let mut response = issued.response(None);
    response.issued_token_type = Some(ACCESS_TOKEN_TYPE);
    Ok(response.to_answer())
}

fn find(
    conn: &mut Conn,
    issuance: &Issuance,
    asked: &Asked,
    now: Timestamp,
) -> Result<(Ground, Terms), TokenError> {
    let position = feed::head(conn)?.head;
    let key = facts::api_key(conn, asked.key.digest(), &issuance.limits)?
        .ok_or_else(|| refused("subject_token is not an API key of this portal"))?;
    works(&key, asked.address, now)?;
    let api = target(issuance, &key, asked)?;
    let mut scopes = asked.scope.as_ref().unwrap_or(&key.scopes).intersection(&key.scopes);
    scopes = scopes.intersection(&api.scope_set());
    if let Some(client) = asked.client.as_ref().filter(|client| !client.is_builtin()) {
        scopes = scopes.intersection(&client.scopes);
    }
    if scopes.is_empty() {
        let text = "none of the scopes asked for is the key's and this API's";
        return Err(OauthError::new(ErrorCode::InvalidScope, text).into());
    }
    let ground = issuance.ground_at(conn, position, key.owner, TokenFormat::Jwt)?;
    let client = asked.client.as_ref().map_or(ClientId::CLI, |client| client.id);
    let mut ancestors = key.ancestors.clone();
    for id in [key.id, client.entity()] {
        if !ancestors.contains(&id) {
            ancestors.push(id);
        }
    }
    let terms = Terms {
        subject: key.subject,
        client,
        family: None,
        grant: None,
        ancestors,
        audience: api.audience.clone(),
        scopes,
        environment: key.environment,
        addresses: key.addresses,
        budgets: key.budgets,
        rate: None,
        bound_to: asked.proven,
        auth_time: None,
        lifetime: ACCESS_TOKEN_LIFETIME,
        not_after: key.expires_at,
    };
    Ok((ground, terms))
}

/// The whole secret matched: its holder may know why it does not work.
fn works(key: &Facts, address: IpAddr, now: Timestamp) -> Result<(), OauthError> {
    match key.state {
        State::Active => {}
        State::Revoked => return Err(refused("the API key has been revoked")),
        State::Disabled => return Err(refused("the API key is disabled")),
        State::OwnerSuspended => return Err(refused("the owner of the API key is suspended")),
    }
    // A JWT counts in whole seconds: one that ends within this second would be born dead.
    if key.expires_at.is_some_and(|end| end.as_seconds() <= now.as_seconds()) {
        return Err(refused("the API key has expired"));
    }
    if !key.addresses.allows(address) {
        return Err(refused("the API key may not be used from this address"));
    }
    Ok(())
}

/// The one API that the token will be for: named, or the only one that fits.
fn target<'i>(issuance: &'i Issuance, key: &Facts, asked: &Asked) -> Result<&'i Api, OauthError> {
    let api = |audience: &Audience| issuance.catalogue.find(audience.as_str());
    let no_target = |text: &'static str| OauthError::new(ErrorCode::InvalidTarget, text);
    if let Some(named) = &asked.audience {
        let audience = key.audiences.iter().find(|audience| audience.as_str() == named);
        return audience.and_then(api).ok_or_else(|| no_target("the API key is not for this API"));
    }
    let fits = |api: &&Api| {
        let scopes = api.scope_set();
        asked.scope.as_ref().is_none_or(|scope| scopes.contains_all(&scope.intersection(&key.scopes)))
    };
    let mut fitting = key.audiences.iter().filter_map(api).filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(no_target("the API key is for several APIs: name one with audience or resource")),
    }
}

fn refused(description: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidRequest, description)
}
