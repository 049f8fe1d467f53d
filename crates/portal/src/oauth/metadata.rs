//! `/.well-known/openid-configuration` (OpenID Connect Discovery §3) and `/.well-known/oauth-authorization-server` (RFC
//! 8414), one document: what works, and nothing else.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::dpop::PROOF_ALGORITHMS;
use keyway_core::oauth::{ASSERTION_ALGORITHMS, AuthMethod, GrantType, IDENTITY_SCOPES, OFFLINE_ACCESS};
use serde::Serialize;
use serde_json::json;

use crate::settings::Registration;
use crate::state::Portal;

/// The grants that the token endpoint serves.
const GRANTS: [&str; 5] = [
    GrantType::AuthorizationCode.as_str(),
    GrantType::RefreshToken.as_str(),
    GrantType::ClientCredentials.as_str(),
    GrantType::TokenExchange.as_str(),
    GrantType::DeviceCode.as_str(),
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

/// What ID tokens may be signed with, what every client verifies first.
const ID_TOKEN_ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
/// Of ID tokens and of the userinfo endpoint.
const CLAIMS: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
    "amr",
    "sid",
    "name",
    "email",
    "email_verified",
];

#[derive(Serialize)]
struct Metadata<'m> {
    issuer: &'m str,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    device_authorization_endpoint: String,
    pushed_authorization_request_endpoint: String,
    require_pushed_authorization_requests: bool,
    jwks_uri: String,
    scopes_supported: Vec<&'m str>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 2],
    grant_types_supported: [&'static str; 5],
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
    end_session_endpoint: String,
    code_challenge_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: [&'static str; 5],
    authorization_response_iss_parameter_supported: bool,
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 3],
    claims_supported: [&'static str; 13],
    prompt_values_supported: [&'static str; 3],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
}

/// `/.well-known/oauth-protected-resource/api/v1`: the management API as an API that this server protects (RFC 9728
/// §3.1).
pub async fn management_api(portal: web::Data<Portal>) -> HttpResponse {
    let audience = &portal.guard.settings().audience;
    let api = portal.catalogue.find(audience.as_str());
    let scopes: Vec<&str> = api.iter().flat_map(|api| &api.scopes).map(|scope| scope.name.as_str()).collect();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(json!({
        "resource": audience,
        "resource_name": api.map(|api| api.name.as_str()),
        "authorization_servers": [portal.settings.public_url.as_str()],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        "dpop_bound_access_tokens_required": false,
    }))
}

/// The document.
pub async fn metadata(portal: web::Data<Portal>) -> HttpResponse {
    let issuer = portal.settings.public_url.as_str();
    let at = |path: &str| format!("{issuer}{path}");
    let is_open = portal.settings.registration != Registration::Off;
    let mut scopes: Vec<&str> =
        portal.catalogue.apis().iter().flat_map(|api| &api.scopes).map(|scope| scope.name.as_str()).collect();
    scopes.extend(IDENTITY_SCOPES.iter().map(|(name, _)| *name));
    scopes.push(OFFLINE_ACCESS);
    scopes.sort_unstable();
    scopes.dedup();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(Metadata {
        issuer,
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        userinfo_endpoint: at("/oauth/userinfo"),
        device_authorization_endpoint: at("/oauth/device_authorization"),
        pushed_authorization_request_endpoint: at("/oauth/par"),
        require_pushed_authorization_requests: false,
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: scopes,
        response_types_supported: ["code"],
        response_modes_supported: ["query", "form_post"],
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
        end_session_endpoint: at("/oauth/logout"),
        code_challenge_methods_supported: ["S256"],
        dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
        authorization_response_iss_parameter_supported: true,
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ID_TOKEN_ALGORITHMS.map(Algorithm::as_str),
        claims_supported: CLAIMS,
        prompt_values_supported: ["none", "login", "consent"],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
    })
}
