//! The logout request of an app (OpenID Connect RP-Initiated Logout 1.0 §2): who asks, whether they mean whoever is
//! signed in here, and where the browser goes afterwards.

use keyway_core::ids::{ClientId, OwnerId, SessionId};
use keyway_core::jwt::IdClaims;
use keyway_core::oauth::Client;
use keyway_store::tables::clients;
use keyway_store::{Conn, StoreError};

use super::params::Params;
use super::tokens::Issuance;
use super::tokens::id_token::hint;

/// The longest `id_token_hint`, in bytes.
const MAX_HINT: usize = 16 * 1024;
/// The longest `state`, in bytes.
const MAX_STATE: usize = 2048;

/// Why a request is not heeded. None of these is told to the app: nothing says that the address to go back to is its.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The hint or the state is longer than any that was given out or is kept.
    #[error("the request is too long")]
    TooLong,
    /// There is no such client.
    #[error("the client is not registered")]
    UnknownClient,
    /// The ID token was given to another client than the one that is named.
    #[error("the ID token is another client's")]
    OtherClient,
    /// Nothing of the client works.
    #[error("the client is suspended")]
    Suspended,
    /// The address is not registered, or nothing says for whom it should be.
    #[error("the address to go back to is not registered")]
    RedirectUri,
    /// The database cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request to sign out that may be put to the user. `logout_hint` and `ui_locales` have no effect.
#[derive(Debug)]
pub struct LogoutRequest {
    /// The app that asks, if it says so.
    pub client: Option<Client>,
    /// Where the browser goes afterwards: an address that the app registered.
    pub redirect_uri: Option<String>,
    /// Goes with it.
    pub state: Option<String>,
    hint: Option<IdClaims>,
}

/// Reads a request.
///
/// # Errors
/// When it is not to be heeded, or the database cannot answer.
pub fn read(conn: &mut Conn, issuance: &Issuance, params: &Params) -> Result<LogoutRequest, LogoutError> {
    let (token, state) = (params.get("id_token_hint"), params.get("state"));
    let too_long = |text: Option<&str>, max| text.is_some_and(|text| text.len() > max);
    if too_long(token, MAX_HINT) || too_long(state, MAX_STATE) {
        return Err(LogoutError::TooLong);
    }
    // What does not verify is as if it had not been sent (§4).
    let hint = token.map(|token| hint(conn, issuance, token)).transpose()?.flatten();
    let named: Option<ClientId> =
        params.get("client_id").map(str::parse).transpose().map_err(|_| LogoutError::UnknownClient)?;
    let told = hint.as_ref().map(|hint| hint.aud);
    if let (Some(named), Some(told)) = (named, told)
        && named != told
    {
        return Err(LogoutError::OtherClient);
    }
    let client = match named.or(told) {
        Some(id) => clients::find(conn, id)?,
        None => None,
    };
    match &client {
        None if named.is_some() => return Err(LogoutError::UnknownClient),
        Some(client) if client.suspended_at.is_some() => return Err(LogoutError::Suspended),
        _ => {}
    }
    let redirect_uri = params.get("post_logout_redirect_uri");
    let registered = |uri: &str| {
        client
            .as_ref()
            .is_some_and(|client| client.post_logout_redirect_uris.iter().any(|ours| ours.matches(uri)))
    };
    if redirect_uri.is_some_and(|uri| !registered(uri)) {
        return Err(LogoutError::RedirectUri);
    }
    let (redirect_uri, state) = (redirect_uri.map(str::to_owned), state.map(str::to_owned));
    Ok(LogoutRequest { client, redirect_uri, state, hint })
}

impl LogoutRequest {
    /// Whether the app has shown that it means this person's session, so that nobody has to be asked (§2): others
    /// could sign people out by a link.
    pub fn is_about(&self, person: OwnerId, session: SessionId) -> bool {
        self.hint.as_ref().is_some_and(|hint| hint.sub == person && hint.sid.is_none_or(|sid| sid == session))
    }
}

#[cfg(test)]
pub(crate) mod tests;
