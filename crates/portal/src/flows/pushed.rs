//! Pushed authorization requests (RFC 9126): what a client wants to ask a user for, told beforehand and in private.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::audience::Catalogue;
use keyway_core::clock::Duration;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{Client, ErrorCode, OauthError};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::tables::pushed_requests::{self, PushedRequest};
use keyway_store::{StoreError, Tx};

use super::params::Params;
use super::{Act, authorize};

/// How long a pushed request waits for its user, who may have to sign up first.
pub const LIFETIME: Duration = Duration::minutes(10);

/// What a `request_uri` of ours begins with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What a client authenticates with: not kept.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The digest of a `request_uri` that may have been pushed to us; `None` for what never was.
pub fn digest_of(request_uri: &str) -> Option<SecretDigest> {
    request_uri.strip_prefix(PREFIX).map(|secret| SecretDigest::of(secret.as_bytes()))
}

/// Checks what an authenticated `client` pushes, as the authorization endpoint would, and gives the parameters to keep.
/// `proven` is the key that it proved to hold (RFC 9449 §10.1).
///
/// # Errors
/// What the authorization endpoint would refuse (RFC 9126 §2.3).
pub fn check(
    client: &Client,
    catalogue: &Catalogue,
    params: Params,
    proven: Option<Thumbprint>,
) -> Result<Params, OauthError> {
    let invalid = |text: &'static str| OauthError::new(ErrorCode::InvalidRequest, text);
    if params.get("request_uri").is_some() {
        return Err(invalid("a pushed request has no request_uri"));
    }
    let mut params = params.without(&CREDENTIALS).with("client_id", &client.id.to_string());
    if let Some(key) = proven {
        let key = key.to_string();
        if params.get("dpop_jkt").is_some_and(|named| named != key) {
            return Err(invalid("dpop_jkt is not the key that was proven"));
        }
        params = params.with("dpop_jkt", &key);
    }
    let redirect_uri = client.redirect_for(params.get("redirect_uri"));
    let redirect_uri = redirect_uri.ok_or(invalid("redirect_uri is not one that this client registered"))?;
    authorize::read(client, catalogue, redirect_uri, &params)?;
    Ok(params)
}

/// Keeps a request; its `request_uri`.
///
/// # Errors
/// When the database cannot take it.
pub fn keep(tx: &mut Tx<'_>, act: &Act, client: &Client, params: &Params) -> Result<PlainSecret, StoreError> {
    let mut bytes = [0_u8; 32];
    act.random.fill(&mut bytes);
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let request = PushedRequest {
        digest: SecretDigest::of(secret.as_bytes()),
        client: client.id,
        params: params.to_query(),
        created_at: act.now,
        expires_at: act.now + LIFETIME,
    };
    pushed_requests::insert(tx.conn(), &request)?;
    Ok(PlainSecret::new(format!("{PREFIX}{secret}")))
}
