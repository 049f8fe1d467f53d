//! `GET /live`: tells a page that something changed, as server-sent events (HTML Standard §9.2).
//!
//! `calls`: the owner's credentials were called; `deeds`: something of theirs was changed. Neither says more.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding, HeaderName};
use actix_web::web::{self, Bytes, Query, ServiceConfig};
use futures_util::stream;
use keyway_core::Timestamp;
use keyway_store::StoreError;
use keyway_store::tables::live::{self as table, Standing};
use serde::Deserialize;

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::live::{self, Seat};
use crate::state::Portal;

/// So often something is sent, that nothing between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// First of all: how long a browser waits before it comes again, in milliseconds.
const HELLO: &str = "retry: 3000\n\n";
/// nginx holds answers back unless told not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/live").route(web::get().to(follow)));
}

#[derive(Deserialize)]
#[serde(default)]
struct Asked {
    /// When the page was made, in microseconds: what came between is told at once.
    since: i64,
    /// Administrators: everybody's.
    all: String,
}

impl Default for Asked {
    fn default() -> Self {
        Self { since: i64::MAX, all: String::new() }
    }
}

async fn follow(
    portal: web::Data<Portal>,
    me: SignedIn,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let owner = (!(me.is_admin && asked.all == "yes")).then_some(me.owner);
    let since = Timestamp::from_micros(asked.since);
    let now = portal.now();
    let read = portal.store.read(move |conn| {
        let missed = table::anything_since(conn, owner, since, now)?;
        Ok::<_, StoreError>((missed, table::standings(conn, owner.as_slice(), &[], now, now)?.of(owner)))
    });
    // From here on nothing is missed: the first look tells what differs from this.
    let (missed, before) = read.await?;
    let seat = live::listen(&portal.into_inner(), me.session_id, me.owner, owner);
    let seat = seat.map_err(|live::Full| PageError::TooMany { retry_after: 60 })?;
    let first = if missed { format!("{HELLO}{}", event("calls")) } else { HELLO.to_owned() };
    let told = stream::unfold((seat, Some(first), before), next);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        // Compressed, it would wait for more.
        .insert_header(ContentEncoding::Identity)
        .streaming(told))
}

type Following = (Seat, Option<String>, Standing);

/// The next piece of the stream, which ends when the seat is taken away.
async fn next((mut seat, first, before): Following) -> Option<(Result<Bytes, Infallible>, Following)> {
    if let Some(first) = first {
        return Some((Ok(first.into()), (seat, None, before)));
    }
    let now = match tokio::time::timeout(HEARTBEAT, seat.standing.changed()).await {
        Err(_) => None,
        Ok(Err(_)) => return None,
        Ok(Ok(())) => *seat.standing.borrow_and_update(),
    };
    let now = now.unwrap_or(before);
    Some((Ok(differences(before, now).into()), (seat, None, now)))
}

/// What changed; else a comment, so that something is sent.
fn differences(before: Standing, now: Standing) -> String {
    if before == now {
        return ":\n\n".to_owned();
    }
    let mut text = String::new();
    if before.calls != now.calls {
        text.push_str(&event("calls"));
    }
    if before.deeds != now.deeds {
        text.push_str(&event("deeds"));
    }
    text
}

fn event(name: &str) -> String {
    format!("event: {name}\ndata: 1\n\n")
}
