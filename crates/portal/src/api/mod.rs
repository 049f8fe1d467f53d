//! For programs: the management API, and what guards in other processes use. Never a cookie.
//!
//! To add to the management API: a file here with a `configure` whose routes each say the scopes that they need, and
//! a line in the guarded scope below.

mod guard;
mod keys;

use actix_web::web::{self, ServiceConfig};
use keyway_guard::Guard;
use keyway_guard::actix::configure_errors;

/// Everything that knows no browser session. `guard` protects the management API.
pub fn configure(cfg: &mut ServiceConfig, guard: &Guard) {
    cfg.configure(guard::configure).service(
        web::scope("/api/v1").wrap(guard.middleware()).configure(configure_errors).configure(keys::configure),
    );
}
