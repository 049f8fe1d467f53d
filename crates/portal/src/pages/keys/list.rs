//! `GET /keys`: the owner's keys, filtered by what stands in the address.

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use keyway_core::api_key::{ApiKey, KeyStatus, MAX_NAME_LEN};
use keyway_store::StoreError;
use keyway_store::tables::api_keys::{self, KeyFilter};
use keyway_store::tables::usage;
use serde::{Deserialize, Serialize};

use super::{KeyRow, status_name};
use crate::chart::Sparkline;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

/// Keys on a page.
const PAGE: usize = 50;

/// The filters, as they stand in the address. What makes no sense filters nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Filters {
    q: String,
    environment: String,
    status: String,
    revoked: String,
    before: String,
}

#[derive(Serialize)]
struct FilterView<'f> {
    q: &'f str,
    environment: &'f str,
    status: &'f str,
    revoked: bool,
}

#[derive(Serialize)]
struct StatusChoice {
    value: &'static str,
    label: &'static str,
}

#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    row: KeyRow,
    /// Of the last 30 days.
    calls: Sparkline,
}

#[derive(Serialize)]
struct Context<'f> {
    keys: Vec<ListedKey>,
    filter: FilterView<'f>,
    statuses: Vec<StatusChoice>,
    filtered: bool,
    previous: Option<String>,
    next: Option<String>,
}

pub(super) async fn list(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let now = portal.now();
    let q: String = filters.q.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME_LEN).collect();
    let status = KeyStatus::ALL.into_iter().find(|status| status_name(*status) == filters.status);
    let revoked = !filters.revoked.is_empty();
    let filter = KeyFilter {
        owner: Some(me.owner),
        search: (!q.is_empty()).then(|| q.clone()),
        status,
        environment: filters.environment.parse().ok(),
        with_revoked: revoked,
        before: filters.before.parse().ok(),
    };
    let first_page = filter.before.is_none();
    let filtered = filter.search.is_some() || status.is_some() || filter.environment.is_some() || revoked;
    let limit = u32::try_from(PAGE + 1).unwrap_or(u32::MAX);
    let owner = me.owner;
    let read = portal.store.read(move |conn| {
        let keys = api_keys::list(conn, &filter, now, limit)?;
        let ids: Vec<_> = keys.iter().map(|key| key.id.entity()).collect();
        Ok::<_, StoreError>((usage::sparklines(conn, owner, &ids, now)?, keys))
    });
    let (lines, mut keys) = read.await?;
    let highest = Sparkline::highest(lines.values());
    let listed = |key: &ApiKey| {
        let days = lines.get(&key.id.entity()).map(Vec::as_slice).unwrap_or_default();
        ListedKey { row: KeyRow::of(key, now), calls: Sparkline::of(days, highest) }
    };
    let more = keys.len() > PAGE;
    keys.truncate(PAGE);
    let next = keys.last().filter(|_| more).map(|last| address(&filters, &last.id.to_string()));
    let context = Context {
        keys: keys.iter().map(listed).collect(),
        filter: FilterView {
            q: &q,
            environment: &filters.environment,
            status: status.map_or("", status_name),
            revoked,
        },
        statuses: KeyStatus::ALL.map(|s| StatusChoice { value: status_name(s), label: s.label() }).into(),
        filtered: filtered || !first_page,
        previous: (!first_page).then(|| address(&filters, "")),
        next,
    };
    portal.page(&me, "pages/keys/list.html", context)
}

/// The same list from another place on.
fn address(filters: &Filters, before: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let fields = [
        ("q", filters.q.as_str()),
        ("environment", &filters.environment),
        ("status", &filters.status),
        ("revoked", &filters.revoked),
        ("before", before),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    format!("/keys?{}", query.finish())
}
