//! `/oauth/introspect` (RFC 7662).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::oauth::{ClientKind, EXPLAIN};
use keyway_core::secret::PlainSecret;

use super::answer::answer;
use super::client_auth::authenticate;
use super::error::EndpointError;
use crate::extract::ClientAddress;
use crate::flows::params::Params;
use crate::flows::tokens::introspect as flow;
use crate::state::Portal;

/// Says what a credential is worth.
///
/// # Errors
/// `invalid_client` if nobody that keeps a secret asks; `invalid_request` without a token.
pub async fn introspect(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    params: Params,
) -> Result<HttpResponse, EndpointError> {
    let asker = match authenticate(&portal, &request, &params).await {
        Ok(client) => client,
        Err(error) => {
            portal.limits.unknown_client(address)?;
            return Err(error);
        }
    };
    portal.limits.introspect(asker.id)?;
    let token = PlainSecret::new(params.require("token")?);
    // Nobody else is told of outside tokens, and nobody else's questions make the portal ask an issuer.
    let outside = match asker.kind {
        ClientKind::ResourceServer => portal.outside.jwt(token.expose()).await?,
        ClientKind::Confidential | ClientKind::Public => None,
    };
    let asked = flow::Asked { asker, token, outside, explain: params.get(EXPLAIN) == Some("1") };
    let (issuance, shapes, now) = (portal.issuance.clone(), Arc::clone(&portal.shapes), portal.clock.now());
    let told = portal.store.read(move |conn| flow::introspect(conn, &issuance, &shapes, &asked, now)).await?;
    Ok(answer(StatusCode::OK).json(told))
}
