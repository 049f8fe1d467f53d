//! `/oauth/revoke` (RFC 7009).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::audit::Actor;

use super::answer::answer;
use super::client_auth::authenticate;
use super::error::EndpointError;
use crate::extract::ClientAddress;
use crate::flows::params::Params;
use crate::flows::tokens::revoke as flow;
use crate::state::Portal;

/// Takes a token back. `token_type_hint` is not needed: a token's shape says what it is.
///
/// # Errors
/// RFC 7009 §2.2.1.
pub async fn revoke(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    params: Params,
) -> Result<HttpResponse, EndpointError> {
    portal.limits.revoke(address)?;
    let client = authenticate(&portal, &request, &params).await?;
    let token = PlainSecret::new(params.require("token")?);
    let act = portal.act(Actor::client(client.id, &client.name), address);
    flow::run(&portal.store, &portal.issuance, &portal.shapes, act, client, token).await?;
    Ok(answer(StatusCode::OK).finish())
}
