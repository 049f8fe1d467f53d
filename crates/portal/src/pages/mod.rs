//! The pages, one (with its forms) a file: extract, authorise, one call into a flow, render.

pub mod apps;
pub mod authorize;
pub mod authorized;
pub mod confirm;
pub mod resources;
pub mod shown_cookie;

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use crate::error::PageError;

/// All pages; those that only `dev` has ask the settings themselves.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(authorize::configure).configure(authorized::configure).configure(apps::configure);
}

/// Where there is nothing.
///
/// # Errors
/// Always.
pub async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
