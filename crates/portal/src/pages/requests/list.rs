//! `GET /requests` and `/requests.csv`.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use keyway_core::Timestamp;
use keyway_core::api_key::ApiKey;
use keyway_core::ids::{EntityId, OwnerId, RequestId};
use keyway_core::refusal::Check;
use keyway_store::tables::api_keys::{self, KeyFilter};
use keyway_store::tables::names::{self, Named, NamedKind};
use keyway_store::tables::request_log::{self, LoggedRequest};
use keyway_store::{Conn, StoreError};
use serde::Serialize;

use super::filters::Filters;
use super::{millis, outcome, short};
use crate::csv::Csv;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::explain::name;
use crate::pages::cursor;
use crate::state::Portal;

/// Requests on a page.
const PAGE: u32 = 50;
/// Requests in a file, at most.
const FILE: u32 = 5_000;
/// Keys to choose from.
const KEYS: u32 = 100;

#[derive(Serialize)]
struct Row {
    id: RequestId,
    at: Timestamp,
    method: String,
    route: String,
    status: u16,
    state: &'static str,
    outcome: String,
    latency: String,
    address: Option<String>,
    credential: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct Context<'f> {
    rows: Vec<Row>,
    filter: &'f Filters,
    keys: Vec<Choice>,
    outcomes: Vec<Choice>,
    /// The address of this list.
    path: &'f str,
    /// The credential that it is about, if it is about one alone.
    key: Option<&'f Subject>,
    filtered: bool,
    live: bool,
    switch: Option<String>,
    is_admin: bool,
    /// Whether everybody's are shown.
    all: bool,
    /// The same list of everybody's, or of one's own.
    other: String,
    csv: String,
    previous: Option<String>,
    next: Option<String>,
}

/// The one credential that a list is about.
#[derive(Serialize)]
pub struct Subject {
    /// Which.
    pub id: EntityId,
    /// What it is called.
    pub name: String,
    /// Its status, as templates name it.
    pub status: &'static str,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    page(&portal, &me, filters.into_inner(), ("pages/requests/list.html", "/requests"), None).await
}

/// The list as one template shows it at one address: of all credentials of this person, or of one.
///
/// # Errors
/// When the database or the template is at fault.
pub async fn page(
    portal: &Portal,
    me: &SignedIn,
    filters: Filters,
    (template, path): (&str, &str),
    subject: Option<Subject>,
) -> Result<HttpResponse, PageError> {
    let filters = filters.cleaned(me);
    let filters = match &subject {
        Some(subject) => filters.of(subject.id),
        None => filters,
    };
    let (filter, owner, now) = (filters.filter(me), me.owner, portal.now());
    let own = KeyFilter { owner: Some(owner), with_revoked: true, ..KeyFilter::default() };
    let read = portal.store.read(move |conn| {
        let found = request_log::list(conn, &filter, PAGE + 1)?;
        let names = named(conn, filter.owner, &found)?;
        let mut choices: Vec<_> = api_keys::list(conn, &own, now, KEYS)?.iter().map(key).collect();
        if let Some(id) = filter.credential {
            choices.extend(
                chosen(conn, owner, id)?.filter(|one| choices.iter().all(|other| other.value != one.value)),
            );
        }
        Ok::<_, StoreError>((found, names, choices))
    });
    let (mut found, names, keys) = read.await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let all = filters.is_all(me);
    let last = found.last().filter(|_| more).map(|row| cursor::write(row.at, row.id));
    let context = Context {
        next: last.map(|last| filters.address(path, &last, all)),
        previous: (!filters.is_first_page()).then(|| filters.address(path, "", all)),
        csv: filters.address("/requests.csv", "", all),
        other: filters.address("/requests", "", !all),
        rows: found.iter().map(|request| row(request, &names)).collect(),
        keys,
        outcomes: outcomes(),
        filtered: filters.filters_something(subject.is_some()) || !filters.is_first_page(),
        live: filters.is_live(),
        switch: filters.switch(path, all),
        is_admin: me.is_admin,
        all,
        path,
        key: subject.as_ref(),
        filter: &filters,
    };
    portal.page(me, template, context)
}

/// The newest requests that the filters let through, as a file.
pub(super) async fn csv(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let filter = filters.filter(&me);
    let read = portal.store.read(move |conn| {
        let found = request_log::list(conn, &filter, FILE)?;
        let names = named(conn, filter.owner, &found)?;
        Ok::<_, StoreError>((found, names))
    });
    let (found, names) = read.await?;
    let columns = [
        "time",
        "method",
        "route",
        "status",
        "outcome",
        "latency_ms",
        "address",
        "user_agent",
        "credential",
        "request_id",
    ];
    let mut table = Csv::new(&columns);
    for request in &found {
        let row = row(request, &names);
        table.line(&[
            &row.at.to_string(),
            &row.method,
            &row.route,
            &row.status.to_string(),
            &row.outcome,
            &row.latency,
            row.address.as_deref().unwrap_or_default(),
            request.user_agent.as_deref().unwrap_or_default(),
            row.credential.as_deref().unwrap_or_default(),
            &row.id.to_string(),
        ]);
    }
    Ok(table.download("requests.csv"))
}

/// The names of what the requests are counted under: of whatever kind for its owner, of keys for administrators.
fn named(
    conn: &mut Conn,
    owner: Option<OwnerId>,
    found: &[LoggedRequest],
) -> Result<HashMap<EntityId, Named>, StoreError> {
    let ids = roots(found);
    let Some(owner) = owner else {
        let keys = api_keys::find_among(conn, &ids)?.into_iter();
        let of_key = |key: ApiKey| (key.id.entity(), Named { kind: NamedKind::Key, name: key.name });
        return Ok(keys.map(of_key).collect());
    };
    names::of(conn, owner, &ids)
}

/// What the requests are counted under: tokens come and go, what they descend from has a name.
fn roots(found: &[LoggedRequest]) -> Vec<EntityId> {
    let mut ids: Vec<_> = found.iter().filter_map(|request| request.root).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn row(request: &LoggedRequest, names: &HashMap<EntityId, Named>) -> Row {
    let (state, outcome) = outcome(request);
    let name = request.root.and_then(|root| names.get(&root)).map(|named| named.name.clone());
    let name = name.filter(|name| !name.is_empty());
    Row {
        id: request.id,
        at: request.at,
        method: request.method.clone(),
        route: request.route.clone(),
        status: request.status,
        state,
        outcome,
        latency: millis(request),
        address: request.address.map(|address| address.to_string()),
        credential: name.or_else(|| request.credential.map(short)),
    }
}

fn key(key: &ApiKey) -> Choice {
    Choice { value: key.id.to_string(), label: key.name.clone() }
}

/// The credential that is chosen already, of whatever kind, so that a further filter keeps it.
fn chosen(conn: &mut Conn, owner: OwnerId, id: EntityId) -> Result<Option<Choice>, StoreError> {
    let named = names::of(conn, owner, &[id])?.remove(&id);
    Ok(named.map(|named| Choice { value: id.to_string(), label: named.name }))
}

fn outcomes() -> Vec<Choice> {
    let all = [("accepted", "Accepted"), ("refused", "Refused")];
    let checks = Check::ALL
        .map(|check| Choice { value: check.as_str().to_owned(), label: format!("Refused: {}", name(check)) });
    all.map(|(value, label)| Choice { value: value.to_owned(), label: label.to_owned() })
        .into_iter()
        .chain(checks)
        .collect()
}
