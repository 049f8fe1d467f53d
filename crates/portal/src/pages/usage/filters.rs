//! The filters of usage, as they stand in the address. What makes no sense filters nothing.

use keyway_core::Timestamp;
use keyway_core::ids::OwnerId;
use keyway_core::record::MAX_ROUTE_LEN;
use keyway_core::usage::{Grain, Period};
use keyway_store::tables::usage::UsageFilter;
use serde::{Deserialize, Serialize};

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Day,
    Week,
    Month,
    Quarter,
}

impl Range {
    pub(super) const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// After "the last" and "the".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
        }
    }

    pub(super) fn period(self, now: Timestamp) -> Period {
        match self {
            Self::Day => Period::ending(now, Grain::Hour, 24),
            Self::Week => Period::ending(now, Grain::Day, 7),
            Self::Month => Period::ending(now, Grain::Day, 30),
            Self::Quarter => Period::ending(now, Grain::Day, 90),
        }
    }
}

/// As typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Filters {
    pub(super) range: String,
    pub(super) credential: String,
    pub(super) route: String,
    pub(super) outcome: String,
}

impl Filters {
    /// The same without what makes no sense.
    pub(super) fn cleaned(mut self, owner: OwnerId, now: Timestamp) -> Self {
        let filter = self.filter(owner, now);
        self.range = self.range().as_str().to_owned();
        self.credential = filter.credential.map(|id| id.to_string()).unwrap_or_default();
        self.route = filter.route.unwrap_or_default();
        self.outcome = filter.outcome.map(|outcome| outcome.as_str().to_owned()).unwrap_or_default();
        self
    }

    pub(super) fn range(&self) -> Range {
        Range::ALL.into_iter().find(|range| range.as_str() == self.range).unwrap_or(Range::Week)
    }

    pub(super) fn filter(&self, owner: OwnerId, now: Timestamp) -> UsageFilter {
        let route = self.route.trim();
        let sound = !route.is_empty() && route.len() <= MAX_ROUTE_LEN && !route.chars().any(char::is_control);
        UsageFilter {
            credential: self.credential.parse().ok(),
            route: sound.then(|| route.to_owned()),
            outcome: self.outcome.parse().ok(),
            ..UsageFilter::of(owner, self.range().period(now))
        }
    }

    pub(super) fn filters_something(&self) -> bool {
        [&self.credential, &self.route, &self.outcome].iter().any(|field| !field.is_empty())
    }

    /// `path` with the filters.
    pub(super) fn address(&self, path: &str) -> String {
        let fields = [
            ("range", self.range.as_str()),
            ("credential", &self.credential),
            ("route", &self.route),
            ("outcome", &self.outcome),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        format!("{path}?{}", query.finish())
    }
}
