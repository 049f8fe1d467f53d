//! For guards in other processes: the change feed to follow, and where their records go. Resource servers alone.

use std::time::Duration;

use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::audience::Audience;
use keyway_core::change::{Epoch, Position};
use keyway_core::oauth::{ClientKind, ErrorCode, OauthError};
use keyway_core::record::{RecordBatch, Stored};
use keyway_guard::actix::resource;
use keyway_store::tables::{counted_calls, records};
use keyway_store::{StoreError, feed};

use crate::flows::params::Params;
use crate::oauth::client_auth::authenticate;
use crate::oauth::error::EndpointError;
use crate::oauth::params::MAX_FORM;
use crate::state::Portal;

/// How long a question to the feed waits for a change: a guard must see the head this often.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// The largest batch of records, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The feed and the records.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(resource("/guard/changes", "GET").route(web::get().to(changes)))
        .service(resource("/guard/changes/snapshot", "GET").route(web::get().to(snapshot)))
        .service(resource("/guard/records", "POST").route(web::post().to(report)));
}

/// The changes after `after`; waits up to `wait_ms` for one, and answers with the head all the same if none comes.
async fn changes(portal: web::Data<Portal>, request: HttpRequest) -> Result<HttpResponse, EndpointError> {
    resource_server(&portal, &request).await?;
    let params = Params::parse(request.query_string().as_bytes())?;
    let epoch = Epoch(params.require("epoch")?.to_owned());
    let after = Position(number(params.require("after")?)?);
    let wait = params.get("wait_ms").map(number).transpose()?.map_or(LONGEST_WAIT, Duration::from_millis);
    let wait = wait.min(LONGEST_WAIT);
    if !wait.is_zero() {
        portal.store.wait_for_change(after, wait).await;
    }
    let page: Result<_, StoreError> =
        portal.store.read(move |conn| feed::page_after(conn, &epoch, after, feed::MAX_PAGE)).await;
    Ok(HttpResponse::Ok().json(page?))
}

/// Everything taken away that still matters, for a guard that starts from nothing.
async fn snapshot(portal: web::Data<Portal>, request: HttpRequest) -> Result<HttpResponse, EndpointError> {
    resource_server(&portal, &request).await?;
    let now = portal.now();
    let snapshot: Result<_, StoreError> = portal.store.read(move |conn| feed::snapshot(conn, now)).await;
    Ok(HttpResponse::Ok().json(snapshot?))
}

/// Takes what a guard saw. A batch that comes twice counts once; what it says of other APIs' credentials, never. Where
/// it draws on quotas, the answer is what all guards have counted.
async fn report(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, EndpointError> {
    let caller = resource_server(&portal, &request).await;
    // What is refused is read as well, within bounds: an unread body costs the caller its connection.
    let limit = if caller.is_ok() { MAX_BODY } else { MAX_FORM };
    let body = body.to_bytes_limited(limit).await;
    let audience = caller?;
    let unreadable = |_| OauthError::new(ErrorCode::InvalidRequest, "the body cannot be read");
    let body = body.map_err(|_| EndpointError::TooLarge)?.map_err(unreadable)?;
    let unclear = |error: serde_json::Error| {
        OauthError::new(ErrorCode::InvalidRequest, format!("not a batch of records: {error}"))
    };
    let mut batch: RecordBatch = serde_json::from_slice(&body).map_err(unclear)?;
    let now = portal.now();
    batch.check(now).map_err(|error| OauthError::new(ErrorCode::InvalidRequest, error.to_string()))?;
    if batch.audience != audience {
        return Err(EndpointError::Forbidden("a resource server reports about its own audience"));
    }
    let draws = !batch.drawn.is_empty();
    let stored: Result<_, StoreError> = portal
        .store
        .write(move |tx| {
            records::keep_own(tx.conn(), &mut batch)?;
            records::store(tx.conn(), &batch, now)?;
            Ok(batch.drawn)
        })
        .await;
    let drawn = stored?;
    if !draws {
        return Ok(HttpResponse::NoContent().finish());
    }
    let counted: Result<_, StoreError> =
        portal.store.read(move |conn| counted_calls::totals(conn, &drawn)).await;
    Ok(HttpResponse::Ok().json(Stored { counted: counted? }))
}

/// The audience of the resource server that asks. Nobody else gets anything.
async fn resource_server(portal: &Portal, request: &HttpRequest) -> Result<Audience, EndpointError> {
    let client = authenticate(portal, request, &Params::default()).await?;
    client
        .audience
        .filter(|_| client.kind == ClientKind::ResourceServer)
        .ok_or(EndpointError::Forbidden("this is for resource servers"))
}

fn number(text: &str) -> Result<u64, OauthError> {
    text.parse()
        .map_err(|_| OauthError::new(ErrorCode::InvalidRequest, "after and wait_ms are whole numbers"))
}

#[cfg(test)]
mod tests;
