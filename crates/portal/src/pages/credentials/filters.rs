//! The filters of the list, as they stand in the address. What makes no sense filters nothing.

use keyway_core::api_key::MAX_NAME_LEN;
use keyway_core::ledger::{Kind, Status};
use keyway_core::owner::Environment;
use serde::{Deserialize, Serialize};

use crate::flows::ledger::{Cursor, Query};

/// The status that asks for everything in trouble.
pub(super) const ATTENTION: &str = "attention";

/// As typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Filters {
    q: String,
    kind: String,
    status: String,
    environment: String,
    sort: String,
    /// Those that are over as well.
    ended: String,
    /// Where the page before ended.
    #[serde(skip_serializing)]
    after: String,
}

impl Filters {
    /// What they ask for.
    pub(super) fn query(&self) -> Query {
        let search: String = self.q.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME_LEN).collect();
        Query {
            kind: self.kind.parse().ok(),
            status: self.status.parse().ok(),
            in_trouble: self.status == ATTENTION,
            environment: self.environment.parse().ok(),
            search: (!search.is_empty()).then_some(search),
            with_over: !self.ended.is_empty(),
            order: self.sort.parse().unwrap_or_default(),
            after: self.after.parse().ok(),
        }
    }

    /// The same without what makes no sense.
    pub(super) fn cleaned(self) -> Self {
        let query = self.query();
        let word = |text: Option<&'static str>| text.unwrap_or_default().to_owned();
        Self {
            q: query.search.unwrap_or_default(),
            kind: word(query.kind.map(Kind::as_str)),
            status: word(if query.in_trouble { Some(ATTENTION) } else { query.status.map(Status::as_str) }),
            environment: word(query.environment.map(Environment::as_str)),
            sort: query.order.as_str().to_owned(),
            ended: word(query.with_over.then_some("yes")),
            after: query.after.map(|after| after.to_string()).unwrap_or_default(),
        }
    }

    pub(super) fn is_first_page(&self) -> bool {
        self.after.is_empty()
    }

    pub(super) fn filters_something(&self) -> bool {
        [&self.q, &self.kind, &self.status, &self.environment, &self.ended].iter().any(|f| !f.is_empty())
    }

    /// The same list from another place on.
    pub(super) fn address(&self, after: Option<&Cursor>) -> String {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let fields = [
            ("q", &self.q),
            ("kind", &self.kind),
            ("status", &self.status),
            ("environment", &self.environment),
            ("sort", &self.sort),
            ("ended", &self.ended),
            ("after", &after),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        format!("/credentials?{}", query.finish())
    }
}
