//! The sample API as a customer would run it: no database of Keyway's, the portal asked over HTTP.
//!
//! Settings come from the environment: `KEYWAY_PUBLIC_URL`, `KEYWAY_CLIENT_ID`, `KEYWAY_CLIENT_SECRET` (or
//! `KEYWAY_CLIENT_SECRET_FILE`), `KEYWAY_AUDIENCE`, `KEYWAY_API_ADDR` and `KEYWAY_NOTES_FILE`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use keyway_core::clock::SystemClock;
use keyway_core::random::OsRandom;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Random};
use keyway_guard::remote::RemoteSource;
use keyway_guard::{Guard, Settings};
use keyway_sample_api::{Notes, SampleApi, configure};

/// What the environment says.
struct Environment {
    portal: String,
    client_id: String,
    client_secret: PlainSecret,
    audience: String,
    address: String,
    notes: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{0} cannot be read: {1}")]
    Secret(String, std::io::Error),
    #[error("KEYWAY_AUDIENCE: {0}")]
    Audience(#[from] keyway_core::audience::InvalidAudience),
    #[error("KEYWAY_PUBLIC_URL: {0}")]
    Portal(#[from] keyway_guard::remote::UnusablePortal),
    #[error("KEYWAY_NOTES_FILE: {0}")]
    Notes(#[from] keyway_sample_api::NotesError),
    #[error("KEYWAY_API_ADDR: {0}")]
    Listen(std::io::Error),
    #[error("the server failed: {0}")]
    Serve(std::io::Error),
}

impl Environment {
    fn read() -> Result<Self, StartError> {
        let address = optional("KEYWAY_API_ADDR").unwrap_or_else(|| "127.0.0.1:8081".to_owned());
        Ok(Self {
            portal: required("KEYWAY_PUBLIC_URL")?,
            client_id: required("KEYWAY_CLIENT_ID")?,
            client_secret: secret()?,
            audience: required("KEYWAY_AUDIENCE")?,
            address,
            notes: optional("KEYWAY_NOTES_FILE").unwrap_or_else(|| "notes.db".to_owned()).into(),
        })
    }
}

fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &'static str) -> Result<String, StartError> {
    optional(name).ok_or(StartError::Missing(name))
}

fn secret() -> Result<PlainSecret, StartError> {
    if let Some(secret) = optional("KEYWAY_CLIENT_SECRET") {
        return Ok(PlainSecret::new(secret));
    }
    let path = required("KEYWAY_CLIENT_SECRET_FILE")
        .map_err(|_| StartError::Missing("KEYWAY_CLIENT_SECRET or KEYWAY_CLIENT_SECRET_FILE"))?;
    let text = std::fs::read_to_string(&path).map_err(|error| StartError::Secret(path, error))?;
    Ok(PlainSecret::new(text.trim()))
}

async fn serve() -> Result<(), StartError> {
    let environment = Environment::read()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random: Arc<dyn Random> = Arc::new(OsRandom);

    let source =
        Arc::new(RemoteSource::new(&environment.portal, &environment.client_id, environment.client_secret)?);
    let mut settings = Settings::new(environment.audience.parse()?, environment.portal.clone());
    settings.resource_metadata =
        Some(format!("{}/.well-known/oauth-protected-resource", environment.audience.trim_end_matches('/')));
    let guard = Guard::new(
        settings,
        Arc::<RemoteSource>::clone(&source),
        Some(source),
        Arc::clone(&clock),
        Arc::clone(&random),
    );
    let running = guard.start();

    let api = web::Data::new(SampleApi {
        guard,
        notes: Notes::open(&environment.notes)?,
        portal: environment.portal,
        clock,
        random,
    });
    let server = HttpServer::new(move || App::new().configure(|config| configure(config, api.clone())))
        .shutdown_timeout(10)
        .bind(&environment.address)
        .map_err(StartError::Listen)?;
    tracing::info!(address = environment.address, "the sample API listens");
    let served = server.run().await;
    // Whatever was counted and recorded until now goes to the portal.
    running.stop().await;
    served.map_err(StartError::Serve)
}

#[actix_web::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
