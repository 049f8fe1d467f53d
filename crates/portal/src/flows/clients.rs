//! OAuth clients: registered, changed, given secrets, suspended and deleted.

mod builtin;
mod profile;
mod secrets;

pub use builtin::{builtin_owner, ensure_builtin};
pub use profile::{MAX_NAME_LEN, Profile, reaches_beyond_reading};
pub use secrets::{MAX_OVERLAP, MAX_SECRETS, add_secret, revoke_secret};

use keyway_core::audience::{Audience, Catalogue};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::credential::Brand;
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::oauth::{Client, ClientKind, ClientOrigin};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::tables::families::{self, EndReason, EndedBy};
use keyway_store::tables::{clients, grants, owners};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use self::profile::state;
use super::{Act, Deed};

/// The most apps of an owner.
pub const MAX_CLIENTS: u32 = 50;

/// A client about to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Who registers it.
    pub owner: OwnerId,
    /// What kind.
    pub kind: ClientKind,
    /// The API that a resource server is.
    pub audience: Option<Audience>,
    /// Of the token that it manages its registration with (RFC 7592), if it registers itself.
    pub registration: Option<SecretDigest>,
    /// What is said of it.
    pub profile: Profile,
}

/// Why a client is not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The name is empty, too long, or has control characters.
    #[error("a name has 1 to 100 characters, none of them a control character or a mark of direction")]
    Name,
    /// An app that users authorise has nowhere to send them back to, or has too many places.
    #[error("give 1 to 20 redirect URIs: the authorization code is sent to one of them")]
    RedirectUris,
    /// A client for itself alone has redirect URIs all the same.
    #[error("redirect URIs are for the authorization_code grant")]
    NeedlessRedirectUris,
    /// Over 20.
    #[error("give at most 20 URIs for after signing out")]
    PostLogoutRedirectUris,
    /// Not where anybody could be told.
    #[error("the back-channel logout URI has to be https, without fragment, of at most 512 characters")]
    BackchannelLogoutUri,
    /// Not a page.
    #[error("the website has to be an http or https URL of at most 512 characters")]
    Website,
    /// Nothing to verify its assertions with.
    #[error("private_key_jwt needs the app's public keys: a JWK set")]
    NoKeys,
    /// There is no scope.
    #[error("choose at least one scope")]
    NoScopes,
    /// No API has this scope.
    #[error("no API has the scope {0}")]
    UnknownScope(String),
    /// No API has this audience.
    #[error("no API has the audience {0}")]
    UnknownAudience(String),
    /// Kind, authentication and grants do not go together.
    #[error("{0}")]
    Mismatch(&'static str),
    /// The owner has [`MAX_CLIENTS`].
    #[error("there are 50 apps already: delete one first")]
    TooMany,
    /// The client has [`MAX_SECRETS`].
    #[error("there are 5 secrets already: revoke one first")]
    TooManySecrets,
    /// There is no such client or secret of this owner.
    #[error("there is no such app")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a client; one that authenticates with a secret gets its first.
///
/// # Errors
/// See [`ClientError`].
pub fn register(
    tx: &mut Tx<'_>,
    act: &Act,
    catalogue: &Catalogue,
    brand: &Brand,
    new: NewClient,
) -> Result<(Client, Option<PlainSecret>), ClientError> {
    new.profile.check(new.kind, catalogue)?;
    match (new.kind, &new.audience) {
        (ClientKind::Public | ClientKind::Confidential, None) => {}
        (ClientKind::Public | ClientKind::Confidential, Some(_)) => {
            return Err(ClientError::Mismatch("only a resource server has an audience"));
        }
        (ClientKind::ResourceServer, None) => {
            return Err(ClientError::Mismatch("a resource server has an audience"));
        }
        (ClientKind::ResourceServer, Some(audience)) if catalogue.find(audience.as_str()).is_none() => {
            return Err(ClientError::UnknownAudience(audience.to_string()));
        }
        (ClientKind::ResourceServer, Some(_)) => {}
    }
    // Registering counts rows: the owner's row is held, or two at once would both be the last that fits.
    owners::lock(tx.conn(), new.owner)?;
    let taken = clients::list_by_owner(tx.conn(), new.owner, MAX_CLIENTS)?;
    if new.owner != builtin_owner() && taken.len() >= MAX_CLIENTS as usize {
        return Err(ClientError::TooMany);
    }
    let profile = new.profile;
    let client = Client {
        id: ClientId::new(act.now, &*act.random),
        owner: new.owner,
        kind: new.kind,
        name: profile.name.trim().to_owned(),
        website: profile.website,
        auth_method: profile.auth_method,
        jwks: profile.jwks,
        grant_types: profile.grant_types,
        scopes: profile.scopes,
        redirect_uris: profile.redirect_uris,
        post_logout_redirect_uris: profile.post_logout_redirect_uris,
        backchannel_logout_uri: profile.backchannel_logout_uri,
        token_format: profile.token_format,
        id_token_algorithm: profile.id_token_algorithm,
        dpop_bound: profile.dpop_bound,
        audience: new.audience,
        origin: if new.registration.is_some() { ClientOrigin::Dynamic } else { ClientOrigin::Manual },
        created_at: act.now,
        suspended_at: None,
        last_used_at: None,
    };
    clients::insert(tx.conn(), &client, new.registration)?;
    act.audit(
        tx,
        Deed::new(Some(client.owner), "app.registered", "client", client.id).after(state(&client)),
    )?;
    let secret = match client.auth_method.has_secret() {
        true => Some(secrets::insert(tx, act, brand, &client)?.1),
        false => None,
    };
    Ok((client, secret))
}

/// Changes a client of `owner`. What it loses, its tokens lose at once.
///
/// # Errors
/// See [`ClientError`].
pub fn edit(
    tx: &mut Tx<'_>,
    act: &Act,
    catalogue: &Catalogue,
    owner: OwnerId,
    id: ClientId,
    profile: Profile,
) -> Result<Client, ClientError> {
    let before = find_own(tx, owner, id)?;
    profile.check(before.kind, catalogue)?;
    let after = profile.applied_to(&before);
    if !clients::update(tx.conn(), &after)? {
        return Err(ClientError::NotFound);
    }
    tx.publish(if after.scopes.contains_all(&before.scopes) {
        NewChange::changed(EntityKind::Client, id, act.now)
    } else {
        NewChange::ended(EntityKind::Client, id, act.now)
    });
    act.audit(
        tx,
        Deed::new(Some(owner), "app.changed", "client", id).before(state(&before)).after(state(&after)),
    )?;
    Ok(after)
}

/// Suspends a client, or lets it work again: an administrator's act.
///
/// # Errors
/// [`ClientError::NotFound`] if there is none, or it is so already.
pub fn suspend(tx: &mut Tx<'_>, act: &Act, id: ClientId, suspended: bool) -> Result<(), ClientError> {
    let client = clients::find(tx.conn(), id)?.ok_or(ClientError::NotFound)?;
    if !clients::set_suspended(tx.conn(), id, suspended.then_some(act.now))? {
        return Err(ClientError::NotFound);
    }
    if suspended {
        families::end_all(tx.conn(), EndedBy::Client(id), act.now, EndReason::ClientEnded)?;
    }
    let (action, change) = if suspended {
        ("app.suspended", NewChange::ended(EntityKind::Client, id, act.now))
    } else {
        ("app.unsuspended", NewChange::changed(EntityKind::Client, id, act.now))
    };
    tx.publish(change);
    act.audit(tx, Deed::new(Some(client.owner), action, "client", id))?;
    Ok(())
}

/// Deletes a client of `owner`, with all consents to it and everything that came of them.
///
/// # Errors
/// [`ClientError::NotFound`] if it is not this owner's, or part of the portal.
pub fn delete(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: ClientId) -> Result<(), ClientError> {
    let client = find_own(tx, owner, id)?;
    if !clients::delete(tx.conn(), id, act.now)? {
        return Err(ClientError::NotFound);
    }
    let ended = grants::revoke_all_of_client(tx.conn(), id, act.now)?;
    families::end_all(tx.conn(), EndedBy::Client(id), act.now, EndReason::ClientEnded)?;
    tx.publish(NewChange::ended(EntityKind::Client, id, act.now));
    let deed = Deed::new(Some(owner), "app.deleted", "client", id).before(state(&client));
    act.audit(tx, deed.after(json!({ "consents_ended": ended.len() })))?;
    Ok(())
}

/// Takes back all consents to a client of `owner`, and ends everything that came of them or of the client itself.
///
/// # Errors
/// [`ClientError::NotFound`] if it is not this owner's, or part of the portal.
pub fn revoke_tokens(tx: &mut Tx<'_>, act: &Act, owner: OwnerId, id: ClientId) -> Result<(), ClientError> {
    find_own(tx, owner, id)?;
    let ended = grants::revoke_all_of_client(tx.conn(), id, act.now)?;
    families::end_all(tx.conn(), EndedBy::Client(id), act.now, EndReason::Revoked)?;
    tx.publish(NewChange::ended(EntityKind::Client, id, act.now));
    let deed = Deed::new(Some(owner), "app.tokens_revoked", "client", id);
    act.audit(tx, deed.after(json!({ "consents_ended": ended.len() })))?;
    Ok(())
}

/// A client that `owner` registered.
fn find_own(tx: &mut Tx<'_>, owner: OwnerId, id: ClientId) -> Result<Client, ClientError> {
    clients::find(tx.conn(), id)?
        .filter(|client| client.owner == owner && !client.is_builtin())
        .ok_or(ClientError::NotFound)
}

#[cfg(test)]
mod tests;
