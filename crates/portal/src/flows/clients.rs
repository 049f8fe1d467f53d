//! OAuth clients: registered, changed, given secrets, suspended and deleted.

mod builtin;
mod secrets;

pub use builtin::{builtin_owner, ensure_builtin};
pub use secrets::{MAX_SECRETS, add_secret, revoke_secret};

use keyway_core::audience::{Access, Catalogue};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::credential::Brand;
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{
    AuthMethod, Client, ClientKind, ClientOrigin, GrantType, MAX_REDIRECT_URIS, RedirectUri, TokenFormat,
};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::clients::ClientUpdate;
use keyway_store::tables::families::{self, EndReason, EndedBy};
use keyway_store::tables::{clients, grants, owners};
use keyway_store::{StoreError, Tx};
use serde_json::{Value, json};

use super::{Act, Deed};

/// The most apps of an owner.
pub const MAX_CLIENTS: u32 = 50;
/// The longest name, in characters.
pub const MAX_NAME_LEN: usize = 100;

/// A client about to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Who registers it.
    pub owner: OwnerId,
    /// What kind.
    pub kind: ClientKind,
    /// Shown at consent.
    pub name: String,
    /// How it will authenticate.
    pub auth_method: AuthMethod,
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The grants that it may use.
    pub grant_types: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// The API that a resource server is.
    pub audience: Option<keyway_core::audience::Audience>,
}

/// What an owner changes of a client.
#[derive(Clone, Debug)]
pub struct ClientChange {
    /// Shown at consent.
    pub name: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
}

/// Why a client is not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The name is empty, too long, or has control characters.
    #[error("a name has 1 to 100 characters, none of them a control character")]
    Name,
    /// An app that users authorise has nowhere to send them back to, or has too many places.
    #[error("give 1 to 20 redirect URIs: the authorization code is sent to one of them")]
    RedirectUris,
    /// A client for itself alone has redirect URIs all the same.
    #[error("redirect URIs are for the authorization_code grant")]
    NeedlessRedirectUris,
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

/// Registers a client; a confidential one gets its first secret.
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
    check_name(&new.name)?;
    check_uris(&new.redirect_uris, new.grant_types.contains(&GrantType::AuthorizationCode))?;
    check_shape(&new)?;
    if new.kind == ClientKind::ResourceServer {
        let audience =
            new.audience.as_ref().ok_or(ClientError::Mismatch("a resource server has an audience"))?;
        if catalogue.find(audience.as_str()).is_none() {
            return Err(ClientError::UnknownAudience(audience.to_string()));
        }
    } else {
        check_scopes(catalogue, &new.scopes)?;
    }
    // Registering counts rows: the owner's row is held, or two at once would both be the last that fits.
    owners::lock(tx.conn(), new.owner)?;
    let taken = clients::list_by_owner(tx.conn(), new.owner, MAX_CLIENTS)?;
    if new.owner != builtin_owner() && taken.len() >= MAX_CLIENTS as usize {
        return Err(ClientError::TooMany);
    }
    let client = Client {
        id: ClientId::new(act.now, &*act.random),
        owner: new.owner,
        kind: new.kind,
        name: new.name.trim().to_owned(),
        auth_method: new.auth_method,
        redirect_uris: new.redirect_uris,
        post_logout_redirect_uris: new.post_logout_redirect_uris,
        grant_types: new.grant_types,
        scopes: new.scopes,
        token_format: new.token_format,
        audience: new.audience,
        jwks: None,
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound: false,
        backchannel_logout_uri: None,
        origin: ClientOrigin::Manual,
        created_at: act.now,
        suspended_at: None,
    };
    clients::insert(tx.conn(), &client)?;
    act.audit(
        tx,
        Deed::new(Some(client.owner), "app.registered", "client", client.id).after(state(&client)),
    )?;
    let secret = match client.auth_method {
        AuthMethod::None | AuthMethod::PrivateKeyJwt => None,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Some(secrets::insert(tx, act, brand, &client)?)
        }
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
    change: &ClientChange,
) -> Result<Client, ClientError> {
    let before = find_own(tx, owner, id)?;
    check_name(&change.name)?;
    check_uris(&change.redirect_uris, before.may_use(GrantType::AuthorizationCode))?;
    check_scopes(catalogue, &change.scopes)?;
    let update = ClientUpdate {
        name: change.name.trim(),
        redirect_uris: &change.redirect_uris,
        scopes: &change.scopes,
        token_format: change.token_format,
    };
    if !clients::update(tx.conn(), id, &update)? {
        return Err(ClientError::NotFound);
    }
    let after = Client {
        name: update.name.to_owned(),
        redirect_uris: change.redirect_uris.clone(),
        scopes: change.scopes.clone(),
        token_format: change.token_format,
        ..before.clone()
    };
    if !after.scopes.contains_all(&before.scopes) {
        tx.publish(NewChange::ended(EntityKind::Client, id, act.now));
    }
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

fn check_name(name: &str) -> Result<(), ClientError> {
    let count = name.trim().chars().count();
    let good = (1..=MAX_NAME_LEN).contains(&count) && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(ClientError::Name) }
}

fn check_uris(uris: &[RedirectUri], has_code_grant: bool) -> Result<(), ClientError> {
    match (uris.len(), has_code_grant) {
        (0, false) => Ok(()),
        (_, false) => Err(ClientError::NeedlessRedirectUris),
        (1..=MAX_REDIRECT_URIS, true) => Ok(()),
        (_, true) => Err(ClientError::RedirectUris),
    }
}

fn check_scopes(catalogue: &Catalogue, scopes: &ScopeSet) -> Result<(), ClientError> {
    if scopes.is_empty() {
        return Err(ClientError::NoScopes);
    }
    let known = |name: &str| catalogue.apis().iter().any(|api| api.scope(name).is_some());
    match scopes.iter().find(|scope| !known(scope.as_str())) {
        Some(unknown) => Err(ClientError::UnknownScope(unknown.to_string())),
        None => Ok(()),
    }
}

fn check_shape(new: &NewClient) -> Result<(), ClientError> {
    let has_secret = matches!(new.auth_method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost);
    let uses = |grant| new.grant_types.contains(&grant);
    let wrong = match new.kind {
        _ if new.auth_method == AuthMethod::PrivateKeyJwt => "private_key_jwt is not supported",
        ClientKind::Public if has_secret => "a public client keeps no secret",
        ClientKind::Public if uses(GrantType::ClientCredentials) => {
            "client_credentials needs a client that can keep a secret"
        }
        ClientKind::Confidential | ClientKind::ResourceServer if !has_secret => {
            "a confidential client authenticates with a secret"
        }
        ClientKind::ResourceServer if !new.grant_types.is_empty() || !new.scopes.is_empty() => {
            "a resource server asks for no tokens"
        }
        ClientKind::Public | ClientKind::Confidential if new.audience.is_some() => {
            "only a resource server has an audience"
        }
        ClientKind::Public | ClientKind::Confidential if new.grant_types.is_empty() => {
            "choose at least one grant"
        }
        _ if uses(GrantType::RefreshToken) && !uses(GrantType::AuthorizationCode) => {
            "refresh_token goes with authorization_code"
        }
        _ => return Ok(()),
    };
    Err(ClientError::Mismatch(wrong))
}

/// Whether `scopes` let an app change or administer anything: then its owner is asked to sign in afresh.
pub fn reaches_beyond_reading(catalogue: &Catalogue, scopes: &ScopeSet) -> bool {
    let mut definitions = catalogue.apis().iter().flat_map(|api| &api.scopes);
    definitions.any(|d| d.access > Access::Read && scopes.contains(&d.name))
}

fn state(client: &Client) -> Value {
    json!({
        "name": client.name,
        "kind": client.kind.as_str(),
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "scopes": client.scopes,
        "token_format": client.token_format.as_str(),
        "audience": client.audience,
    })
}

#[cfg(test)]
mod tests;
