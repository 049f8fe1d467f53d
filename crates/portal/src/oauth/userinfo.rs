//! `/oauth/userinfo` (OpenID Connect Core §5.3): who signed in, for the app that holds an access token with `openid`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::facts::Facts;
use keyway_core::oauth::OPENID;
use keyway_core::secret::PlainSecret;
use keyway_guard::extract::Scheme;

use super::answer::answer;
use super::bearer::{Presented, presented};
use super::dpop;
use super::error::EndpointError;
use crate::extract::ClientAddress;
use crate::flows::params::Params;
use crate::flows::tokens::live::{self, why_inactive};
use crate::flows::tokens::userinfo::userinfo as flow;
use crate::state::Portal;

/// GET: the token stands in the header.
///
/// # Errors
/// RFC 6750 §3.1, RFC 9449 §7.1.
pub async fn get(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
) -> Result<HttpResponse, EndpointError> {
    tell(&portal, &request, address, one(presented(&request)?, None)?).await
}

/// POST: the token stands in the header or in the body (RFC 6750 §2.2), never in both.
///
/// # Errors
/// As [`get`].
pub async fn post(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    body: Params,
) -> Result<HttpResponse, EndpointError> {
    tell(&portal, &request, address, one(presented(&request)?, body.get("access_token"))?).await
}

fn one(in_header: Option<Presented>, in_body: Option<&str>) -> Result<Presented, EndpointError> {
    match (in_header, in_body) {
        (None, None) => Err(EndpointError::NoToken),
        (Some(presented), None) => Ok(presented),
        (None, Some(token)) => Ok(Presented { token: PlainSecret::new(token), scheme: Scheme::Plain }),
        (Some(_), Some(_)) => Err(EndpointError::SeveralTokens),
    }
}

async fn tell(
    portal: &Portal,
    request: &HttpRequest,
    address: std::net::IpAddr,
    presented: Presented,
) -> Result<HttpResponse, EndpointError> {
    let (issuance, shapes, token) =
        (portal.issuance.clone(), Arc::clone(&portal.shapes), presented.token.clone());
    let found = portal.store.read(move |conn| live::access_token(conn, &issuance, &shapes, &token)).await?;
    let works =
        |facts: &Facts| why_inactive(facts, portal.now()).is_none() && facts.addresses.allows(address);
    let Some(facts) = found.filter(works) else {
        portal.limits.unknown_client(address)?;
        return Err(EndpointError::InvalidToken);
    };
    portal.limits.userinfo(facts.id)?;
    check_binding(portal, request, &facts, &presented).await?;
    if !facts.scopes.contains(OPENID) {
        return Err(EndpointError::InsufficientScope(OPENID));
    }
    let told = portal.store.read(move |conn| flow(conn, &facts)).await?;
    let told = told.ok_or(EndpointError::InvalidToken)?;
    Ok(answer(StatusCode::OK).json(told))
}

/// A token that is bound to a key comes with the scheme DPoP and a proof of that key, any other as a bearer token (RFC
/// 9449 §7).
async fn check_binding(
    portal: &Portal,
    request: &HttpRequest,
    facts: &Facts,
    presented: &Presented,
) -> Result<(), EndpointError> {
    match (facts.bound_to, presented.scheme) {
        (None, Scheme::Plain) => Ok(()),
        (None, Scheme::Dpop) | (Some(_), Scheme::Plain) => Err(EndpointError::InvalidToken),
        (Some(key), Scheme::Dpop) => {
            let proven = dpop::proven_key_for(portal, request, &presented.token).await?;
            if proven == key { Ok(()) } else { Err(EndpointError::InvalidToken) }
        }
    }
}
