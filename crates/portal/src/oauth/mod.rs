//! OAuth's endpoints, one a file. What they decide lies in [`crate::flows`]; here it is read and answered.

pub mod client_auth;
pub mod error;
pub mod params;

use actix_web::web::ServiceConfig;

/// All endpoints that know no browser session.
pub fn configure(_cfg: &mut ServiceConfig) {}
