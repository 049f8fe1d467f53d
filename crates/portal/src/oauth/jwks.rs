//! `/.well-known/jwks.json`: the public halves of the signing keys (RFC 7517 §5).

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use keyway_store::StoreError;

use super::error::EndpointError;
use crate::flows::jwt;
use crate::state::Portal;

/// The keys. May be kept for 300 seconds: a key is published twice as long before it signs.
///
/// # Errors
/// When the database cannot answer.
pub async fn jwks(portal: web::Data<Portal>) -> Result<HttpResponse, EndpointError> {
    let jwks = portal.store.read::<_, StoreError, _>(jwt::jwks).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(jwks))
}
