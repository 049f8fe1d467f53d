//! What describes the API: its OpenAPI document, and its metadata for OAuth clients (RFC 9728).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use keyway_core::oauth::dpop::PROOF_ALGORITHMS;
use serde_json::json;

use crate::{SCOPES, SampleApi};

/// The OpenAPI document. Its server is the address that it was fetched from; the OAuth endpoints are the portal's.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) async fn openapi(api: Data<SampleApi>) -> HttpResponse {
    let document = OPENAPI.replace("\"/oauth/", &format!("\"{}/oauth/", api.portal.trim_end_matches('/')));
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .body(document)
}

/// RFC 9728 §3.2.
pub(crate) async fn protected_resource(api: Data<SampleApi>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "max-age=300")).json(json!({
        "resource": api.guard.settings().audience,
        "resource_name": "Sample API",
        "authorization_servers": [api.portal],
        "scopes_supported": SCOPES.map(|(name, _, _)| name),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        "dpop_bound_access_tokens_required": false,
    }))
}
