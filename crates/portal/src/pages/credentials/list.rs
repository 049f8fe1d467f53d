//! `GET /credentials`.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::Timestamp;
use keyway_core::ledger::{Entry, Kind, Status, Trouble};
use keyway_core::scope::Scope;
use keyway_store::StoreError;
use keyway_store::tables::usage;
use serde::Serialize;

use super::filters::{ATTENTION, Filters};
use super::trouble::{self, TroubleView};
use crate::chart::Sparkline;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::ledger::{self, Order};
use crate::state::Portal;

/// Credentials on a page.
const PAGE: usize = 50;

#[derive(Serialize)]
struct Row {
    handle: String,
    /// The page about it.
    href: String,
    name: String,
    kind: &'static str,
    kind_label: &'static str,
    environment: &'static str,
    display: String,
    scopes: Vec<String>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<IpAddr>,
    ends_at: Option<Timestamp>,
    renews: bool,
    status: &'static str,
    over: bool,
    /// Its calls by day.
    line: Sparkline,
    trouble: Option<TroubleView>,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

#[derive(Serialize)]
struct Context<'f> {
    rows: Vec<Row>,
    total: usize,
    troubled: usize,
    filter: &'f Filters,
    kinds: Vec<Choice>,
    statuses: Vec<Choice>,
    orders: Vec<Choice>,
    filtered: bool,
    previous: Option<String>,
    next: Option<String>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: web::Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let filters = filters.into_inner().cleaned();
    let (query, owner, now) = (filters.query(), me.owner, portal.now());
    let read = portal.store.read(move |conn| {
        let listed = ledger::page(conn, owner, &query, now, PAGE)?;
        let ids: Vec<_> = listed.entries.iter().map(|(entry, _)| entry.handle.id).collect();
        Ok::<_, StoreError>((usage::sparklines(conn, owner, &ids, now)?, listed))
    });
    let (lines, listed) = read.await?;
    let highest = Sparkline::highest(lines.values());
    let shown = |(entry, trouble): (Entry, Option<Trouble>)| {
        let days = lines.get(&entry.handle.id).map(Vec::as_slice).unwrap_or_default();
        row(entry, trouble, Sparkline::of(days, highest))
    };
    let context = Context {
        rows: listed.entries.into_iter().map(shown).collect(),
        total: listed.total,
        troubled: listed.troubled,
        kinds: Kind::ALL.map(|kind| Choice { value: kind.as_str(), label: kind.label() }).into(),
        statuses: std::iter::once(Choice { value: ATTENTION, label: "Needs attention" })
            .chain(Status::ALL.map(|status| Choice { value: status.as_str(), label: status.label() }))
            .collect(),
        orders: Order::ALL.map(|order| Choice { value: order.as_str(), label: order.label() }).into(),
        filtered: filters.filters_something() || !filters.is_first_page(),
        previous: (!filters.is_first_page()).then(|| filters.address(None)),
        next: listed.next.map(|next| filters.address(Some(&next))),
        filter: &filters,
    };
    portal.page(&me, "pages/credentials/list.html", context)
}

fn row(entry: Entry, trouble: Option<Trouble>, line: Sparkline) -> Row {
    Row {
        handle: entry.handle.to_string(),
        href: trouble::page_of(entry.handle),
        trouble: trouble.map(|trouble| TroubleView::of(&entry, trouble)),
        line,
        name: trouble::name_of(&entry),
        kind: entry.handle.kind.as_str(),
        kind_label: entry.handle.kind.label(),
        environment: entry.environment.as_str(),
        display: entry.display,
        scopes: entry.scopes.iter().map(Scope::to_string).collect(),
        last_used_at: entry.last_used_at,
        last_used_address: entry.last_used_address,
        ends_at: entry.ends_at,
        renews: entry.renews,
        status: entry.status.as_str(),
        over: entry.status.is_over(),
    }
}
