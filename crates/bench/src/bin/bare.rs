//! A server that answers `GET /v1/whoami` with the body it is given: what actix-web costs by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context as _;
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// The file with the body, JSON.
    #[arg(long)]
    body: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let body = std::fs::read(&arguments.body).with_context(|| arguments.body.display().to_string())?;
    let body = web::Data::new(Bytes::from(body));
    let server = HttpServer::new(move || {
        App::new().app_data(body.clone()).service(web::resource("/v1/whoami").route(web::get().to(answer)))
    });
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    actix_web::rt::System::new().block_on(server.workers(workers).bind(arguments.listen)?.run())?;
    Ok(())
}

async fn answer(body: web::Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(Bytes::clone(&body))
}
