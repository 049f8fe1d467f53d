//! For programs: the management API, and what guards in other processes use. Never a cookie.

mod guard;

use actix_web::web::ServiceConfig;

/// Everything that knows no browser session.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(guard::configure);
}
