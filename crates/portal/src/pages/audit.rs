//! `/audit`: what was changed, by whom, from where.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_store::StoreError;
use keyway_store::tables::audit::{self, AuditEntry, AuditFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::words;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/audit").route(web::get().to(show)));
}

const ROWS: u32 = 50;

/// The areas that can be filtered by: what the names of actions begin with.
const AREAS: [(&str, &str); 6] = [
    ("account", "Account"),
    ("session", "Sessions"),
    ("key", "API keys"),
    ("token", "JWTs and tokens"),
    ("app", "Apps"),
    ("credentials", "All credentials"),
];

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    action: String,
    /// The row that the page before ended with: `<microseconds>_<id>`.
    #[serde(default)]
    before: String,
}

#[derive(Serialize)]
struct Page {
    rows: Vec<Row>,
    actions: Vec<Action>,
    filter: Filter,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Action {
    value: &'static str,
    label: &'static str,
}

#[derive(Serialize)]
struct Filter {
    action: &'static str,
}

#[derive(Serialize)]
struct Row {
    at: Timestamp,
    actor: String,
    action: String,
    target: String,
    address: String,
    changes: Vec<Change>,
}

#[derive(Serialize)]
pub struct Change {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let area = AREAS.iter().find(|(value, _)| *value == query.action).map_or("", |(value, _)| *value);
    let before = match query.before.as_str() {
        "" => None,
        text => Some(cursor(text).ok_or(PageError::BadRequest("There is no such page of the audit."))?),
    };
    let filter = AuditFilter {
        owner: Some(me.owner),
        area: (!area.is_empty()).then(|| area.to_owned()),
        before,
        ..AuditFilter::default()
    };
    let mut entries = portal
        .store
        .read(move |conn| -> Result<_, StoreError> { audit::list(conn, &filter, ROWS + 1) })
        .await?;
    let more = entries.len() > ROWS as usize;
    entries.truncate(ROWS as usize);
    let address = |cursor: Option<String>| {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs((!area.is_empty()).then_some(("action", area)));
        pairs.extend_pairs(cursor.map(|cursor| ("before", cursor)));
        let query = pairs.finish();
        if query.is_empty() { "/audit".to_owned() } else { format!("/audit?{query}") }
    };
    let last = entries.last().map(|row| format!("{}_{}", row.at.as_micros(), row.id));
    let page = Page {
        next: more.then(|| address(last)),
        previous: before.is_some().then(|| address(None)),
        rows: entries.iter().map(row).collect(),
        actions: AREAS.iter().map(|&(value, label)| Action { value, label }).collect(),
        filter: Filter { action: area },
    };
    portal.page(&me, "pages/audit.html", page)
}

fn cursor(text: &str) -> Option<(Timestamp, keyway_core::ids::AuditId)> {
    let (at, id) = text.split_once('_')?;
    Some((Timestamp::from_micros(at.parse().ok()?), id.parse().ok()?))
}

fn row(entry: &AuditEntry) -> Row {
    Row {
        at: entry.at,
        actor: entry.actor.label.clone(),
        action: words::action(&entry.action),
        target: format!("{} {}", entry.target_kind.replace('_', " "), short(&entry.target_id)),
        address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
        changes: changes(entry.before.as_deref(), entry.after.as_deref()),
    }
}

/// Enough of an id to tell rows apart.
fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// The fields that differ.
pub fn changes(before: Option<&str>, after: Option<&str>) -> Vec<Change> {
    let map = |text: Option<&str>| -> Map<String, Value> {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let (before, after) = (map(before), map(after));
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    fields
        .into_iter()
        .filter(|field| before.get(*field) != after.get(*field))
        .map(|field| Change {
            field: field.replace('_', " "),
            before: before.get(field).and_then(plain),
            after: after.get(field).and_then(plain),
        })
        .collect()
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => Some(values.iter().filter_map(plain).collect::<Vec<_>>().join(" ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let changed =
            changes(Some(r#"{"name":"a","rate":null,"n":1}"#), Some(r#"{"name":"b","rate":null,"n":1}"#));
        assert_eq!(changed.len(), 1);
        assert_eq!((changed[0].before.as_deref(), changed[0].after.as_deref()), (Some("a"), Some("b")));
        assert!(changes(Some("[1]"), None).is_empty());
    }
}
