//! All credentials in one list: `/credentials`.

mod choose;
mod filters;
mod list;
pub mod revoke;
#[cfg(test)]
mod tests;
pub mod trouble;

use actix_web::web::{self, ServiceConfig};

/// Everything under `/credentials`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/credentials").route(web::get().to(list::show)))
        .service(web::resource("/credentials/choose").route(web::get().to(choose::show)))
        .service(
            web::resource("/credentials/revoke")
                .route(web::get().to(revoke::confirm))
                .route(web::post().to(revoke::revoke)),
        );
}
