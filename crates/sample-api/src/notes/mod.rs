//! Notes: kept in a SQLite file of the API's own, live and test apart.

pub(crate) mod routes;
mod store;

pub use store::{Notes, NotesError};

use keyway_core::facts::Subject;
use keyway_core::owner::Environment;
use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub(crate) const MAX_TITLE: usize = 200;
/// The longest body, in characters.
pub(crate) const MAX_BODY: usize = 10_000;
/// The largest JSON document that is read, in bytes: title and body with each character escaped, and some for the rest.
pub(crate) const MAX_JSON: usize = 12 * (MAX_TITLE + MAX_BODY) + 1_024;
/// The most notes of one subject in one environment.
pub(crate) const MAX_NOTES: i64 = 1_000;

/// Whose notes: the subject of the credential, in its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) subject: Subject,
    pub(crate) environment: Environment,
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    #[serde(skip)]
    pub(crate) version: i64,
}

impl Note {
    /// Its entity tag (RFC 9110 §8.8.3): changes with each change.
    pub(crate) fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// A note as a client writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
}

impl Draft {
    /// What is wrong with it: field and message.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let title = self.title.chars().count();
        if self.title.trim().is_empty() {
            faults.push(("title", "A note needs a title.".to_owned()));
        } else if title > MAX_TITLE {
            faults.push(("title", format!("At most {MAX_TITLE} characters; this has {title}.")));
        } else if self.title.chars().any(char::is_control) {
            faults.push(("title", "A title has no control characters.".to_owned()));
        }
        let body = self.body.chars().count();
        if body > MAX_BODY {
            faults.push(("body", format!("At most {MAX_BODY} characters; this has {body}.")));
        } else if self.body.contains('\0') {
            faults.push(("body", "A body has no null characters.".to_owned()));
        }
        faults
    }
}
