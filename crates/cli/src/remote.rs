//! The sample API in remote mode: it asks the portal over HTTP, as a resource server.

use std::sync::Arc;

use anyhow::Context;
use keyway_core::clock::SystemClock;
use keyway_core::random::OsRandom;
use keyway_core::{Clock, Random};
use keyway_guard::Guard;
use keyway_guard::remote::RemoteSource;
use keyway_sample_api::{Notes, SampleApi};

use crate::config::Config;
use crate::{home, house};

/// The sample API behind a guard that learns from the portal at `public_url`.
///
/// # Errors
/// When the client's id or secret is not given, or the notes cannot be opened.
pub fn sample_api(config: &Config) -> anyhow::Result<SampleApi> {
    home::prepare(config)?;
    let missing = "--verify remote needs KEYWAY_CLIENT_ID and KEYWAY_CLIENT_SECRET of a resource server; make one \
                   with `keyway client create --resource-server --audience URL --name NAME`";
    let id = config.written.client_id.as_ref().context(missing)?;
    let secret = config.client_secret.clone().context(missing)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let source = Arc::new(RemoteSource::new(config.public_url.as_str(), id, secret)?);
    let settings = house::sample_settings(config)?;
    let sink: Arc<RemoteSource> = Arc::clone(&source);
    let guard = Guard::new(settings, source, Some(sink), Arc::clone(&clock), Arc::clone(&random));
    let notes = Notes::open(&config.data_dir.join("notes.db"))?;
    Ok(SampleApi { guard, notes, portal: config.public_url.to_string(), clock, random })
}
