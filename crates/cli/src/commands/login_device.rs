//! `keyway login --device` (RFC 8628): for a terminal without a browser. The person types a code at the portal, on
//! whatever has one.

use anyhow::Context as _;
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, DeviceAuthorizationUrl, Scope, StandardDeviceAuthorizationResponse, TokenUrl,
};

use super::login::{CLIENT, LoginRequest, LoginResult, at, http_client, result};
use crate::output::say_beside;

/// Signs in through a browser elsewhere.
///
/// # Errors
/// When the portal cannot be reached, or the person says no or takes longer than the code lives.
pub async fn login(request: &LoginRequest) -> anyhow::Result<LoginResult> {
    let url = &request.public_url;
    let client = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_device_authorization_url(DeviceAuthorizationUrl::new(at(url, "/oauth/device_authorization"))?)
        .set_token_uri(TokenUrl::new(at(url, "/oauth/token"))?)
        .set_auth_type(AuthType::RequestBody);
    let mut asking = client.exchange_device_code();
    for scope in &request.scopes {
        asking = asking.add_scope(Scope::new(scope.clone()));
    }
    if let Some(resource) = &request.resource {
        asking = asking.add_extra_param("resource", resource);
    }
    let http = http_client()?;
    let codes: StandardDeviceAuthorizationResponse =
        asking.request_async(&http).await.context("the portal gave no code")?;
    say_beside(&format!(
        "Open this address in a browser, on this machine or any other:\n\n  {}\n\nand type this code:\n\n  {}\n",
        codes.verification_uri().as_str(),
        codes.user_code().secret()
    ));
    let polling = client.exchange_device_access_token(&codes);
    let tokens = polling.request_async(&http, tokio::time::sleep, None).await;
    Ok(result(&tokens.context("the portal gave no token")?))
}
