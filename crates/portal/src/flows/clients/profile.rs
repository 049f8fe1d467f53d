//! What is registered of a client, and what of it goes together.

use keyway_core::audience::{Access, Catalogue};
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{
    AuthMethod, Client, ClientKeys, ClientKind, GrantType, MAX_REDIRECT_URI_LEN, MAX_REDIRECT_URIS,
    RedirectUri, TokenFormat, is_about_user,
};
use keyway_core::scope::ScopeSet;
use keyway_core::text::misleads;
use serde_json::{Value, json};
use url::Url;

use super::ClientError;

/// The longest name, in characters.
pub const MAX_NAME_LEN: usize = 100;

/// What an owner says of a client, and may change afterwards.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Shown at consent.
    pub name: String,
    /// Its home page, shown at consent.
    pub website: Option<String>,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Its public keys.
    pub jwks: Option<ClientKeys>,
    /// The grants that it may use.
    pub grant_types: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it is told that a user signed out.
    pub backchannel_logout_uri: Option<String>,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// What its ID tokens are signed with.
    pub id_token_algorithm: Algorithm,
    /// Whether its access tokens are always bound to a key.
    pub dpop_bound: bool,
}

/// What holds where nothing else is said (RFC 7591 §2); name, grants and scopes are to be filled in.
impl Default for Profile {
    fn default() -> Self {
        Self {
            name: String::new(),
            website: None,
            auth_method: AuthMethod::ClientSecretBasic,
            jwks: None,
            grant_types: Vec::new(),
            scopes: ScopeSet::empty(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            token_format: TokenFormat::Opaque,
            id_token_algorithm: Algorithm::Rs256,
            dpop_bound: false,
        }
    }
}

impl Profile {
    /// As it stands.
    pub fn of(client: &Client) -> Self {
        Self {
            name: client.name.clone(),
            website: client.website.clone(),
            auth_method: client.auth_method,
            jwks: client.jwks.clone(),
            grant_types: client.grant_types.clone(),
            scopes: client.scopes.clone(),
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: client.backchannel_logout_uri.clone(),
            token_format: client.token_format,
            id_token_algorithm: client.id_token_algorithm,
            dpop_bound: client.dpop_bound,
        }
    }

    /// `client` with this profile.
    pub(super) fn applied_to(self, client: &Client) -> Client {
        Client {
            name: self.name.trim().to_owned(),
            website: self.website,
            auth_method: self.auth_method,
            jwks: self.jwks,
            grant_types: self.grant_types,
            scopes: self.scopes,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            backchannel_logout_uri: self.backchannel_logout_uri,
            token_format: self.token_format,
            id_token_algorithm: self.id_token_algorithm,
            dpop_bound: self.dpop_bound,
            ..client.clone()
        }
    }

    /// An app that asks users who they are needs no scope of an API; one that acts for itself does.
    fn check_scopes(&self, catalogue: &Catalogue) -> Result<(), ClientError> {
        let asks_users = [GrantType::AuthorizationCode, GrantType::DeviceCode];
        if self.scopes.is_empty() && !asks_users.iter().any(|grant| self.grant_types.contains(grant)) {
            return Err(ClientError::NoScopes);
        }
        let known =
            |name: &str| is_about_user(name) || catalogue.apis().iter().any(|api| api.scope(name).is_some());
        match self.scopes.iter().find(|scope| !known(scope.as_str())) {
            Some(unknown) => Err(ClientError::UnknownScope(unknown.to_string())),
            None => Ok(()),
        }
    }

    /// Whether everything in it is well-formed and goes together for a client of this kind.
    pub(super) fn check(&self, kind: ClientKind, catalogue: &Catalogue) -> Result<(), ClientError> {
        self.check_name()?;
        self.check_uris()?;
        self.check_shape(kind)?;
        if kind == ClientKind::ResourceServer { Ok(()) } else { self.check_scopes(catalogue) }
    }

    fn uses(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    fn check_name(&self) -> Result<(), ClientError> {
        let count = self.name.trim().chars().count();
        let good = (1..=MAX_NAME_LEN).contains(&count) && !self.name.chars().any(misleads);
        if good { Ok(()) } else { Err(ClientError::Name) }
    }

    fn check_uris(&self) -> Result<(), ClientError> {
        match (self.redirect_uris.len(), self.uses(GrantType::AuthorizationCode)) {
            (0, false) | (1..=MAX_REDIRECT_URIS, true) => {}
            (_, false) => return Err(ClientError::NeedlessRedirectUris),
            (_, true) => return Err(ClientError::RedirectUris),
        }
        if self.post_logout_redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(ClientError::PostLogoutRedirectUris);
        }
        if self.website.as_deref().is_some_and(|uri| !is_web(uri, "http")) {
            return Err(ClientError::Website);
        }
        // OpenID Connect Back-Channel Logout §2.2; that a portal elsewhere cannot reach a loopback address shows
        // when it tries.
        let loopback = |uri: &RedirectUri| uri.is_loopback();
        let reachable = |uri: &str| is_web(uri, "https") || uri.parse().is_ok_and(|uri| loopback(&uri));
        if self.backchannel_logout_uri.as_deref().is_some_and(|uri| !reachable(uri)) {
            return Err(ClientError::BackchannelLogoutUri);
        }
        Ok(())
    }

    fn check_shape(&self, kind: ClientKind) -> Result<(), ClientError> {
        let wrong = match kind {
            ClientKind::Public if self.auth_method != AuthMethod::None => "a public client keeps no secret",
            ClientKind::Public if self.uses(GrantType::ClientCredentials) => {
                "client_credentials needs a client that can keep a secret"
            }
            ClientKind::Confidential | ClientKind::ResourceServer if self.auth_method == AuthMethod::None => {
                "a confidential client authenticates"
            }
            ClientKind::ResourceServer if !self.auth_method.has_secret() => {
                "a resource server authenticates with a secret"
            }
            ClientKind::ResourceServer if !self.grant_types.is_empty() || !self.scopes.is_empty() => {
                "a resource server asks for no tokens"
            }
            ClientKind::Public | ClientKind::Confidential if self.grant_types.is_empty() => {
                "choose at least one grant"
            }
            _ if self.uses(GrantType::RefreshToken)
                && !self.uses(GrantType::AuthorizationCode)
                && !self.uses(GrantType::DeviceCode) =>
            {
                "refresh_token goes with authorization_code or device_code"
            }
            _ if self.auth_method == AuthMethod::PrivateKeyJwt && self.jwks.is_none() => {
                return Err(ClientError::NoKeys);
            }
            _ => return Ok(()),
        };
        Err(ClientError::Mismatch(wrong))
    }
}

/// An absolute URL of `scheme`, or of https, that can be shown and followed: without user name or fragment.
fn is_web(uri: &str, scheme: &str) -> bool {
    uri.len() <= MAX_REDIRECT_URI_LEN
        && uri.bytes().all(|b| b.is_ascii_graphic())
        && Url::parse(uri).is_ok_and(|url| {
            (url.scheme() == "https" || url.scheme() == scheme)
                && url.has_host()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
}

/// Whether `scopes` let an app change or administer anything: then its owner is asked to sign in afresh.
pub fn reaches_beyond_reading(catalogue: &Catalogue, scopes: &ScopeSet) -> bool {
    let mut definitions = catalogue.apis().iter().flat_map(|api| &api.scopes);
    definitions.any(|d| d.access > Access::Read && scopes.contains(&d.name))
}

/// What the audit tells of a client.
pub(super) fn state(client: &Client) -> Value {
    json!({
        "name": client.name,
        "website": client.website,
        "kind": client.kind.as_str(),
        "auth_method": client.auth_method.as_str(),
        "jwks": client.jwks,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "grant_types": client.grant_types,
        "scopes": client.scopes,
        "token_format": client.token_format.as_str(),
        "id_token_algorithm": client.id_token_algorithm.as_str(),
        "dpop_bound": client.dpop_bound,
        "audience": client.audience,
    })
}
