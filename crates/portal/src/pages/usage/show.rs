//! `GET /usage`.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use keyway_core::Timestamp;
use keyway_core::ids::EntityId;
use keyway_core::record::Outcome;
use keyway_core::usage::Tally;
use keyway_store::StoreError;
use keyway_store::tables::callers::{self, CallerFilter, Callers};
use keyway_store::tables::names::{self, Named};
use keyway_store::tables::usage::{self, Route, UsageFilter};
use serde::Serialize;

use super::filters::{Filters, Range};
use super::words::{self, change, millis, share};
use crate::chart::{Bars, count};
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::pages::requests::short;
use crate::state::Portal;

/// Lines of a table.
const LINES: usize = 10;
/// Credentials, and routes, to choose from.
const CHOICES: usize = 100;

/// Everything that is read: the present and the past, and the parts, each without its own filter.
struct Read {
    series: Vec<Tally>,
    before: Tally,
    by_outcome: Tally,
    by_credential: Vec<(EntityId, Tally)>,
    by_route: Vec<(Route, Tally)>,
    names: HashMap<EntityId, Named>,
    callers: Callers,
}

#[derive(Serialize)]
struct Tab {
    label: &'static str,
    href: String,
    current: bool,
}

#[derive(Serialize)]
struct Figure {
    label: &'static str,
    value: String,
    compared: String,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

/// A part of the calls, and the address that shows it alone.
#[derive(Serialize)]
struct Line {
    label: String,
    /// The API, where there are several.
    of: Option<String>,
    href: String,
    calls: String,
    share: String,
    refused: String,
    latency: String,
}

#[derive(Serialize)]
struct Address {
    address: Option<String>,
    accepted: u64,
    refused: u64,
    last_at: Timestamp,
}

#[derive(Serialize)]
struct Kept {
    hours: String,
    days: String,
    requests: String,
}

#[derive(Serialize)]
struct Context<'f> {
    ranges: Vec<Tab>,
    span: &'static str,
    filter: &'f Filters,
    clear: Option<String>,
    credentials: Vec<Choice>,
    routes: Vec<Choice>,
    outcomes: Vec<Choice>,
    figures: Vec<Figure>,
    chart: Option<Bars>,
    by_credential: Vec<Line>,
    more_credentials: usize,
    by_route: Vec<Line>,
    more_routes: usize,
    by_outcome: Vec<Line>,
    addresses: Vec<Address>,
    requests: u64,
    cut: bool,
    csv: String,
    kept: Kept,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let now = portal.now();
    let filters = filters.into_inner().cleaned(me.owner, now);
    let filter = filters.filter(me.owner, now);
    let period = filter.period;
    let read = portal.store.read(move |conn| read(conn, &filter)).await?;
    let mut all = Tally::default();
    for tally in &read.series {
        all.merge(tally);
    }
    let retention = &portal.settings.retention;
    let context = Context {
        ranges: Range::ALL.map(|range| tab(&filters, range)).into(),
        span: filters.range().words(),
        clear: filters.filters_something().then(|| format!("/usage?range={}", filters.range)),
        credentials: credential_choices(&read, &filters),
        routes: route_choices(&read, &filters),
        outcomes: Outcome::ALL
            .map(|outcome| Choice {
                value: outcome.as_str().to_owned(),
                label: words::outcome(outcome).to_owned(),
            })
            .into(),
        figures: figures(&all, &read.before, filters.range().words()),
        chart: (all.total() > 0).then(|| Bars::of(period, &read.series)),
        by_credential: read
            .by_credential
            .iter()
            .take(LINES)
            .map(|one| of_credential(&read, &filters, one))
            .collect(),
        more_credentials: read.by_credential.len().saturating_sub(LINES),
        by_route: read.by_route.iter().take(LINES).map(|one| of_route(&read, &filters, one)).collect(),
        more_routes: read.by_route.len().saturating_sub(LINES),
        by_outcome: of_outcomes(&read.by_outcome, &filters),
        addresses: read.callers.addresses.iter().take(LINES).map(address).collect(),
        requests: read.callers.requests,
        cut: read.callers.cut,
        csv: filters.address("/usage.csv"),
        kept: Kept {
            hours: words::span(retention.usage_hours.min(retention.usage)),
            days: words::span(retention.usage),
            requests: words::span(retention.request_records),
        },
        filter: &filters,
    };
    portal.page(&me, "pages/usage/show.html", context)
}

fn read(conn: &mut keyway_store::Conn, filter: &UsageFilter) -> Result<Read, StoreError> {
    let by_credential = usage::by_credential(conn, &UsageFilter { credential: None, ..filter.clone() })?;
    let mut ids: Vec<_> = by_credential.iter().take(CHOICES).map(|(id, _)| *id).collect();
    ids.extend(filter.credential);
    let callers = CallerFilter {
        owner: filter.owner,
        credentials: filter.credential.into_iter().collect(),
        route: filter.route.clone(),
        since: filter.period.from(),
    };
    Ok(Read {
        series: usage::series(conn, filter)?,
        before: usage::totals(conn, &filter.before())?,
        by_outcome: usage::totals(conn, &UsageFilter { outcome: None, ..filter.clone() })?,
        by_route: usage::by_route(conn, &UsageFilter { route: None, ..filter.clone() })?,
        names: names::of(conn, filter.owner, &ids)?,
        callers: callers::callers(conn, &callers)?,
        by_credential,
    })
}

fn tab(filters: &Filters, range: Range) -> Tab {
    let other = Filters { range: range.as_str().to_owned(), ..filters.clone() };
    Tab { label: range.words(), href: other.address("/usage"), current: filters.range() == range }
}

fn figures(all: &Tally, before: &Tally, span: &str) -> Vec<Figure> {
    let counted = |label, of: fn(&Tally) -> u64| Figure {
        label,
        value: count(of(all)),
        compared: change(of(all), of(before), span),
    };
    let latency = Figure {
        label: "Mean latency",
        value: all.mean_latency_us().map_or("none".to_owned(), millis),
        compared: before.mean_latency_us().map_or(format!("none in the {span} before"), |mean| {
            format!("{} in the {span} before", millis(mean))
        }),
    };
    vec![
        counted("Calls", Tally::total),
        counted("Accepted", Tally::accepted),
        counted("Refused", Tally::refused),
        latency,
    ]
}

fn name(read: &Read, id: EntityId) -> String {
    read.names.get(&id).map_or_else(|| short(id), |named| named.name.clone())
}

fn credential_choices(read: &Read, filters: &Filters) -> Vec<Choice> {
    let used = read.by_credential.iter().take(CHOICES).map(|(id, _)| *id);
    let chosen = filters.credential.parse().ok();
    let mut ids: Vec<EntityId> = used.collect();
    ids.extend(chosen.filter(|id| !ids.contains(id)));
    ids.into_iter().map(|id| Choice { value: id.to_string(), label: name(read, id) }).collect()
}

fn route_choices(read: &Read, filters: &Filters) -> Vec<Choice> {
    let used = read.by_route.iter().map(|(route, _)| route.route.as_str());
    let mut routes: Vec<&str> = used.filter(|route| !route.is_empty()).take(CHOICES).collect();
    routes.push(&filters.route);
    routes.sort_unstable();
    routes.dedup();
    let named = routes.into_iter().filter(|route| !route.is_empty());
    named.map(|route| Choice { value: route.to_owned(), label: route.to_owned() }).collect()
}

fn line(label: String, of: Option<String>, narrowed: &Filters, tally: &Tally, all: u64) -> Line {
    Line {
        label,
        of,
        href: narrowed.address("/usage"),
        calls: count(tally.total()),
        share: share(tally.total(), all),
        refused: if tally.refused() == 0 {
            "none".to_owned()
        } else {
            format!("{} ({})", count(tally.refused()), share(tally.refused(), tally.total()))
        },
        latency: tally.mean_latency_us().map(millis).unwrap_or_default(),
    }
}

fn of_credential(read: &Read, filters: &Filters, (id, tally): &(EntityId, Tally)) -> Line {
    let all = read.by_credential.iter().map(|(_, tally)| tally.total()).sum();
    let narrowed = Filters { credential: id.to_string(), ..filters.clone() };
    line(name(read, *id), None, &narrowed, tally, all)
}

fn of_route(read: &Read, filters: &Filters, (route, tally): &(Route, Tally)) -> Line {
    let all = read.by_route.iter().map(|(_, tally)| tally.total()).sum();
    let several = read.by_route.iter().any(|(other, _)| other.audience != route.audience);
    let narrowed = Filters { route: route.route.clone(), ..filters.clone() };
    line(route.route.clone(), several.then(|| route.audience.clone()), &narrowed, tally, all)
}

fn of_outcomes(all: &Tally, filters: &Filters) -> Vec<Line> {
    let seen = Outcome::ALL.into_iter().filter(|outcome| all.of(*outcome) > 0);
    seen.map(|outcome| {
        let narrowed = Filters { outcome: outcome.as_str().to_owned(), ..filters.clone() };
        let mut tally = Tally::default();
        tally.add(outcome, all.of(outcome), 0);
        line(words::outcome(outcome).to_owned(), None, &narrowed, &tally, all.total())
    })
    .collect()
}

fn address(caller: &callers::Caller) -> Address {
    Address {
        address: caller.address.map(|address| address.to_string()),
        accepted: caller.accepted,
        refused: caller.refused,
        last_at: caller.last_at,
    }
}
