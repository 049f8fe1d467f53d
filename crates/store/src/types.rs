//! Between columns and domain types.

use std::fmt::Display;
use std::str::FromStr;

use keyway_core::secret::SecretDigest;
use keyway_core::{Duration, Timestamp};

use crate::error::StoreError;

/// Names a column of one table, to read its values and to say which of them could not be read.
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) &'static str);

impl Table {
    /// The error for a value that makes no sense.
    pub(crate) const fn inconsistent(self, column: &'static str) -> StoreError {
        StoreError::Inconsistent { table: self.0, column }
    }
    /// An id, a word of a fixed choice, a set, a rate: whatever has one spelling.
    pub(crate) fn parse<T: FromStr>(self, column: &'static str, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_| self.inconsistent(column))
    }
    /// The same, where there may be none.
    pub(crate) fn parse_opt<T: FromStr>(
        self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.parse(column, text)).transpose()
    }
    /// Several of them with single spaces between, in their order.
    pub(crate) fn parse_list<T: FromStr>(
        self,
        column: &'static str,
        text: &str,
    ) -> Result<Vec<T>, StoreError> {
        text.split(' ').filter(|word| !word.is_empty()).map(|word| self.parse(column, word)).collect()
    }
    /// The digest of a secret.
    pub(crate) fn digest(self, column: &'static str, bytes: &[u8]) -> Result<SecretDigest, StoreError> {
        SecretDigest::from_slice(bytes).ok_or_else(|| self.inconsistent(column))
    }
    /// A count that is never negative.
    pub(crate) fn count(self, column: &'static str, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|_| self.inconsistent(column))
    }
}

/// A moment.
pub(crate) const fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A moment that may not have come.
pub(crate) fn time_opt(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// A moment that may not have come, as stored.
pub(crate) fn micros_opt(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

/// A span.
pub(crate) const fn span(micros: i64) -> Duration {
    Duration::micros(micros)
}

/// Anything with one spelling that may be absent, as stored.
pub(crate) fn text_opt<T: Display>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

/// Several with single spaces between, as stored. Sets are given sorted.
pub(crate) fn text_list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&value.to_string());
    }
    text
}

/// A count as the database holds it; saturates.
pub(crate) fn stored_count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
