//! `keyway dev`, `portal` and `sample-api`: the same parts, one process or several.

use std::path::Path;
use std::sync::Arc;

use actix_web::web;
use anyhow::Context;
use keyway_portal::backchannel;
use keyway_portal::flows::bootstrap;
use keyway_portal::live;
use keyway_portal::mail::{self, Mailer};
use keyway_portal::passwords::PasswordCost;
use keyway_portal::providers::renewal;
use keyway_portal::state::Portal;
use keyway_sample_api::SampleApi;
use keyway_store::StoreError;
use zeroize::Zeroizing;

use crate::args::{self, Verify};
use crate::config::Config;
use crate::demo::Demo;
use crate::demo_data;
use crate::house::{House, Missing};
use crate::output::say;
use crate::servers::{Servers, StopSignals};
use crate::{forward_auth, listeners, metrics, remote, tasks, telemetry};

/// Portal and sample API in one process, on this machine only.
///
/// # Errors
/// When something is in the way: a taken port, a database of another version, a key that does not fit.
pub fn dev(mut config: Config, args: &args::Dev) -> anyhow::Result<()> {
    telemetry::start(&config.written.log)?;
    in_runtime(async {
        let stop = StopSignals::listen()?;
        let portal_sockets = listeners::open("portal_addr", config.written.portal_addr)?;
        let api_sockets = listeners::open("api_addr", config.written.api_addr)?;
        let proxy_sockets = forward_auth::listen(&config)?;
        let metrics_sockets = metrics::listen(&config)?;
        let demo = open_demo(&mut config).await;
        let house = House::open(config, Missing { master_key: true, migrations: true }).await?;
        let filled = if args.demo_data { fill(&house).await } else { String::new() };
        let mut servers = Servers::new()?;
        let demo = demo.map(|demo| demo.serve(args.web_dir.as_deref(), &mut servers)).transpose()?;
        let portal = start_portal(&house, portal_sockets, args.web_dir.as_deref(), &mut servers)?;
        if let Some(sockets) = metrics_sockets {
            metrics::serve(sockets, Some(portal), &mut servers)?;
        }
        let guard = house.sample_guard()?;
        if let Some(sockets) = proxy_sockets {
            forward_auth::serve(&house, sockets, &[&guard], workers(), &mut servers)?;
        }
        start_sample_api(&house.sample_api(guard)?, api_sockets, &mut servers)?;
        let link = bootstrap_link(&house).await?;
        say(&banner(&house.config, demo.as_ref(), &filled, link.as_deref().map(String::as_str)));
        run_until_stopped(stop, demo.into_iter().chain([house]), servers).await
    })
}

/// The portal alone.
///
/// # Errors
/// As [`dev`]; also when the schema is old and `--migrate` is not given.
pub fn portal(config: Config, args: &args::Portal) -> anyhow::Result<()> {
    telemetry::start(&config.written.log)?;
    in_runtime(async {
        let stop = StopSignals::listen()?;
        let sockets = listeners::open("portal_addr", config.written.portal_addr)?;
        let proxy_sockets = forward_auth::listen(&config)?;
        let metrics_sockets = metrics::listen(&config)?;
        let house = House::open(config, Missing { master_key: false, migrations: args.migrate }).await?;
        let mut servers = Servers::new()?;
        let portal = start_portal(&house, sockets, args.web_dir.as_deref(), &mut servers)?;
        if let Some(sockets) = metrics_sockets {
            metrics::serve(sockets, Some(portal), &mut servers)?;
        }
        if let Some(sockets) = proxy_sockets {
            forward_auth::serve(&house, sockets, &[], workers(), &mut servers)?;
        }
        if args.bootstrap {
            match bootstrap_link(&house).await? {
                Some(link) => say(&format!("The first administrator is made here, once:\n  {}", *link)),
                None => say("There has been an administrator; `keyway user create --admin` makes another."),
            }
        }
        tracing::info!(url = %house.config.public_url, address = %house.config.written.portal_addr, "listening");
        run_until_stopped(stop, [house], servers).await
    })
}

/// The sample API alone, verifying in the portal's database or over HTTP.
///
/// # Errors
/// As [`dev`]; over HTTP also when the client's id and secret are not given.
pub fn sample_api(config: Config, args: &args::SampleApi) -> anyhow::Result<()> {
    telemetry::start(&config.written.log)?;
    in_runtime(async {
        let stop = StopSignals::listen()?;
        let sockets = listeners::open("api_addr", config.written.api_addr)?;
        let address = config.written.api_addr;
        let mut servers = Servers::new()?;
        if let Some(sockets) = metrics::listen(&config)? {
            metrics::serve(sockets, None, &mut servers)?;
        }
        match args.verify {
            Verify::Store => {
                let house =
                    House::open(config, Missing { master_key: false, migrations: args.migrate }).await?;
                let guard = house.sample_guard()?;
                start_sample_api(&house.sample_api(guard)?, sockets, &mut servers)?;
                tracing::info!(%address, "listening");
                run_until_stopped(stop, [house], servers).await
            }
            Verify::Remote => {
                start_sample_api(&remote::sample_api(&config)?, sockets, &mut servers)?;
                tracing::info!(%address, "listening");
                stop.received().await;
                servers.stop().await;
                Ok(())
            }
        }
    })
}

fn start_sample_api(
    api: &SampleApi,
    sockets: Vec<std::net::TcpListener>,
    servers: &mut Servers,
) -> anyhow::Result<()> {
    servers.guard("api", &api.guard);
    let api = web::Data::new(api.clone());
    Ok(servers.serve(sockets, workers(), move |cfg| keyway_sample_api::configure(cfg, api.clone()))?)
}

fn start_portal(
    house: &House,
    sockets: Vec<std::net::TcpListener>,
    web_dir: Option<&Path>,
    servers: &mut Servers,
) -> anyhow::Result<web::Data<Portal>> {
    let portal = web::Data::new(house.portal(web_dir, PasswordCost::STANDARD)?);
    let mailer = match &house.config.smtp_url {
        Some(url) => Mailer::smtp(url.expose()).context("smtp_url")?,
        None => Mailer::folder(&house.config.data_dir),
    };
    servers.beside(mail::deliver(portal.clone().into_inner(), mailer));
    servers.beside(live::keep_looking(portal.clone().into_inner()));
    let listened = portal.clone();
    servers.when_stopping(move || listened.live.close());
    servers.beside(backchannel::deliver(portal.clone().into_inner()));
    servers.beside(renewal::keep_fresh(portal.clone().into_inner()));
    servers.guard("portal", &portal.guard);
    portal.metrics.register(Box::new(servers.guard_sizes().clone()))?;
    let served = portal.clone();
    servers.serve(sockets, workers(), move |cfg| keyway_portal::configure(cfg, served.clone()))?;
    servers.beside(tasks::housekeeping(house.clone()));
    servers.beside(tasks::expiry_notices(house.clone(), portal.clone()));
    servers.beside(tasks::signing_keys(house.clone()));
    servers.beside(tasks::master_key(house.clone()));
    Ok(portal)
}

/// The demo identity provider, if it can be there, and among those to sign in with then. Everything else works
/// without it.
async fn open_demo(config: &mut Config) -> Option<Demo> {
    match Demo::open(config).await {
        Ok(None) => None,
        Ok(Some((demo, definition))) => {
            config.providers.push(definition);
            Some(demo)
        }
        Err(error) => {
            say(&format!("The demo identity provider is off: {error:#}"));
            None
        }
    }
}

async fn run_until_stopped(
    stop: StopSignals,
    houses: impl IntoIterator<Item = House>,
    servers: Servers,
) -> anyhow::Result<()> {
    stop.received().await;
    tracing::info!("stopping");
    servers.stop().await;
    for house in houses {
        house.close().await;
    }
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

/// The link that makes the first administrator, until there has been one.
async fn bootstrap_link(house: &House) -> anyhow::Result<Option<Zeroizing<String>>> {
    let (now, random, brand) =
        (house.clock.now(), Arc::clone(&house.random), house.config.shapes.brand.clone());
    let token = house.store.write(move |tx| bootstrap::issue(tx, now, &*random, &brand)).await;
    let token = token.map_err(|error: StoreError| error)?;
    Ok(token.map(|token| {
        Zeroizing::new(format!("{}/bootstrap?token={}", house.config.public_url, token.expose()))
    }))
}

/// Makes the demo data, and says as whom one signs in. Everything else works without it.
async fn fill(house: &House) -> String {
    match demo_data::fill(house, PasswordCost::STANDARD).await {
        Ok(password) => format!(
            "Demo data: sign in as {} with the password\n  {}\n",
            demo_data::ADDRESSES.join(" or "),
            password.expose()
        ),
        Err(error) => format!("There is no demo data: {error:#}\n"),
    }
}

fn banner(config: &Config, demo: Option<&House>, filled: &str, bootstrap: Option<&str>) -> String {
    let url = &config.public_url;
    let provider = demo.map_or_else(String::new, |demo| {
        format!("  demo login  {} (an identity provider to sign in with)\n", demo.config.public_url)
    });
    let mut text = format!(
        "Keyway {} is running, for this machine only.\n\n  portal      {url}\n  sample API  {}\n{provider}  data        {}\n  \
         mails       {url}/dev/mail (nothing leaves this machine, so addresses are not verified)\n\nSign up at \
         {url}/sign-up, create a key, and call the sample API with it.\n",
        env!("CARGO_PKG_VERSION"),
        config.sample_audience(),
        config.data_dir.display(),
    );
    text.push_str(filled);
    if let Some(link) = bootstrap {
        text.push_str(&format!("There is no administrator yet. This link makes one, once:\n  {link}\n"));
    }
    text
}
