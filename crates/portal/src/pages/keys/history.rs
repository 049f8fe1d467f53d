//! `GET /keys/{id}/history`: what was done to a key, by whom.

use actix_web::HttpResponse;
use actix_web::web::{self, Path, Query};
use keyway_store::StoreError;
use keyway_store::tables::audit::{self, AuditFilter};
use serde::{Deserialize, Serialize};

use super::{id, own_key, subject};
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::pages::cursor;
use crate::pages::events::Event;
use crate::pages::requests::list::Subject;
use crate::state::Portal;

/// Rows on a page.
const ROWS: u32 = 50;

#[derive(Deserialize)]
pub(super) struct From {
    /// The row that the page before ended with: `<microseconds>_<id>`.
    #[serde(default)]
    before: String,
}

#[derive(Serialize)]
struct Context {
    key: Subject,
    rows: Vec<Event>,
    previous: Option<String>,
    next: Option<String>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    from: Query<From>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let before = cursor::read(&from.before);
    let filter = AuditFilter { target: Some(key.id.to_string()), before, ..AuditFilter::default() };
    let read = portal.store.read(move |conn| audit::list(conn, &filter, ROWS + 1));
    let mut found = read.await.map_err(|error: StoreError| error)?;
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let here = format!("/keys/{}/history", key.id);
    let last = found.last().filter(|_| more);
    let context = Context {
        next: last.map(|row| format!("{here}?before={}", cursor::write(row.at, row.id))),
        previous: before.is_some().then_some(here),
        rows: found.into_iter().map(Event::of).collect(),
        key: subject(&key, portal.now()),
    };
    portal.page(&me, "pages/keys/history.html", context)
}
