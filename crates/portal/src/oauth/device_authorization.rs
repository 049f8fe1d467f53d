//! `/oauth/device_authorization` (RFC 8628 §3.1): a device gets a code to poll with and one to show.

use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::oauth::{DEVICE_CODE_LIFETIME, DEVICE_POLL_INTERVAL};
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use serde::Serialize;

use super::answer::answer;
use super::client_auth::authenticate;
use super::error::EndpointError;
use crate::extract::ClientAddress;
use crate::flows::device::{self, UserCodeKey};
use crate::flows::params::Params;
use crate::state::Portal;

#[derive(Serialize)]
struct Body<'b> {
    device_code: &'b str,
    user_code: &'b str,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
}

/// Gives a device its codes.
///
/// # Errors
/// RFC 6749 §5.2, as RFC 8628 §3.1 says.
pub async fn device_authorization(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    params: Params,
) -> Result<HttpResponse, EndpointError> {
    portal.limits.device(address)?;
    let client = authenticate(&portal, &request, &params).await?;
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let asked = device::read(client, &portal.catalogue, &params, user_agent)?;
    let (brand, key) = (portal.shapes.brand.clone(), UserCodeKey::derive(&portal.master_key));
    let begun: Result<_, StoreError> =
        portal.store.write(move |tx| device::begin(tx, &act, &brand, &key, asked)).await;
    let begun = begun?;
    let user_code = begun.user_code.shown();
    let page = format!("{}/device", portal.settings.public_url);
    Ok(answer(StatusCode::OK).json(Body {
        device_code: begun.device_code.expose(),
        user_code: &user_code,
        verification_uri_complete: format!("{page}?user_code={user_code}"),
        verification_uri: page,
        expires_in: DEVICE_CODE_LIFETIME.as_seconds(),
        interval: DEVICE_POLL_INTERVAL.as_seconds(),
    }))
}
