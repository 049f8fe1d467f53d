//! A credential exchanged for a JWT (RFC 8693): an API key for one that needs no look-up, an access token for one
//! that may do less, a trusted issuer's token for one of ours. Never more than the subject, never longer than it, never from elsewhere, and dead with it. There
//! is no refresh token: whoever holds the subject asks again.

use std::net::IpAddr;
use std::sync::Arc;

use keyway_core::Timestamp;
use keyway_core::audience::{Api, Audience};
use keyway_core::credential::{Shape, Shapes};
use keyway_core::facts::{Facts, Method, State};
use keyway_core::ids::ClientId;
use keyway_core::jwt::{ACCESS_TOKEN_LIFETIME, Thumbprint};
use keyway_core::oauth::{Client, ErrorCode, OauthError, TokenFormat};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::api_keys;
use keyway_store::{Conn, Store, StoreError, facts, feed};

use super::{Answer, Ground, Issuance, Terms, TokenError, live, outside};
use crate::flows::Act;
use crate::outside::Verified;

/// A token may descend from so many that can be taken away: each exchange of what was exchanged adds one.
const MAX_ANCESTORS: usize = 16;

/// The `subject_token_type` of an API key.
pub const API_KEY_TYPE: &str = "urn:keyway:params:oauth:token-type:api-key";
/// RFC 8693 §3: any access token.
pub const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// RFC 8693 §3: a JWT.
pub const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What a subject token says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// [`API_KEY_TYPE`].
    ApiKey,
    /// [`ACCESS_TOKEN_TYPE`]: opaque or signed.
    AccessToken,
    /// [`JWT_TYPE`]: signed.
    Jwt,
}

impl SubjectType {
    /// By its identifier (RFC 8693 §3).
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            API_KEY_TYPE => Some(Self::ApiKey),
            ACCESS_TOKEN_TYPE => Some(Self::AccessToken),
            JWT_TYPE => Some(Self::Jwt),
            _ => None,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The credential.
    pub subject: PlainSecret,
    /// What it is.
    pub subject_type: SubjectType,
    /// What it is if it is a good token of a trusted issuer.
    pub outside: Option<Verified>,
    /// The client, if one authenticated; else the built-in one is meant.
    pub client: Option<Client>,
    /// Fewer scopes than the subject has.
    pub scope: Option<ScopeSet>,
    /// One of the subject's APIs.
    pub audience: Option<String>,
    /// The answer calls the token a JWT rather than an access token.
    pub as_jwt: bool,
    /// From where.
    pub address: IpAddr,
    /// The key that was proven to be held (RFC 9449).
    pub proven: Option<Thumbprint>,
}

/// Gives a JWT for a credential.
///
/// # Errors
/// `invalid_request` if the subject does not work, not from here, or not for this client (RFC 8693 §2.2.2);
/// `invalid_target` if it is not for the API; `invalid_scope` if nothing is left of what was asked.
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    shapes: Arc<Shapes>,
    act: &Act,
    asked: Asked,
) -> Result<Answer, TokenError> {
    let (context, now, as_jwt, address) = (issuance.clone(), act.now, asked.as_jwt, asked.address);
    let (subject, ground, terms) = store.read(move |conn| find(conn, &context, &shapes, &asked, now)).await?;
    let issued = issuance.issue(&ground, &terms, now, &*act.random)?;
    if subject.method == Method::ApiKey {
        let touched: Result<bool, StoreError> =
            store.write(move |tx| api_keys::touch(tx.conn(), subject.id, now, Some(address))).await;
        // When a key was last used is worth knowing, but no reason to refuse.
        if let Err(error) = touched {
            tracing::warn!(%error, "the use of an API key was not remembered");
        }
    }
    let mut response = issued.response(None);
    response.issued_token_type = Some(if as_jwt { JWT_TYPE } else { ACCESS_TOKEN_TYPE });
    Ok(response.to_answer())
}

fn find(
    conn: &mut Conn,
    issuance: &Issuance,
    shapes: &Shapes,
    asked: &Asked,
    now: Timestamp,
) -> Result<(Facts, Ground, Terms), TokenError> {
    let position = feed::head(conn)?.head;
    let client = asked.client.as_ref().map_or(ClientId::CLI, |client| client.id);
    let subject = match &asked.outside {
        Some(verified) => outside::facts(conn, &issuance.limits, verified)?
            .ok_or_else(|| refused("the account that subject_token is about is not connected to any here"))?,
        None => subject(conn, issuance, shapes, asked, client)?,
    };
    works(&subject, asked, now)?;
    let api = target(issuance, &subject, asked)?;
    let mut scopes = asked.scope.as_ref().unwrap_or(&subject.scopes).intersection(&subject.scopes);
    scopes = scopes.intersection(&api.scope_set());
    if let Some(client) = asked.client.as_ref().filter(|client| !client.is_builtin()) {
        scopes = scopes.intersection(&client.scopes);
    }
    if scopes.is_empty() {
        let text = "none of the scopes asked for is the subject's and this API's";
        return Err(OauthError::new(ErrorCode::InvalidScope, text).into());
    }
    let ground = issuance.ground_at(conn, position, subject.owner, TokenFormat::Jwt)?;
    let mut ancestors = subject.ancestors.clone();
    for id in [Some(subject.id), subject.signing_key, Some(client.entity())].into_iter().flatten() {
        if !ancestors.contains(&id) {
            ancestors.push(id);
        }
    }
    if ancestors.len() > MAX_ANCESTORS {
        return Err(refused("the subject token was exchanged too many times").into());
    }
    let terms = Terms {
        subject: subject.subject,
        client,
        family: None,
        grant: None,
        ancestors,
        audience: api.audience.clone(),
        scopes,
        environment: subject.environment,
        addresses: subject.addresses.clone(),
        budgets: subject.budgets,
        rate: None,
        bound_to: asked.proven,
        auth_time: None,
        lifetime: ACCESS_TOKEN_LIFETIME,
        not_after: subject.expires_at,
    };
    Ok((subject, ground, terms))
}

/// The credential, if `client` may exchange it: an API key speaks for itself, an access token only for the client
/// that it was issued to.
fn subject(
    conn: &mut Conn,
    issuance: &Issuance,
    shapes: &Shapes,
    asked: &Asked,
    client: ClientId,
) -> Result<Facts, TokenError> {
    let token = &asked.subject;
    let found = match asked.subject_type {
        SubjectType::ApiKey => facts::api_key(conn, token.digest(), &issuance.limits)?,
        SubjectType::Jwt if shapes.classify(token.expose()) != Shape::Jwt => None,
        SubjectType::AccessToken | SubjectType::Jwt => {
            live::access_token(conn, issuance, shapes, token)?.filter(|facts| facts.client == Some(client))
        }
    };
    let unknown = match asked.subject_type {
        SubjectType::ApiKey => "subject_token is not an API key of this portal",
        SubjectType::AccessToken | SubjectType::Jwt => "subject_token is not an access token of this client",
    };
    Ok(found.ok_or_else(|| refused(unknown))?)
}

/// The whole secret matched, or the signature verified: its holder may know why it does not work.
fn works(subject: &Facts, asked: &Asked, now: Timestamp) -> Result<(), OauthError> {
    match subject.state {
        State::Active => {}
        State::Revoked => return Err(refused("the subject token has been revoked")),
        State::Disabled => return Err(refused("the subject token is disabled")),
        State::OwnerSuspended => return Err(refused("the owner of the subject token is suspended")),
    }
    // A JWT counts in whole seconds: one that ends within this second would be born dead.
    if subject.expires_at.is_some_and(|end| end.as_seconds() <= now.as_seconds()) {
        return Err(refused("the subject token has expired"));
    }
    if now < subject.not_before {
        return Err(refused("the subject token is not valid yet"));
    }
    if !subject.addresses.allows(asked.address) {
        return Err(refused("the subject token may not be used from this address"));
    }
    if subject.bound_to.is_some() && subject.bound_to != asked.proven {
        return Err(refused("the subject token is bound to a key: send a DPoP proof of it"));
    }
    Ok(())
}

/// The one API that the token will be for: named, or the only one that fits.
fn target<'i>(issuance: &'i Issuance, subject: &Facts, asked: &Asked) -> Result<&'i Api, OauthError> {
    let api = |audience: &Audience| issuance.catalogue.find(audience.as_str());
    let no_target = |text: &'static str| OauthError::new(ErrorCode::InvalidTarget, text);
    if let Some(named) = &asked.audience {
        let audience = subject.audiences.iter().find(|audience| audience.as_str() == named);
        return audience.and_then(api).ok_or_else(|| no_target("the subject token is not for this API"));
    }
    let fits = |api: &&Api| {
        let scopes = api.scope_set();
        asked.scope.as_ref().is_none_or(|scope| scopes.contains_all(&scope.intersection(&subject.scopes)))
    };
    let mut fitting = subject.audiences.iter().filter_map(api).filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(no_target("the subject token is for several APIs: name one with audience or resource")),
    }
}

fn refused(description: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidRequest, description)
}
