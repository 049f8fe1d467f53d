//! How long a key is to live, as forms offer it.

use keyway_core::api_key::{ApiKey, Lifetime};
use keyway_core::{Duration, Timestamp};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct ExpiryChoice {
    value: String,
    label: String,
    at: Option<Timestamp>,
}

/// The choice of days that is nearest to how long a key was made for.
pub(super) fn as_before(key: &ApiKey) -> i64 {
    let before = key.terms.expires_at.map_or(Duration::ZERO, |end| end.since(key.created_at));
    let distance = |days: &i64| before.as_micros().abs_diff(Duration::days(*days).as_micros());
    Lifetime::DAYS.into_iter().min_by_key(distance).unwrap_or_default()
}

/// The choices, each with the resulting day; of a key that is there, first to leave it.
pub(super) fn expiry_choices(key: Option<&ApiKey>, now: Timestamp) -> Vec<ExpiryChoice> {
    let choice = |value: &str, label: &str, at| ExpiryChoice { value: value.into(), label: label.into(), at };
    let mut list = Vec::new();
    if let Some(key) = key {
        list.push(choice("keep", "As it is", key.terms.expires_at));
    }
    for days in Lifetime::DAYS {
        let label = if days == 365 { "A year".to_owned() } else { format!("{days} days") };
        list.push(choice(&days.to_string(), &label, Some(now + Duration::days(days))));
    }
    list.push(choice("custom", "A day", None));
    list.push(choice("never", "Never", None));
    list
}
