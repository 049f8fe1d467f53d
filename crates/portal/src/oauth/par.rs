//! `/oauth/par` (RFC 9126): an authorization request, sent by the client itself.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use serde::Serialize;

use super::answer::answer;
use super::client_auth::authenticate;
use super::dpop::proven_key;
use super::error::EndpointError;
use crate::extract::ClientAddress;
use crate::flows::params::Params;
use crate::flows::pushed;
use crate::state::Portal;

#[derive(Serialize)]
struct Body<'b> {
    request_uri: &'b str,
    expires_in: i64,
}

/// Keeps a request and names it.
///
/// # Errors
/// RFC 9126 §2.3.
pub async fn par(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    params: Params,
) -> Result<HttpResponse, EndpointError> {
    let client = authenticate(&portal, &request, &params).await?;
    portal.limits.par(&client, address)?;
    let proven = proven_key(&portal, &request, None).await?;
    let params = pushed::check(&client, &portal.catalogue, params, proven)?;
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let kept: Result<_, StoreError> =
        portal.store.write(move |tx| pushed::keep(tx, &act, &client, &params)).await;
    Ok(answer(StatusCode::CREATED)
        .json(Body { request_uri: kept?.expose(), expires_in: pushed::LIFETIME.as_seconds() }))
}
