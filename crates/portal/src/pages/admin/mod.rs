//! `/admin/…`: for administrators who have just shown who they are.

mod providers;

use actix_web::web::ServiceConfig;

/// All of them.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(providers::configure);
}
