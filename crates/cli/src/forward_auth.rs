//! The listener for proxies (`guard_addr`): a guard for each API, and the resource servers that may ask.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::web;
use keyway_core::audience::Audience;
use keyway_core::ids::ClientId;
use keyway_core::oauth::ClientKind;
use keyway_core::secret::PlainSecret;
use keyway_core::source::{Pending, SourceError};
use keyway_guard::Guard;
use keyway_guard::forward_auth::{self, ForwardAuth, ResourceServers};
use keyway_store::tables::{client_secrets, clients};
use keyway_store::{Store, StoreError};

use crate::config::Config;
use crate::config::listen::Listen;
use crate::house::{House, guard_settings};
use crate::listeners;
use crate::servers::Servers;

/// Opens the sockets of `guard_addr`, if it is set.
///
/// # Errors
/// One line that names the address and the setting.
pub fn listen(config: &Config) -> anyhow::Result<Option<Vec<TcpListener>>> {
    config.written.guard_addr.0.map(|listen| listeners::open("guard_addr", listen)).transpose()
}

/// Serves `/guard/check` on `sockets`. What `known` guards is not guarded twice, so that its limits count once.
///
/// # Errors
/// When the sockets cannot be used.
pub fn serve(
    house: &House,
    sockets: Vec<TcpListener>,
    known: &[&Guard],
    workers: usize,
    servers: &mut Servers,
) -> anyhow::Result<()> {
    let mut guards = Vec::new();
    for api in house.config.catalogue.apis() {
        match known.iter().find(|guard| guard.settings().audience == api.audience) {
            Some(guard) => guards.push(Guard::clone(guard)),
            None => {
                let mut settings = guard_settings(&house.config, api.audience.clone(), None);
                // What proofs of possession (RFC 9449) are made for.
                api.base_url.trim_end_matches('/').clone_into(&mut settings.base_url);
                let guard = house.guard(settings);
                servers.guard("proxy", &guard);
                guards.push(guard);
            }
        }
    }
    let open = house.config.written.guard_addr.0.is_some_and(Listen::is_loopback);
    let forward = web::Data::new(if open {
        ForwardAuth::on_loopback(guards)
    } else {
        ForwardAuth::for_resource_servers(guards, Arc::new(Registered(house.store.clone())))
    });
    servers.serve(sockets, workers, move |config| forward_auth::configure(config, forward.clone()))?;
    Ok(())
}

/// The resource servers in the database.
struct Registered(Store);

impl ResourceServers for Registered {
    fn audience<'a>(&'a self, id: &'a str, secret: &'a PlainSecret) -> Pending<'a, Option<Audience>> {
        Box::pin(async move {
            let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
            let (digest, now) = (secret.digest(), self.0.clock().now());
            let found: Result<_, StoreError> = self
                .0
                .read(move |conn| {
                    let secrets = client_secrets::list(conn, id, now)?;
                    let proven = secrets.iter().any(|secret| secret.digest == digest);
                    Ok(clients::find(conn, id)?.filter(|_| proven))
                })
                .await;
            let client = found.map_err(SourceError::from)?;
            let server = client.filter(|c| c.kind == ClientKind::ResourceServer && c.suspended_at.is_none());
            Ok(server.and_then(|server| server.audience))
        })
    }
}
