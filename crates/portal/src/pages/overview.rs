//! `/`: how far one has come, what needs attention, what happened last.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::audit::{self, AuditFilter};
use keyway_store::tables::overview::{self, Alive, ExpiringKey, Progress};
use serde::Serialize;

use super::words;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/").route(web::get().to(show)));
}

/// Keys that end sooner need attention.
const SOON: Duration = Duration::days(7);
const EVENTS: u32 = 8;

#[derive(Serialize)]
struct Page {
    first_run: bool,
    steps: Steps,
    done: usize,
    counts: Counts,
    usage: Option<Usage>,
    attention: Vec<Attention>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Steps {
    key: bool,
    call: bool,
    jwt: bool,
    app: bool,
}

#[derive(Serialize)]
struct Counts {
    keys: u64,
    families: u64,
    grants: u64,
}

#[derive(Serialize)]
struct Usage {
    accepted: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Attention {
    text: String,
    href: String,
    action: &'static str,
}

#[derive(Serialize)]
struct Event {
    at: Timestamp,
    text: String,
    address: String,
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let (owner, now) = (me.owner, portal.now());
    let (progress, alive, calls, expiring, events) = portal
        .store
        .read(move |conn| -> Result<_, StoreError> {
            let filter = AuditFilter { owner: Some(owner), ..AuditFilter::default() };
            Ok((
                overview::progress(conn, owner)?,
                overview::alive(conn, owner, now)?,
                overview::calls_since(conn, owner, now - Duration::hours(24))?,
                overview::expiring_keys(conn, owner, now, now + SOON, 5)?,
                audit::list(conn, &filter, EVENTS)?,
            ))
        })
        .await?;
    let Progress { key, call, jwt, app } = progress;
    let Alive { keys, families, grants, connections: _ } = alive;
    let (accepted, refused) = calls;
    let mut attention: Vec<_> = expiring.iter().map(|key| expires(key, now)).collect();
    if !me.may_go_live(&portal) {
        attention.insert(0, unverified());
    }
    let page = Page {
        first_run: !(key && call && jwt && app),
        steps: Steps { key, call, jwt, app },
        done: [key, call, jwt, app].into_iter().filter(|done| *done).count(),
        counts: Counts { keys, families, grants },
        usage: call.then_some(Usage { accepted, refused }),
        attention,
        events: events
            .into_iter()
            .map(|row| Event {
                at: row.at,
                text: words::action(&row.action),
                address: row.address.map(|address| address.to_string()).unwrap_or_default(),
            })
            .collect(),
    };
    portal.page(&me, "pages/overview.html", page)
}

fn expires(key: &ExpiringKey, now: Timestamp) -> Attention {
    let hours = key.expires_at.since(now).as_seconds() / 3_600;
    let when = match hours {
        ..1 => "within an hour".to_owned(),
        1..48 => format!("in {hours} h"),
        _ => format!("in {} days", hours / 24),
    };
    Attention {
        text: format!("The key “{}” expires {when}.", key.name),
        href: format!("/keys/{}", key.id),
        action: "Rotate key",
    }
}

fn unverified() -> Attention {
    Attention {
        text: "Your e-mail address is not confirmed: live keys and apps wait for that.".to_owned(),
        href: "/settings/profile".to_owned(),
        action: "Confirm address",
    }
}
