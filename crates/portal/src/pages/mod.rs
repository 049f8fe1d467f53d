//! The pages, one (with its forms) a file: extract, authorise, one call into a flow, render.

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use crate::error::PageError;

/// All pages; those that only `dev` has ask the settings themselves.
pub fn configure(_cfg: &mut ServiceConfig) {}

/// Where there is nothing.
///
/// # Errors
/// Always.
pub async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
