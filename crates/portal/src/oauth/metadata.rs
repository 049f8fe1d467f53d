//! `/.well-known/oauth-authorization-server` (RFC 8414): what works, and nothing else.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use keyway_core::oauth::dpop::PROOF_ALGORITHMS;
use keyway_core::oauth::{ASSERTION_ALGORITHMS, AuthMethod, GrantType};
use serde::Serialize;

use crate::settings::Registration;
use crate::state::Portal;

/// The grants that the token endpoint serves.
const GRANTS: [&str; 4] = [
    GrantType::AuthorizationCode.as_str(),
    GrantType::RefreshToken.as_str(),
    GrantType::ClientCredentials.as_str(),
    GrantType::TokenExchange.as_str(),
];
/// How clients authenticate.
const AUTH: [&str; 4] = [
    AuthMethod::None.as_str(),
    AuthMethod::ClientSecretBasic.as_str(),
    AuthMethod::ClientSecretPost.as_str(),
    AuthMethod::PrivateKeyJwt.as_str(),
];
/// Introspection is for clients that prove who they are.
const PROVING_AUTH: [&str; 3] = [
    AuthMethod::ClientSecretBasic.as_str(),
    AuthMethod::ClientSecretPost.as_str(),
    AuthMethod::PrivateKeyJwt.as_str(),
];

#[derive(Serialize)]
struct Metadata<'m> {
    issuer: &'m str,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<&'m str>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 4],
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 5],
    code_challenge_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: [&'static str; 5],
    authorization_response_iss_parameter_supported: bool,
}

/// The document.
pub async fn metadata(portal: web::Data<Portal>) -> HttpResponse {
    let issuer = portal.settings.public_url.as_str();
    let at = |path: &str| format!("{issuer}{path}");
    let is_open = portal.settings.registration != Registration::Off;
    let mut scopes: Vec<&str> =
        portal.catalogue.apis().iter().flat_map(|api| &api.scopes).map(|scope| scope.name.as_str()).collect();
    scopes.push("offline_access");
    scopes.sort_unstable();
    scopes.dedup();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(Metadata {
        issuer,
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: scopes,
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: GRANTS,
        token_endpoint_auth_methods_supported: AUTH,
        token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        registration_endpoint: is_open.then(|| at("/oauth/register")),
        revocation_endpoint: at("/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: AUTH,
        revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        introspection_endpoint: at("/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: PROVING_AUTH,
        introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        code_challenge_methods_supported: ["S256"],
        dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
        authorization_response_iss_parameter_supported: true,
    })
}
