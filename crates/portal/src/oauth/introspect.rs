//! `/oauth/introspect` (RFC 7662).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::change::Position;
use keyway_core::credential::{Kind, Shape};
use keyway_core::facts::Facts;
use keyway_core::oauth::{ClientKind, EXPLAIN};
use keyway_core::refusal::{Check, Refusal};
use keyway_core::secret::PlainSecret;
use keyway_guard::extract::Form;

use super::answer::answer;
use super::client_auth::identify;
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
    let asker = match identify(&portal, &request, &params).await {
        Ok(found) => Arc::clone(&found.known.client),
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
    let now = portal.clock.now();
    if let Some((facts, position)) = remembered(&portal, &asked).await {
        let told = flow::answer(&portal.issuance, &asked, facts.as_deref(), position, now);
        return Ok(answer(StatusCode::OK).json(told));
    }
    let (issuance, shapes) = (portal.issuance.clone(), Arc::clone(&portal.shapes));
    let told = portal.store.read(move |conn| flow::introspect(conn, &issuance, &shapes, &asked, now)).await?;
    Ok(answer(StatusCode::OK).json(told))
}

/// What the guard beside the portal knows of the credential; `None` where the database is to be asked. It always is
/// for another guard, which may have followed the feed further than this one.
async fn remembered(portal: &Portal, asked: &flow::Asked) -> Option<(Option<Arc<Facts>>, Position)> {
    if asked.explain || asked.outside.is_some() {
        return None;
    }
    let caught_up = portal.guard.caught_up().await?;
    let text = asked.token.expose();
    let form = match portal.shapes.classify(text) {
        Shape::ApiKey => Form::ApiKey,
        Shape::AccessToken => Form::AccessToken,
        Shape::Jwt => Form::Jwt,
        Shape::WrongKind(Kind::RefreshToken) => return None,
        Shape::BadChecksum | Shape::WrongKind(_) | Shape::Unknown => return Some((None, caught_up.position)),
    };
    match portal.guard.facts(caught_up, form, asked.token.digest(), text).await {
        Ok(facts) => Some((Some(facts), caught_up.position)),
        Err(Refusal::InvalidCredential(Check::Found)) => Some((None, caught_up.position)),
        Err(_) => None,
    }
}
