//! Clients that register themselves (RFC 7591) and look after their registration (RFC 7592).
//!
//! They are nobody's acquaintances: they get the code grant and refresh tokens, no scope of the management API, and
//! the consent page says that they are not checked.

mod initial_access;
mod metadata;

pub use initial_access::{NewToken, create_token, revoke_token};
pub use metadata::{Information, Requested, Update};

use keyway_core::Timestamp;
use keyway_core::credential::{self, Kind};
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::oauth::{Client, ErrorCode, OauthError};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::{client_secrets, clients, owners, registration_tokens};
use keyway_store::{Conn, StoreError, Tx};

use super::Act;
use super::clients::{self as flow, ClientError, NewClient, builtin_owner};
use super::tokens::Issuance;

/// Why a registration is not made, shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The token is none, or is over; or the client that it was for is gone.
    #[error("the token does not work")]
    Unauthorised,
    /// The client is suspended.
    #[error("the client is suspended")]
    Suspended,
    /// For the client's developer to read.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ClientError> for RegistrationError {
    fn from(error: ClientError) -> Self {
        let code = match error {
            ClientError::Store(error) => return Self::Store(error),
            ClientError::NotFound => return Self::Unauthorised,
            ClientError::RedirectUris | ClientError::NeedlessRedirectUris => ErrorCode::InvalidRedirectUri,
            ClientError::Name
            | ClientError::PostLogoutRedirectUris
            | ClientError::BackchannelLogoutUri
            | ClientError::Website
            | ClientError::NoKeys
            | ClientError::NoScopes
            | ClientError::UnknownScope(_)
            | ClientError::UnknownAudience(_)
            | ClientError::Mismatch(_)
            | ClientError::TooMany
            | ClientError::TooManySecrets => ErrorCode::InvalidClientMetadata,
        };
        Self::Oauth(OauthError::new(code, error.to_string()))
    }
}

/// A registration as it is answered; secrets in it are known to nobody else.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, if it was given one just now.
    pub secret: Option<PlainSecret>,
    /// What it looks after its registration with.
    pub token: PlainSecret,
}

/// Registers a client: on behalf of whoever made the initial access token, or, without one, of the portal.
///
/// # Errors
/// [`RegistrationError::Unauthorised`] if the token does not work; else what is wrong with the metadata.
pub fn register(
    tx: &mut Tx<'_>,
    act: &Act,
    issuance: &Issuance,
    initial: Option<SecretDigest>,
    requested: &Requested,
) -> Result<Registered, RegistrationError> {
    let owner = match initial {
        Some(digest) => sponsor(tx, digest, act.now)?,
        None => builtin_owner(),
    };
    let (kind, profile) = requested.understand(issuance)?;
    let token = credential::generate(&issuance.brand, Kind::RegistrationAccess, &*act.random);
    let new = NewClient { owner, kind, audience: None, registration: Some(token.digest()), profile };
    let (client, secret) = flow::register(tx, act, &issuance.catalogue, &issuance.brand, new)?;
    Ok(Registered { client, secret, token })
}

/// Spends a use of an initial access token.
fn sponsor(tx: &mut Tx<'_>, digest: SecretDigest, now: Timestamp) -> Result<OwnerId, RegistrationError> {
    let unauthorised = || RegistrationError::Unauthorised;
    let token = registration_tokens::find(tx.conn(), digest)?.ok_or_else(unauthorised)?;
    owners::find(tx.conn(), token.owner)?
        .filter(|owner| owner.suspended_at.is_none())
        .ok_or_else(unauthorised)?;
    if registration_tokens::consume(tx.conn(), token.id, now)? {
        Ok(token.owner)
    } else {
        Err(unauthorised())
    }
}

/// The client that `token` looks after.
///
/// # Errors
/// [`RegistrationError::Unauthorised`] or [`RegistrationError::Suspended`] (RFC 7592 §2.1).
pub fn find(conn: &mut Conn, id: ClientId, token: SecretDigest) -> Result<Client, RegistrationError> {
    if clients::registration(conn, id)? != Some(token) {
        return Err(RegistrationError::Unauthorised);
    }
    let client = clients::find(conn, id)?.ok_or(RegistrationError::Unauthorised)?;
    if client.suspended_at.is_some() { Err(RegistrationError::Suspended) } else { Ok(client) }
}

/// Puts other metadata in the place of what is registered; what is left out goes back to its default (RFC 7592 §2.2).
/// The token is replaced.
///
/// # Errors
/// As [`find`]; else what is wrong with the metadata.
pub fn replace(
    tx: &mut Tx<'_>,
    act: &Act,
    issuance: &Issuance,
    id: ClientId,
    token: SecretDigest,
    update: &Update,
) -> Result<Registered, RegistrationError> {
    let before = find(tx.conn(), id, token)?;
    let secrets = client_secrets::list(tx.conn(), id, act.now)?;
    update.check(id, &secrets)?;
    let (kind, profile) = update.requested.understand(issuance)?;
    if kind != before.kind {
        let text = "a client that authenticates cannot become one that does not, nor the other way round";
        return Err(OauthError::new(ErrorCode::InvalidClientMetadata, text).into());
    }
    let act = as_client(act, &before);
    let client = flow::edit(tx, &act, &issuance.catalogue, before.owner, id, profile)?;
    let secret = match client.auth_method.has_secret() && secrets.is_empty() {
        true => Some(flow::add_secret(tx, &act, &issuance.brand, before.owner, id, None)?),
        false => None,
    };
    let next = credential::generate(&issuance.brand, Kind::RegistrationAccess, &*act.random);
    // Of two at once with the same token, one finds it replaced.
    if !clients::rotate_registration(tx.conn(), id, token, next.digest())? {
        return Err(RegistrationError::Unauthorised);
    }
    Ok(Registered { client, secret, token: next })
}

/// Deletes the client, and everything that it was given (RFC 7592 §2.3).
///
/// # Errors
/// As [`find`].
pub fn delete(
    tx: &mut Tx<'_>,
    act: &Act,
    id: ClientId,
    token: SecretDigest,
) -> Result<(), RegistrationError> {
    let client = find(tx.conn(), id, token)?;
    Ok(flow::delete(tx, &as_client(act, &client), client.owner, id)?)
}

fn as_client(act: &Act, client: &Client) -> Act {
    Act { actor: Actor::client(client.id, &client.name), ..act.clone() }
}
