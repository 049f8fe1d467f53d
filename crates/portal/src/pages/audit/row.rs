//! A row of the audit as its page shows it.

use std::collections::BTreeSet;

use keyway_core::Timestamp;
use keyway_store::tables::audit::AuditEntry;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::pages::words;

#[derive(Serialize)]
pub(super) struct Row {
    at: Timestamp,
    actor: String,
    action: String,
    /// What kind of thing, in words.
    target_kind: String,
    /// What it was called then, or enough of its id to tell things apart.
    target: String,
    target_id: String,
    address: String,
    changes: Vec<Change>,
}

/// A field that differs.
#[derive(Serialize)]
pub struct Change {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

impl Row {
    pub(super) fn of(entry: &AuditEntry) -> Self {
        let (before, after) = (map(entry.before.as_deref()), map(entry.after.as_deref()));
        let named = |state: &Map<String, Value>| state.get("name").and_then(plain);
        Self {
            at: entry.at,
            actor: entry.actor.label.clone(),
            action: words::action(&entry.action),
            target_kind: entry.target_kind.replace('_', " "),
            target: named(&after).or_else(|| named(&before)).unwrap_or_else(|| short(&entry.target_id)),
            target_id: entry.target_id.clone(),
            address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
            changes: changes(entry.before.as_deref(), entry.after.as_deref()),
        }
    }
}

/// Enough of an id to tell rows apart.
fn short(id: &str) -> String {
    match id.len().checked_sub(8).and_then(|start| id.get(start..)) {
        Some(end) if id.len() > 12 => format!("…{end}"),
        _ => id.to_owned(),
    }
}

fn map(text: Option<&str>) -> Map<String, Value> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The fields that differ between two states, each a JSON object or none.
pub fn changes(before: Option<&str>, after: Option<&str>) -> Vec<Change> {
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
    .filter(|text| !text.is_empty())
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
