//! The guard in actix-web.
//!
//! ```
//! use actix_web::{App, HttpResponse, web};
//! use keyway_guard::Guard;
//! use keyway_guard::actix::{Principal, RequestIds, configure_errors, resource, scopes};
//!
//! async fn list(who: Principal) -> HttpResponse {
//!     HttpResponse::Ok().body(who.subject().to_string())
//! }
//!
//! fn protect(guard: &Guard) {
//!     let _app = App::new().wrap(RequestIds::new(guard.clone())).configure(configure_errors).service(
//!         web::scope("/v1").wrap(guard.middleware()).service(
//!             resource("/notes", "GET").route(web::get().to(list).wrap(scopes(["notes:read"]))),
//!         ),
//!     );
//! }
//! ```
//!
//! The middleware of the scope finds the caller and spends the limits; what a route needs stands beside it. A route
//! in a guarded scope that names nothing answers 500.

mod answer;
mod cors;
mod errors;
mod future;
mod middleware;
mod principal;
mod request_ids;
mod routes;
mod scopes;

pub(crate) use answer::{limit_headers, response};
pub use cors::cors;
pub use errors::{configure_errors, json_config, resource};
pub use middleware::Protect;
pub use principal::Principal;
pub use request_ids::{RequestIds, request_id};
pub use scopes::{Require, any_credential, open, scopes};
