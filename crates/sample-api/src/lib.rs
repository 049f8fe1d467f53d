//! A small notes API protected by the Keyway guard: what a customer's API looks like.
//!
//! `routes` names each route and the scopes it needs; `notes` keeps the notes in a SQLite file of its own, live and
//! test apart, each belonging to the subject that made it; `whoami` tells a caller what the guard knows; `documents`
//! are the OpenAPI description and the metadata of RFC 9728; `json` writes what is answered most often.
//!
//! To add a route: its handler, a line in `routes` with what it needs, and its operation in `openapi.json` (a test
//! calls every operation that stands there without a credential and without a scope).

#![warn(missing_docs)]

mod documents;
mod json;
mod notes;
mod page;
mod routes;
mod whoami;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use keyway_core::{Clock, Random};
use keyway_guard::Guard;
use keyway_guard::actix::{RequestIds, configure_errors, cors};

pub use notes::{Notes, NotesError};

/// The scopes that the API knows: name, description, access.
pub const SCOPES: [(&str, &str, keyway_core::audience::Access); 3] = [
    ("notes:read", "Read your notes", keyway_core::audience::Access::Read),
    ("notes:write", "Create and change your notes", keyway_core::audience::Access::Write),
    ("notes:delete", "Delete your notes", keyway_core::audience::Access::Write),
];

/// What the handlers share.
#[derive(Clone)]
pub struct SampleApi {
    /// Protects `/v1`.
    pub guard: Guard,
    /// The notes.
    pub notes: Notes,
    /// Where the portal is: issuer of credentials, and the one origin whose pages may call.
    pub portal: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// All routes, for the server and for tests alike.
pub fn configure(config: &mut ServiceConfig, api: web::Data<SampleApi>) {
    let scope = web::scope("")
        .wrap(cors(origin(&api.portal)))
        .wrap(RequestIds::new(api.guard.clone()))
        .configure(configure_errors)
        .configure(|config| routes::configure(config, &api.guard));
    config.app_data(api).service(scope);
}

/// Scheme, host and port of a URL (RFC 6454 §6.2).
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..host + end).unwrap_or(url)
}

#[cfg(test)]
mod tests;
