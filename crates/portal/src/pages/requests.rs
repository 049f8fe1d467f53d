//! `/requests`: what guards recorded of single requests, as a list, as CSV, and one by one with the reason of a refusal.

mod explain;
pub mod filters;
pub mod list;
#[cfg(test)]
mod tests;

use actix_web::web::{self, ServiceConfig};
use keyway_core::ids::EntityId;
use keyway_core::refusal::Check;
use keyway_store::tables::request_log::LoggedRequest;

use crate::flows::explain::name;

/// Everything under `/requests`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/requests").route(web::get().to(list::show)))
        .service(web::resource("/requests.csv").route(web::get().to(list::csv)))
        .service(web::resource("/requests/explain").route(web::get().to(explain::pasted)))
        .service(web::resource("/requests/{id}").route(web::get().to(explain::show)));
}

/// How a request ended, in words, and as the state of a pill.
fn outcome(request: &LoggedRequest) -> (&'static str, String) {
    match request.failed {
        None if request.status >= 500 => ("attention", "API failed".to_owned()),
        None => ("ok", "Accepted".to_owned()),
        Some(Check::Limit) => ("attention", "Refused: limit".to_owned()),
        Some(check) => ("refused", format!("Refused: {}", name(check).to_lowercase())),
    }
}

/// Enough of an id to tell credentials without a name apart.
pub fn short(id: EntityId) -> String {
    let id = id.to_string();
    format!("Token …{}", id.get(id.len().saturating_sub(8)..).unwrap_or(&id))
}

fn millis(request: &LoggedRequest) -> String {
    format!("{}.{:01}", request.latency_us / 1000, request.latency_us % 1000 / 100)
}
