//! The listener for Prometheus (`metrics_addr`). It asks nobody who they are, and tells no secret: counts, times and
//! sizes alone.

use std::net::TcpListener;

use actix_web::{HttpResponse, web};
use keyway_portal::metrics::GuardSizes;
use keyway_portal::operations::exposition;
use keyway_portal::state::Portal;

use crate::config::Config;
use crate::listeners;
use crate::servers::Servers;

/// Opens the sockets of `metrics_addr`, if it is set.
///
/// # Errors
/// One line that names the address and the setting.
pub fn listen(config: &Config) -> anyhow::Result<Option<Vec<TcpListener>>> {
    config.written.metrics_addr.0.map(|listen| listeners::open("metrics_addr", listen)).transpose()
}

/// Serves `/metrics` on `sockets`: what the portal counts, if there is one here, and how full the guards are.
///
/// # Errors
/// When the sockets cannot be used.
pub fn serve(
    sockets: Vec<TcpListener>,
    portal: Option<web::Data<Portal>>,
    servers: &mut Servers,
) -> std::io::Result<()> {
    let guards = web::Data::new(servers.guard_sizes().clone());
    servers.serve(sockets, 1, move |config| {
        let resource = web::resource("/metrics").app_data(guards.clone());
        config.service(match &portal {
            Some(portal) => resource.app_data(portal.clone()).route(web::get().to(of_portal)),
            None => resource.route(web::get().to(of_guards)),
        });
    })
}

async fn of_portal(portal: web::Data<Portal>) -> HttpResponse {
    match portal.metrics.text(&portal).await {
        Ok(text) => exposition(text),
        Err(error) => {
            tracing::warn!(%error, "the metrics cannot be read");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

async fn of_guards(guards: web::Data<GuardSizes>) -> HttpResponse {
    exposition(guards.text())
}
