//! The filters of the audit, as they stand in the address. What makes no sense filters nothing.

use keyway_store::tables::audit::AuditFilter;
use serde::{Deserialize, Serialize};

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::pages::cursor;

/// The areas that can be filtered by: what the names of actions begin with.
pub(super) const AREAS: [(&str, &str); 11] = [
    ("account", "Account"),
    ("session", "Sessions"),
    ("key", "API keys"),
    ("token", "JWTs and tokens"),
    ("app", "Apps"),
    ("device", "Devices"),
    ("connection", "Connections"),
    ("credentials", "All credentials"),
    ("signing_key", "Signing keys"),
    ("provider", "Providers"),
    ("registration_token", "Registration tokens"),
];

/// Who acts, as stored.
pub(super) const ACTORS: [(&str, &str); 4] =
    [("person", "A person"), ("client", "An app"), ("command", "A command"), ("system", "The portal itself")];

/// The longest id of a target, in bytes.
const MAX_TARGET: usize = 64;

/// As typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Filters {
    action: String,
    actor: String,
    target: String,
    /// Administrators: everybody's.
    all: String,
    /// The row that the page before ended with: `<microseconds>_<id>`.
    #[serde(skip_serializing)]
    before: String,
}

impl Filters {
    /// The same without what makes no sense, or is not for this reader.
    pub(super) fn cleaned(mut self, me: &SignedIn) -> Result<Self, PageError> {
        let filter = self.filter(me)?;
        self.action = filter.area.unwrap_or_default();
        self.target = filter.target.unwrap_or_default();
        if filter.actor.is_none() {
            self.actor.clear();
        }
        self.all = if filter.owner.is_none() { "yes".to_owned() } else { String::new() };
        Ok(self)
    }

    pub(super) fn filter(&self, me: &SignedIn) -> Result<AuditFilter, PageError> {
        let before = match self.before.as_str() {
            "" => None,
            text => {
                Some(cursor::read(text).ok_or(PageError::BadRequest("There is no such page of the audit."))?)
            }
        };
        let target = self.target.trim();
        let sound = !target.is_empty() && target.len() <= MAX_TARGET && !target.chars().any(char::is_control);
        Ok(AuditFilter {
            owner: (!self.is_all(me)).then_some(me.owner),
            target: sound.then(|| target.to_owned()),
            area: AREAS.iter().find(|(area, _)| *area == self.action).map(|(area, _)| (*area).to_owned()),
            actor: self.actor.parse().ok(),
            before,
        })
    }

    /// Whether everybody's rows are asked for, by somebody who may see them.
    pub(super) fn is_all(&self, me: &SignedIn) -> bool {
        me.is_admin && self.all == "yes"
    }

    pub(super) fn is_first_page(&self) -> bool {
        self.before.is_empty()
    }

    pub(super) fn filters_something(&self) -> bool {
        [&self.action, &self.actor, &self.target].iter().any(|field| !field.is_empty())
    }

    /// `path` with the filters, from another place on, or switched to everybody's or one's own.
    pub(super) fn address(&self, path: &str, before: &str, all: bool) -> String {
        let fields = [
            ("action", self.action.as_str()),
            ("actor", &self.actor),
            ("target", &self.target),
            ("all", if all { "yes" } else { "" }),
            ("before", before),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}
