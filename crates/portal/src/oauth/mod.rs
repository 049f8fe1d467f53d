//! OAuth's endpoints, one a file. What they decide lies in [`crate::flows`]; here it is read and answered.

mod answer;
mod bearer;
pub mod client_auth;
mod cors;
mod device_authorization;
pub mod dpop;
pub mod error;
mod introspect;
mod jwks;
pub mod known_clients;
pub mod limits;
mod metadata;
mod par;
pub mod params;
mod register;
mod revoke;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

/// All endpoints that know no browser session.
pub fn configure(cfg: &mut ServiceConfig) {
    let open = |path: &str| web::resource(path).wrap(from_fn(cors::any_origin));
    cfg.service(open("/oauth/token").route(web::post().to(token::token)))
        .service(
            open("/oauth/device_authorization")
                .route(web::post().to(device_authorization::device_authorization)),
        )
        .service(open("/oauth/par").route(web::post().to(par::par)))
        .service(open("/oauth/revoke").route(web::post().to(revoke::revoke)))
        .service(web::resource("/oauth/introspect").route(web::post().to(introspect::introspect)))
        .service(open("/oauth/register").route(web::post().to(register::register)))
        .service(
            open("/oauth/register/{client_id}")
                .route(web::get().to(register::read))
                .route(web::put().to(register::replace))
                .route(web::delete().to(register::delete)),
        )
        .service(
            open("/oauth/userinfo").route(web::get().to(userinfo::get)).route(web::post().to(userinfo::post)),
        )
        .service(open("/.well-known/jwks.json").route(web::get().to(jwks::jwks)))
        .service(
            open("/.well-known/oauth-protected-resource/api/v1")
                .route(web::get().to(metadata::management_api)),
        )
        .service(open("/.well-known/openid-configuration").route(web::get().to(metadata::metadata)))
        .service(open("/.well-known/oauth-authorization-server").route(web::get().to(metadata::metadata)));
}
