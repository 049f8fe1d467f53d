//! `/usage`: counts of calls over time, by credential, route, outcome and address; and as CSV.

mod csv;
mod filters;
mod show;
#[cfg(test)]
mod tests;
pub mod words;

use actix_web::web::{self, ServiceConfig};

/// Everything under `/usage`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/usage").route(web::get().to(show::show)))
        .service(web::resource("/usage.csv").route(web::get().to(csv::csv)));
}
