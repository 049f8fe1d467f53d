//! `/audit`: what was changed, by whom, from where; and `/audit.csv`.

mod filters;
mod row;
#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::web::{self, Query, ServiceConfig};
use keyway_store::StoreError;
use keyway_store::tables::audit;
use serde::Serialize;

use crate::csv::Csv;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::pages::cursor;
use crate::state::Portal;
use filters::{ACTORS, AREAS, Filters};
use row::Row;
pub use row::{Change, changes};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/audit").route(web::get().to(show)))
        .service(web::resource("/audit.csv").route(web::get().to(csv)));
}

/// Rows on a page.
const PAGE: u32 = 50;
/// Rows in a file, at most.
const FILE: u32 = 5_000;

#[derive(Serialize)]
struct Context<'f> {
    rows: Vec<Row>,
    actions: Vec<Choice>,
    actors: Vec<Choice>,
    filter: &'f Filters,
    filtered: bool,
    is_admin: bool,
    /// Whether everybody's rows are shown.
    all: bool,
    /// The same list of everybody's, or of one's own.
    other: String,
    csv: String,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let filters = filters.into_inner().cleaned(&me)?;
    let filter = filters.filter(&me)?;
    let read =
        portal.store.read(move |conn| -> Result<_, StoreError> { audit::list(conn, &filter, PAGE + 1) });
    let mut entries = read.await?;
    let more = entries.len() > PAGE as usize;
    entries.truncate(PAGE as usize);
    let all = filters.is_all(&me);
    let last = entries.last().filter(|_| more).map(|row| cursor::write(row.at, row.id));
    let choice = |&(value, label): &(&'static str, &'static str)| Choice { value, label };
    let context = Context {
        next: last.map(|last| filters.address("/audit", &last, all)),
        previous: (!filters.is_first_page()).then(|| filters.address("/audit", "", all)),
        csv: filters.address("/audit.csv", "", all),
        other: filters.address("/audit", "", !all),
        rows: entries.iter().map(Row::of).collect(),
        actions: AREAS.iter().map(choice).collect(),
        actors: ACTORS.iter().map(choice).collect(),
        filtered: filters.filters_something() || !filters.is_first_page(),
        is_admin: me.is_admin,
        all,
        filter: &filters,
    };
    portal.page(&me, "pages/audit.html", context)
}

/// The newest rows that the filters let through, as a file.
async fn csv(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let filter = filters.filter(&me)?;
    let read = portal.store.read(move |conn| -> Result<_, StoreError> { audit::list(conn, &filter, FILE) });
    let entries = read.await?;
    let mut table = Csv::new(&[
        "time",
        "actor",
        "actor_kind",
        "action",
        "target_kind",
        "target_id",
        "address",
        "before",
        "after",
    ]);
    for entry in &entries {
        table.line(&[
            &entry.at.to_string(),
            &entry.actor.label,
            entry.actor.kind.as_str(),
            &entry.action,
            &entry.target_kind,
            &entry.target_id,
            &entry.address.map(|address| address.to_string()).unwrap_or_default(),
            entry.before.as_deref().unwrap_or_default(),
            entry.after.as_deref().unwrap_or_default(),
        ]);
    }
    Ok(table.download("audit.csv"))
}
