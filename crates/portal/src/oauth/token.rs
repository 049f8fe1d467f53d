//! `/oauth/token` (RFC 6749 §3.2): each grant has its own flow.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{Client, ClientKind, ErrorCode, GrantType, OauthError};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::audit::Actor;

use super::answer::answer;
use super::client_auth::identify;
use super::dpop::proven_key;
use super::error::EndpointError;
use super::known_clients::Found;
use crate::extract::ClientAddress;
use crate::flows::params::Params;
use crate::flows::tokens::{Answer, client_credentials, code, device, exchange, refresh};
use crate::state::Portal;

/// Gives a token.
///
/// # Errors
/// RFC 6749 §5.2.
pub async fn token(
    portal: web::Data<Portal>,
    request: HttpRequest,
    ClientAddress(address): ClientAddress,
    params: Params,
) -> Result<HttpResponse, EndpointError> {
    portal.limits.token(address)?;
    let grant = params.require("grant_type")?.parse().map_err(|_| {
        OauthError::new(ErrorCode::UnsupportedGrantType, "see grant_types_supported in the metadata")
    })?;
    if grant == GrantType::TokenExchange && !names_client(&request, &params) {
        let proven = proven_key(&portal, &request, None).await?;
        return Ok(done(&by_exchange(&portal, &params, address, None, proven).await?));
    }
    let (found, proven) = client_for(&portal, &request, &params, grant).await?;
    let client = || Client::clone(&found.known.client);
    let given = match grant {
        GrantType::ClientCredentials => {
            by_client_credentials(&portal, &params, address, &found, proven).await?
        }
        GrantType::TokenExchange => by_exchange(&portal, &params, address, Some(client()), proven).await?,
        GrantType::AuthorizationCode => by_code(&portal, &params, address, client(), proven).await?,
        GrantType::RefreshToken => by_refresh_token(&portal, &params, address, client(), proven).await?,
        GrantType::DeviceCode => by_device_code(&portal, &params, address, client(), proven).await?,
    };
    Ok(done(&given))
}

fn done(given: &Answer) -> HttpResponse {
    answer(StatusCode::OK).content_type("application/json").body(given.expose().to_owned())
}

/// Whether anybody claims to be a client. An API key speaks for itself.
fn names_client(request: &HttpRequest, params: &Params) -> bool {
    let named = ["client_id", "client_assertion"].iter().any(|name| params.get(name).is_some());
    named || request.headers().contains_key(AUTHORIZATION)
}

/// The client, authenticated, that may use `grant`, and the key that it proves to hold.
async fn client_for(
    portal: &Portal,
    request: &HttpRequest,
    params: &Params,
    grant: GrantType,
) -> Result<(Found, Option<Thumbprint>), EndpointError> {
    let found = identify(portal, request, params).await?;
    let client = &found.known.client;
    if client.may_use(grant) {
        let proven = proven_key(portal, request, Some(client)).await?;
        return Ok((found, proven));
    }
    let text = format!("this client may not use the grant {}", grant.as_str());
    Err(EndpointError::oauth(ErrorCode::UnauthorizedClient, text))
}

fn scope(params: &Params) -> Result<Option<ScopeSet>, OauthError> {
    let read =
        |text: &str| text.parse().map_err(|e| OauthError::new(ErrorCode::InvalidScope, format!("{e}")));
    params.get("scope").map(read).transpose()
}

async fn by_code(
    portal: &Portal,
    params: &Params,
    address: IpAddr,
    client: Client,
    proven: Option<Thumbprint>,
) -> Result<Answer, EndpointError> {
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let presented = code::Presented {
        code: PlainSecret::new(params.require("code")?),
        client,
        redirect_uri: params.get("redirect_uri").map(str::to_owned),
        verifier: params.get("code_verifier").map(str::to_owned),
        resource: params.resource()?.map(str::to_owned),
        proven,
    };
    Ok(code::run(&portal.store, &portal.issuance, act, presented).await?)
}

async fn by_refresh_token(
    portal: &Portal,
    params: &Params,
    address: IpAddr,
    client: Client,
    proven: Option<Thumbprint>,
) -> Result<Answer, EndpointError> {
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let token = PlainSecret::new(params.require("refresh_token")?);
    let resource = params.resource()?.map(str::to_owned);
    let presented = refresh::Presented { token, client, scope: scope(params)?, resource, proven };
    let answer = refresh::run(&portal.store, &portal.issuance, act, presented, portal.notices()).await;
    if answer.is_err() {
        // There may be one about a theft.
        portal.mail_bell.ring();
    }
    Ok(answer?)
}

async fn by_device_code(
    portal: &Portal,
    params: &Params,
    address: IpAddr,
    client: Client,
    proven: Option<Thumbprint>,
) -> Result<Answer, EndpointError> {
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let code = PlainSecret::new(params.require("device_code")?);
    let resource = params.resource()?.map(str::to_owned);
    let presented = device::Presented { code, client, resource, proven };
    Ok(device::run(&portal.store, &portal.issuance, act, presented).await?)
}

async fn by_client_credentials(
    portal: &Portal,
    params: &Params,
    address: IpAddr,
    found: &Found,
    proven: Option<Thumbprint>,
) -> Result<Answer, EndpointError> {
    let client = Arc::clone(&found.known.client);
    if client.kind != ClientKind::Confidential {
        let text = "only a client that keeps a secret can act for itself";
        return Err(EndpointError::oauth(ErrorCode::UnauthorizedClient, text));
    }
    let act = portal.act(Actor::client(client.id, &client.name), address);
    let resource = params.resource()?.map(str::to_owned);
    let (scope, ground) = (scope(params)?, found.ground(portal).await?);
    let asked = client_credentials::Asked { client, ground, scope, resource, proven };
    Ok(client_credentials::run(&portal.store, &portal.issuance, &act, asked).await?)
}

async fn by_exchange(
    portal: &Portal,
    params: &Params,
    address: IpAddr,
    client: Option<Client>,
    proven: Option<Thumbprint>,
) -> Result<Answer, EndpointError> {
    let invalid = |text: &'static str| EndpointError::oauth(ErrorCode::InvalidRequest, text);
    let subject_type = exchange::SubjectType::parse(params.require("subject_token_type")?)
        .ok_or_else(|| invalid("subject_token_type can be an API key, an access token or a JWT"))?;
    let given = params.get("requested_token_type");
    if given.is_some_and(|kind| kind != exchange::ACCESS_TOKEN_TYPE && kind != exchange::JWT_TYPE) {
        return Err(invalid("requested_token_type can be an access token or a JWT"));
    }
    if params.get("actor_token").is_some() || params.get("actor_token_type").is_some() {
        return Err(invalid("an actor_token is not supported"));
    }
    let audience = match (params.get("audience"), params.resource()?) {
        (Some(audience), Some(resource)) if audience != resource => {
            return Err(EndpointError::oauth(ErrorCode::InvalidTarget, "audience and resource differ"));
        }
        (Some(one), _) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    };
    let act = portal.act(Actor::system(), address);
    let subject = PlainSecret::new(params.require("subject_token")?);
    let outside = match subject_type {
        exchange::SubjectType::ApiKey => None,
        exchange::SubjectType::AccessToken => {
            portal.outside.subject(&subject, &portal.shapes, params.get("subject_issuer")).await?
        }
        exchange::SubjectType::Jwt => portal.outside.jwt(subject.expose()).await?,
    };
    let asked = exchange::Asked {
        subject,
        subject_type,
        outside,
        client,
        scope: scope(params)?,
        audience,
        as_jwt: given == Some(exchange::JWT_TYPE),
        address,
        proven,
    };
    let shapes = Arc::clone(&portal.shapes);
    Ok(exchange::run(&portal.store, &portal.issuance, shapes, &act, asked).await?)
}
