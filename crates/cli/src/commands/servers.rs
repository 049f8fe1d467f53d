//! `keyway dev`, `portal` and `sample-api`: the same parts, one process or several.

use std::path::Path;

use actix_web::web;
use keyway_portal::passwords::PasswordCost;

use crate::args;
use crate::config::Config;
use crate::house::{House, Missing};
use crate::output::say;
use crate::servers::{Servers, asked_to_stop};
use crate::{listeners, tasks, telemetry};

/// Portal and sample API in one process, on this machine only.
///
/// # Errors
/// When something is in the way: a taken port, a database of another version, a key that does not fit.
pub fn dev(config: Config, args: &args::Dev) -> anyhow::Result<()> {
    telemetry::start(&config.written.log)?;
    in_runtime(async {
        let portal_sockets = listeners::open("portal_addr", config.written.portal_addr)?;
        let house = House::open(config, Missing { master_key: true, migrations: true }).await?;
        let mut servers = Servers::default();
        start_portal(&house, portal_sockets, args.web_dir.as_deref(), &mut servers)?;
        say(&banner(&house.config));
        run_until_stopped(house, servers).await
    })
}

/// The portal alone.
///
/// # Errors
/// As [`dev`]; also when the schema is old and `--migrate` is not given.
pub fn portal(config: Config, args: &args::Portal) -> anyhow::Result<()> {
    telemetry::start(&config.written.log)?;
    in_runtime(async {
        let sockets = listeners::open("portal_addr", config.written.portal_addr)?;
        let house = House::open(config, Missing { master_key: false, migrations: args.migrate }).await?;
        let mut servers = Servers::default();
        start_portal(&house, sockets, args.web_dir.as_deref(), &mut servers)?;
        tracing::info!(url = %house.config.public_url, address = %house.config.written.portal_addr, "listening");
        run_until_stopped(house, servers).await
    })
}

fn start_portal(
    house: &House,
    sockets: Vec<std::net::TcpListener>,
    web_dir: Option<&Path>,
    servers: &mut Servers,
) -> anyhow::Result<()> {
    let portal = web::Data::new(house.portal(web_dir, PasswordCost::STANDARD)?);
    servers.serve(sockets, workers(), move |cfg| keyway_portal::configure(cfg, portal.clone()))?;
    servers.beside(tasks::housekeeping(house.clone()));
    Ok(())
}

async fn run_until_stopped(house: House, servers: Servers) -> anyhow::Result<()> {
    asked_to_stop().await?;
    tracing::info!("stopping");
    servers.stop().await;
    house.close().await;
    Ok(())
}

/// As many as the machine has processors.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get)
}

/// Runs `work` on a runtime that actix can serve on.
pub fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    actix_web::rt::System::new().block_on(work)
}

fn banner(config: &Config) -> String {
    format!(
        "Keyway {} is running, for this machine only.\n\n  portal      {}\n  data        {}\n  mails       {}/dev/mail",
        env!("CARGO_PKG_VERSION"),
        config.public_url,
        config.data_dir.display(),
        config.public_url
    )
}
