//! `/oauth/register` (RFC 7591) and `/oauth/register/{client_id}` (RFC 7592).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::credential::{Kind, Shape};
use keyway_core::ids::ClientId;
use keyway_core::oauth::{ErrorCode, OauthError};
use keyway_core::secret::PlainSecret;
use keyway_guard::extract::Scheme;
use keyway_store::tables::audit::Actor;
use serde::de::DeserializeOwned;

use super::answer::answer;
use super::bearer::{Presented, presented};
use super::error::EndpointError;
use super::params::MAX_FORM;
use crate::extract::ClientAddress;
use crate::flows::registration::{self, Information, Registered, RegistrationError, Requested, Update};
use crate::settings::Registration;
use crate::state::Portal;

impl From<RegistrationError> for EndpointError {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Unauthorised => Self::InvalidToken,
            RegistrationError::Suspended => Self::Forbidden("this client is suspended"),
            RegistrationError::Oauth(error) => Self::Oauth(error),
            RegistrationError::Store(error) => Self::Store(error),
        }
    }
}

/// Registers a client.
///
/// # Errors
/// RFC 7591 §3.2.2; RFC 6750 §3.1 without an initial access token where one is needed.
pub async fn register(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    body: web::Payload,
) -> Result<HttpResponse, EndpointError> {
    // The body is read first: an answer over an unread body costs the client its connection.
    let body = body.to_bytes_limited(MAX_FORM).await;
    portal.limits.register(address)?;
    let initial = token(&portal, &request, Kind::InitialAccess)?.map(|token| token.digest());
    match portal.settings.registration {
        Registration::Off => return Err(EndpointError::Forbidden("clients cannot register themselves here")),
        Registration::Token if initial.is_none() => return Err(EndpointError::NoToken),
        Registration::Token | Registration::Open => {}
    }
    let requested: Requested = json(&request, body)?;
    let (act, issuance) = (portal.act(Actor::system(), address), portal.issuance.clone());
    let registered = portal
        .store
        .write(move |tx| registration::register(tx, &act, &issuance, initial, &requested))
        .await?;
    Ok(information(&portal, StatusCode::CREATED, &registered))
}

/// Shows a client what is registered of it.
///
/// # Errors
/// RFC 7592 §2.1.
pub async fn read(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    id: web::Path<String>,
) -> Result<HttpResponse, EndpointError> {
    portal.limits.token(address)?;
    let (id, token) = whose(&portal, &request, &id)?;
    let digest = token.digest();
    let client = portal.store.read(move |conn| registration::find(conn, id, digest)).await?;
    Ok(information(&portal, StatusCode::OK, &Registered { client, secret: None, token }))
}

/// Changes what is registered.
///
/// # Errors
/// RFC 7592 §2.2.
pub async fn replace(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    id: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, EndpointError> {
    let body = body.to_bytes_limited(MAX_FORM).await;
    portal.limits.token(address)?;
    let (id, token) = whose(&portal, &request, &id)?;
    let digest = token.digest();
    portal.store.read(move |conn| registration::find(conn, id, digest)).await?;
    let update: Update = json(&request, body)?;
    let (act, issuance) = (portal.act(Actor::system(), address), portal.issuance.clone());
    let registered =
        portal.store.write(move |tx| registration::replace(tx, &act, &issuance, id, digest, &update)).await?;
    Ok(information(&portal, StatusCode::OK, &registered))
}

/// Deletes the client.
///
/// # Errors
/// RFC 7592 §2.3.
pub async fn delete(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    id: web::Path<String>,
) -> Result<HttpResponse, EndpointError> {
    portal.limits.token(address)?;
    let (id, token) = whose(&portal, &request, &id)?;
    let (act, digest) = (portal.act(Actor::system(), address), token.digest());
    portal.store.write(move |tx| registration::delete(tx, &act, id, digest)).await?;
    Ok(answer(StatusCode::NO_CONTENT).finish())
}

fn information(portal: &Portal, status: StatusCode, registered: &Registered) -> HttpResponse {
    answer(status).json(Information::of(registered, &portal.settings.public_url))
}

/// The bearer token, if there is one, which has to be of this kind.
fn token(portal: &Portal, request: &HttpRequest, kind: Kind) -> Result<Option<PlainSecret>, EndpointError> {
    let Some(Presented { token, scheme }) = presented(request)? else { return Ok(None) };
    let is_ours = scheme == Scheme::Plain && portal.shapes.classify(token.expose()) == Shape::WrongKind(kind);
    if is_ours { Ok(Some(token)) } else { Err(EndpointError::InvalidToken) }
}

/// Which registration, and the token that shows whose it is.
fn whose(portal: &Portal, request: &HttpRequest, id: &str) -> Result<(ClientId, PlainSecret), EndpointError> {
    let token = token(portal, request, Kind::RegistrationAccess)?.ok_or(EndpointError::NoToken)?;
    let id = id.parse().map_err(|_| EndpointError::InvalidToken)?;
    Ok((id, token))
}

/// Metadata as `application/json` (RFC 7591 §3.1).
fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    body: Result<Result<web::Bytes, actix_web::Error>, impl Sized>,
) -> Result<T, EndpointError> {
    use actix_web::HttpMessage as _;
    let unreadable = |_| OauthError::new(ErrorCode::InvalidRequest, "the body cannot be read");
    let body = body.map_err(|_| EndpointError::TooLarge)?.map_err(unreadable)?;
    if request.content_type() != "application/json" {
        return Err(EndpointError::oauth(ErrorCode::InvalidRequest, "send application/json"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        let text = format!("not client metadata: {error}");
        EndpointError::oauth(ErrorCode::InvalidClientMetadata, text)
    })
}
