//! `/`: how far one has come, what was called, what needs attention, what happened last.

mod budget;
#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::ids::OwnerId;
use keyway_core::ledger::{Entry, Trouble};
use keyway_core::record::Outcome;
use keyway_core::usage::{Grain, Period, Tally};
use keyway_store::tables::audit::{self, AuditEntry, AuditFilter};
use keyway_store::tables::overview::{self, Alive, Progress};
use keyway_store::tables::usage::{self, UsageFilter};
use keyway_store::{Conn, StoreError};
use serde::Serialize;

use self::budget::BudgetView;
use super::credentials::trouble::{TroubleView, name_of, page_of};
use super::usage::words as usage_words;
use super::words;
use crate::chart::{Bars, count};
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::budget::Budget;
use crate::flows::ledger::{self, Listed, Query};
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/").route(web::get().to(show)));
}

const EVENTS: u32 = 8;
/// Credentials in trouble; the ledger has all.
const TROUBLED: usize = 5;

#[derive(Serialize)]
struct Page {
    first_run: bool,
    steps: Steps,
    done: usize,
    counts: Counts,
    calls: Option<Calls>,
    budget: BudgetView,
    unverified: bool,
    attention: Vec<Attention>,
    more_attention: usize,
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

/// Calls of the last 24 hours.
#[derive(Serialize)]
struct Calls {
    accepted: String,
    refused: String,
    share: String,
    chart: Bars,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    label: &'static str,
    calls: String,
    href: String,
}

#[derive(Serialize)]
struct Attention {
    name: String,
    kind: &'static str,
    href: String,
    trouble: TroubleView,
}

#[derive(Serialize)]
struct Event {
    at: Timestamp,
    text: String,
    address: String,
}

struct Read {
    progress: Progress,
    alive: Alive,
    series: Vec<Tally>,
    budget: Budget,
    listed: Listed,
    events: Vec<AuditEntry>,
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let (owner, now, limits) = (me.owner, portal.now(), portal.settings.limit_defaults);
    let period = Period::ending(now, Grain::Hour, 24);
    let read = portal
        .store
        .read(move |conn| -> Result<_, StoreError> {
            Ok(Read {
                progress: overview::progress(conn, owner)?,
                alive: overview::alive(conn, owner, now)?,
                series: usage::series(conn, &UsageFilter::of(owner, period))?,
                budget: crate::flows::budget::of(conn, owner, &limits, now)?,
                listed: troubled(conn, owner, now)?,
                events: audit::list(
                    conn,
                    &AuditFilter { owner: Some(owner), ..AuditFilter::default() },
                    EVENTS,
                )?,
            })
        })
        .await?;
    let Progress { key, call, jwt, app } = read.progress;
    let Alive { keys, families, grants, connections: _ } = read.alive;
    let page = Page {
        first_run: !(key && call && jwt && app),
        steps: Steps { key, call, jwt, app },
        done: [key, call, jwt, app].into_iter().filter(|done| *done).count(),
        counts: Counts { keys, families, grants },
        calls: calls(period, &read.series),
        budget: BudgetView::of(&read.budget),
        unverified: !me.may_go_live(&portal),
        more_attention: read.listed.total.saturating_sub(read.listed.entries.len()),
        attention: read.listed.entries.into_iter().filter_map(attention).collect(),
        events: read.events.iter().map(event).collect(),
    };
    portal.page(&me, "pages/overview.html", page)
}

fn troubled(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<Listed, StoreError> {
    ledger::page(conn, owner, &Query { in_trouble: true, ..Query::default() }, now, TROUBLED)
}

/// `None` where nothing was called.
fn calls(period: Period, series: &[Tally]) -> Option<Calls> {
    let mut all = Tally::default();
    for tally in series {
        all.merge(tally);
    }
    let refusals = Outcome::ALL.into_iter().filter(|outcome| !matches!(outcome, Outcome::Ok));
    (all.total() > 0).then(|| Calls {
        accepted: count(all.accepted()),
        refused: count(all.refused()),
        share: usage_words::share(all.refused(), all.total()),
        chart: Bars::of(period, series),
        reasons: refusals
            .filter(|outcome| all.of(*outcome) > 0)
            .map(|outcome| Reason {
                label: usage_words::outcome(outcome),
                calls: count(all.of(outcome)),
                href: format!("/usage?range=24h&outcome={}", outcome.as_str()),
            })
            .collect(),
    })
}

fn attention((entry, trouble): (Entry, Option<Trouble>)) -> Option<Attention> {
    Some(Attention {
        name: name_of(&entry),
        kind: entry.handle.kind.label(),
        href: page_of(entry.handle),
        trouble: TroubleView::of(&entry, trouble?),
    })
}

fn event(row: &AuditEntry) -> Event {
    Event {
        at: row.at,
        text: words::action(&row.action),
        address: row.address.map(|address| address.to_string()).unwrap_or_default(),
    }
}
