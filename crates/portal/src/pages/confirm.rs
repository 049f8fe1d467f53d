//! The page before something dies: what dies with it, who would notice, and Cancel first.

use std::net::IpAddr;

use actix_web::HttpResponse;
use keyway_core::Timestamp;
use keyway_core::ledger::Entry;
use keyway_store::tables::callers::Caller;
use serde::{Deserialize, Serialize};

use crate::error::{FieldErrors, PageError};
use crate::extract::Visitor;
use crate::flows::blast_radius::{BlastRadius, MAX_NAMED};
use crate::state::Portal;

/// A form whose buttons say all.
#[derive(Deserialize)]
pub struct NoFields {}

/// What is about to happen.
#[derive(Default, Serialize)]
pub struct Confirm {
    /// A question.
    pub title: String,
    /// One sentence.
    pub lead: &'static str,
    /// What dies with it.
    pub dies: Vec<String>,
    /// Who would notice, where that is known.
    pub blast: Option<BlastView>,
    /// Where the form is sent.
    pub action: String,
    /// Where Cancel leads.
    pub cancel: String,
    /// Verb and noun.
    pub button: &'static str,
    /// What has to be typed, if anything.
    pub type_name: Option<String>,
    /// What is posted along.
    pub fields: Vec<Field>,
    /// What was wrong with it.
    pub errors: FieldErrors,
}

/// A hidden field.
#[derive(Serialize)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub value: String,
}

impl Confirm {
    /// Shows it; again with 422 if something was wrong.
    ///
    /// # Errors
    /// When the template is at fault.
    pub fn page(self, portal: &Portal, visitor: &Visitor) -> Result<HttpResponse, PageError> {
        let template = "pages/confirm.html";
        if self.errors.is_empty() {
            portal.page(visitor, template, self)
        } else {
            portal.form_again(visitor, template, self)
        }
    }
}

/// Who called with what is about to die, as templates say it.
#[derive(Default, Serialize)]
pub struct BlastView {
    /// Where they are counted.
    calls: Option<u64>,
    refused: u64,
    routes: Vec<RouteView>,
    more_routes: usize,
    callers: Vec<CallerView>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<IpAddr>,
}

#[derive(Serialize)]
struct RouteView {
    route: String,
    calls: u64,
}

/// Whence calls came.
#[derive(Serialize)]
pub struct CallerView {
    address: Option<IpAddr>,
    last_at: Timestamp,
}

impl CallerView {
    /// As templates say it.
    pub const fn of(caller: &Caller) -> Self {
        Self { address: caller.address, last_at: caller.last_at }
    }
}

impl BlastView {
    /// Of something whose calls nobody counts.
    pub fn last_used(at: Option<Timestamp>) -> Self {
        Self { last_used_at: at, ..Self::default() }
    }

    /// Of what is known of `entries` and of what stops with them.
    pub fn of(radius: &BlastRadius, entries: &[Entry]) -> Self {
        let last = entries.iter().max_by_key(|entry| entry.last_used_at);
        Self {
            calls: Some(radius.calls.total()),
            refused: radius.calls.refused(),
            more_routes: radius.routes.len().saturating_sub(MAX_NAMED),
            routes: radius
                .routes
                .iter()
                .take(MAX_NAMED)
                .map(|(route, calls)| RouteView { route: route.clone(), calls: *calls })
                .collect(),
            callers: radius.callers.iter().map(CallerView::of).collect(),
            last_used_at: last.and_then(|entry| entry.last_used_at),
            last_used_address: last.and_then(|entry| entry.last_used_address),
        }
    }
}
