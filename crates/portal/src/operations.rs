//! For whoever runs the portal: is it alive, is it ready, how is it doing.

use actix_web::web::{self, ServiceConfig};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};
use keyway_store::{StoreError, feed};
use serde_json::json;

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

/// A portal that has not asked its database for so long is not ready, in nanoseconds.
const STALE: u64 = 10_000_000_000;

/// Without a session.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/healthz").route(web::get().to(alive)))
        .service(web::resource("/readyz").route(web::get().to(ready)));
}

/// For administrators who are signed in.
pub fn configure_pages(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

async fn ready(portal: web::Data<Portal>) -> HttpResponse {
    let database = portal.store.read(|conn| -> Result<_, StoreError> { feed::head(conn) }).await.is_ok();
    let seen = portal.clock.monotonic().nanos_since(portal.store.head_seen_at());
    let feed = seen < STALE;
    let word = |good: bool| if good { "ok" } else { "failing" };
    let body = json!({ "status": word(database && feed), "database": word(database), "feed": word(feed) });
    if database && feed {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

/// A fresh sign-in is not asked for: nothing is changed, and dashboards poll.
async fn metrics(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    if !me.is_admin {
        return Err(PageError::Forbidden("This page is for administrators."));
    }
    Ok(exposition(portal.metrics.text(&portal).await?))
}

/// An answer in Prometheus' text format.
pub fn exposition(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}
