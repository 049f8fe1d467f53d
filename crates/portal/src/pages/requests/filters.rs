//! The filters of the log, as they stand in the address. What makes no sense filters nothing.

use keyway_core::ids::EntityId;
use keyway_core::record::MAX_ROUTE_LEN;
use keyway_store::tables::request_log::{Ended, RequestFilter};
use serde::{Deserialize, Serialize};

use crate::extract::SignedIn;
use crate::pages::cursor;

/// As typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filters {
    credential: String,
    outcome: String,
    class: String,
    route: String,
    /// Administrators: everybody's.
    all: String,
    /// Whether the page follows what comes.
    live: String,
    /// The row that the page before ended with: `<microseconds>_<id>`.
    #[serde(skip_serializing)]
    before: String,
}

impl Filters {
    /// The same about one credential alone.
    pub(super) fn of(mut self, credential: EntityId) -> Self {
        self.credential = credential.to_string();
        self.all.clear();
        self
    }

    /// The same without what makes no sense, or is not for this reader.
    pub(super) fn cleaned(mut self, me: &SignedIn) -> Self {
        let filter = self.filter(me);
        if filter.credential.is_none() {
            self.credential.clear();
        }
        if filter.ended.is_none() {
            self.outcome.clear();
        }
        if filter.class.is_none() {
            self.class.clear();
        }
        if filter.before.is_none() {
            self.before.clear();
        }
        if self.live != "yes" || !self.before.is_empty() {
            self.live.clear();
        }
        self.route = filter.route.unwrap_or_default();
        self.all = if filter.owner.is_none() { "yes".to_owned() } else { String::new() };
        self
    }

    pub(super) fn filter(&self, me: &SignedIn) -> RequestFilter {
        let route = self.route.trim();
        let sound = !route.is_empty() && route.len() <= MAX_ROUTE_LEN && !route.chars().any(char::is_control);
        RequestFilter {
            owner: (!self.is_all(me)).then_some(me.owner),
            credential: self.credential.parse().ok(),
            ended: match self.outcome.as_str() {
                "accepted" => Some(Ended::Accepted),
                "refused" => Some(Ended::Refused),
                check => check.parse().ok().map(Ended::At),
            },
            class: self.class.parse().ok().filter(|class| (2..=5).contains(class)),
            route: sound.then(|| route.to_owned()),
            before: cursor::read(&self.before),
        }
    }

    /// Whether everybody's requests are asked for, by somebody who may see them.
    pub(super) fn is_all(&self, me: &SignedIn) -> bool {
        me.is_admin && self.all == "yes"
    }

    pub(super) fn is_first_page(&self) -> bool {
        self.before.is_empty()
    }

    /// Whether the page follows what comes.
    pub(super) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// The same page, following what comes or not; nothing where older rows are shown.
    pub(super) fn switch(&self, path: &str, all: bool) -> Option<String> {
        let live = if self.is_live() { String::new() } else { "yes".to_owned() };
        let other = Self { live, ..self.clone() };
        self.is_first_page().then(|| other.address(path, "", all))
    }

    /// Whether something is filtered besides a credential that `is_fixed`.
    pub(super) fn filters_something(&self, is_fixed: bool) -> bool {
        let chosen = [&self.outcome, &self.class, &self.route].iter().any(|field| !field.is_empty());
        chosen || (!is_fixed && !self.credential.is_empty())
    }

    /// `path` with the filters, from another place on, or switched to everybody's or one's own.
    pub(super) fn address(&self, path: &str, before: &str, all: bool) -> String {
        // The pages of a key are about it already.
        let of_all = path.starts_with("/requests");
        let fields = [
            ("credential", if of_all { self.credential.as_str() } else { "" }),
            ("outcome", &self.outcome),
            ("class", &self.class),
            ("route", &self.route),
            ("all", if all { "yes" } else { "" }),
            ("live", if before.is_empty() && !path.ends_with(".csv") { &self.live } else { "" }),
            ("before", before),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}
