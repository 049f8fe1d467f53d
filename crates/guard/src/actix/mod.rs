//! The guard in actix-web.
//!
//! ```ignore
//! App::new()
//!     .wrap(RequestIds::new(guard.clone()))
//!     .configure(configure_errors)
//!     .service(
//!         web::scope("/v1").wrap(guard.middleware()).service(
//!             resource("/notes", "GET, POST")
//!                 .route(web::get().to(list).wrap(scopes(["notes:read"])))
//!                 .route(web::post().to(create).wrap(scopes(["notes:write"]))),
//!         ),
//!     )
//! ```
//!
//! The middleware of the scope finds the caller and spends the limits; what a route needs stands beside it. A route
//! in a guarded scope that names nothing answers 500.

mod answer;
mod cors;
mod errors;
mod middleware;
mod principal;
mod request_ids;
mod scopes;

pub use cors::Cors;
pub use errors::{configure_errors, json_config, resource};
pub use middleware::Protect;
pub use principal::Principal;
pub use request_ids::{RequestIds, request_id};
pub use scopes::{Require, any_credential, open, scopes};
