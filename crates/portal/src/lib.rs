//! The developer portal: pages, OAuth endpoints, the management API.
//!
//! A request's way: [`boundary`] (request id, log, headers, errors) → for pages the session → a handler in `pages`,
//! [`oauth`] or `api`, which extracts, authorises, calls one flow of [`flows`] and renders.
//!
//! | module | what it does |
//! |---|---|
//! | [`boundary`] [`headers`] [`error`] | around every answer; problems as pages |
//! | [`extract`] [`form`] [`session`] [`csrf`] | who is there, from where, what they typed |
//! | [`flows`] | the use-cases; no HTTP |
//! | `pages` | one page, with its forms, a file |
//! | [`oauth`] | OAuth's and OpenID Connect's endpoints for programs, one a file; `/oauth/authorize` is a page |
//! | `api` | the management API, and what remote guards ask |
//! | [`outgoing`] [`backchannel`] | calls to other hosts; telling apps that a person signed out |
//! | [`providers`] | signing in with, and connecting, other providers: the protocol |
//! | [`outside`] | tokens of trusted issuers |
//! | `chart` | counts as bars and sparklines |
//! | [`live`] | pages that follow what happens |
//! | [`mail`] [`render`] [`passwords`] | mails, templates, hashing on threads of its own; what people are told: [`flows::notices`] |
//! | [`settings`] [`state`] | what is set; what all handlers share |
//! | [`operations`] [`metrics`] | health, and what is counted |
//!
//! To add a page: a template in `web/templates/pages`, a JSON sample for each of its states in `web/samples/pages`, a
//! file in `pages` with a `configure`, a line in `pages/mod.rs`.
//!
//! To add an endpoint: its flow in [`flows`], a file in [`oauth`], a line in [`oauth::configure`], a limit in
//! [`oauth::limits`], and what it offers in `oauth/metadata`; `tests/clients/node/metadata.test.mjs` tries all of that.
//!
//! To add a grant: `GrantType` in core, a file in [`flows::tokens`], an arm in `oauth/token`.

mod api;
mod cached;
mod chart;

pub mod backchannel;
pub mod boundary;
pub mod csrf;
mod csv;
pub mod error;
pub mod extract;
pub mod flows;
pub mod form;
pub mod headers;
mod known;
pub mod live;
pub mod mail;
pub mod metrics;
pub mod oauth;
pub mod operations;
pub mod outgoing;
pub mod outside;
pub mod pages;
pub mod passwords;
pub mod providers;
mod public_name;
pub mod render;
pub mod session;
pub mod settings;
pub mod state;
mod statics;
#[cfg(test)]
mod testing;

use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, ServiceConfig};

pub use error::{FieldErrors, PageError};
pub use state::Portal;

/// Everything under the portal's address, for the server and for tests alike.
pub fn configure(cfg: &mut ServiceConfig, portal: web::Data<Portal>) {
    let session = session::middleware(portal.clone());
    let guard = portal.guard.clone();
    cfg.app_data(portal).service(
        web::scope("")
            .wrap(from_fn(boundary::boundary))
            .configure(oauth::configure)
            .configure(|cfg| api::configure(cfg, &guard))
            .configure(operations::configure)
            .configure(statics::configure)
            .service(
                web::scope("")
                    .wrap(session)
                    .wrap(from_fn(session::unattended))
                    .wrap(from_fn(public_name::public_name))
                    .wrap(Compress::default())
                    .configure(pages::configure)
                    .default_service(web::to(pages::not_found)),
            ),
    );
}
