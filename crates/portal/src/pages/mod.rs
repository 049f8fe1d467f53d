//! The pages, one (with its forms) a file: extract, authorise, one call into a flow, render.

mod admin;
pub mod apps;
mod asked;
mod audit;
pub mod authorize;
pub mod authorized;
mod bootstrap;
pub mod confirm;
mod connections;
pub mod credentials;
mod cursor;
mod demo;
mod dev;
mod device;
mod events;
mod forgot;
mod fresh;
pub mod keys;
mod letters;
mod live;
mod logout;
mod overview;
mod password_check;
mod requests;
mod reset;
pub mod resources;
mod settings;
pub mod shown_cookie;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;
pub mod tokens;
mod usage;
mod verify;
mod words;

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use crate::error::PageError;
use crate::operations;

/// All pages; those that only `dev` has ask the settings themselves.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(authorize::configure)
        .configure(authorized::configure)
        .configure(device::configure)
        .configure(apps::configure)
        .configure(credentials::configure)
        .configure(keys::configure)
        .configure(tokens::configure);
    cfg.configure(sign_up::configure)
        .configure(sign_in::configure)
        .configure(demo::configure)
        .configure(logout::configure)
        .configure(forgot::configure)
        .configure(reset::configure)
        .configure(verify::configure)
        .configure(bootstrap::configure)
        .configure(fresh::configure)
        .configure(overview::configure)
        .configure(live::configure)
        .configure(settings::configure)
        .configure(connections::configure)
        .configure(admin::configure)
        .configure(requests::configure)
        .configure(usage::configure)
        .configure(audit::configure)
        .configure(dev::configure)
        .configure(operations::configure_pages);
}

/// Where there is nothing.
///
/// # Errors
/// Always.
pub async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
