//! What people and programs write about a key, as text, read into what the flows take.

use std::collections::BTreeMap;

use keyway_core::address::AddressList;
use keyway_core::api_key::{Lifetime, MAX_NAME_LEN, MAX_NOTE_LEN};
use keyway_core::audience::MAX_AUDIENCE_LEN;
use keyway_core::owner::Environment;
use keyway_core::quota::{InvalidQuota, Quota, Quotas};
use keyway_core::rate::Rate;
use keyway_core::scope::{Scope, ScopeSet};
use keyway_core::text::misleads;

use super::edit::KeyPatch;

/// The most APIs that a key names.
const MAX_AUDIENCES: usize = 16;

/// A key about to be made.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// What people call it.
    pub name: String,
    /// For people.
    pub note: String,
    /// Live or test.
    pub environment: Environment,
    /// The APIs it is for; empty for those to which its scopes belong.
    pub audiences: Vec<String>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// How long it lives; 90 days unless said, or as long as the credential that makes it.
    pub lifetime: Option<Lifetime>,
    /// Its own limit.
    pub rate: Option<Rate>,
    /// Its own quotas.
    pub quotas: Quotas,
    /// From where it may be used.
    pub addresses: AddressList,
}

/// The same as text.
#[derive(Clone, Debug, Default)]
pub struct RawKey {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 500 characters.
    pub note: String,
    /// `live` or `test`.
    pub environment: String,
    /// Identifiers of APIs.
    pub audiences: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// As [`Lifetime`] reads it; empty for the default.
    pub expires: String,
    /// As [`Rate`] reads it; empty for the default.
    pub rate: String,
    /// Calls a calendar day; empty for the default.
    pub quota_day: String,
    /// Calls a calendar month; empty for the default.
    pub quota_month: String,
    /// Addresses and networks.
    pub addresses: String,
}

/// A change of a key as text; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RawPatch {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// At most 500 characters.
    pub note: Option<String>,
    /// Scopes.
    pub scopes: Option<Vec<String>>,
    /// As [`Lifetime`] reads it.
    pub expires: Option<String>,
    /// As [`Rate`] reads it; empty for the default.
    pub rate: Option<String>,
    /// Calls a calendar day; empty for the default.
    pub quota_day: Option<String>,
    /// Calls a calendar month; empty for the default.
    pub quota_month: Option<String>,
    /// Addresses and networks.
    pub addresses: Option<String>,
}

/// What is wrong, by the name of the field.
pub type FieldErrors = BTreeMap<&'static str, String>;

struct Reader(FieldErrors);

impl Reader {
    fn take<T, E: ToString>(&mut self, field: &'static str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.0.insert(field, error.to_string())).ok()
    }
    fn name(&mut self, text: &str) -> Option<String> {
        let name = text.trim();
        let good = (1..=MAX_NAME_LEN).contains(&name.chars().count()) && !name.chars().any(misleads);
        let read = if good { Ok(name.to_owned()) } else { Err("a name has 1 to 100 characters") };
        self.take("name", read)
    }
    fn note(&mut self, text: &str) -> Option<String> {
        let note = text.trim().replace("\r\n", "\n");
        let strange = note.chars().any(|c| misleads(c) && c != '\n');
        let good = note.chars().count() <= MAX_NOTE_LEN && !strange;
        self.take("note", if good { Ok(note) } else { Err("a note has at most 500 characters") })
    }
    fn scopes(&mut self, words: &[String]) -> Option<ScopeSet> {
        let mut list = Vec::new();
        for word in words.iter().flat_map(|w| w.split_ascii_whitespace()) {
            list.push(self.take("scopes", word.parse::<Scope>())?);
        }
        if list.len() > keyway_core::scope::MAX_SCOPES {
            return self.take("scopes", Err("at most 64 scopes"));
        }
        let set: ScopeSet = list.into_iter().collect();
        self.take("scopes", if set.is_empty() { Err("choose at least one scope") } else { Ok(set) })
    }
    fn rate(&mut self, text: &str) -> Option<Option<Rate>> {
        let text = text.trim();
        self.take("rate", if text.is_empty() { Ok(None) } else { text.parse().map(Some) })
    }
    fn quota(&mut self, field: &'static str, text: &str) -> Option<Quota> {
        let text = text.trim();
        let read = if text.is_empty() { Ok(Quota::Off) } else { text.parse() };
        // Only the settings lift a quota.
        self.take(field, read.and_then(|quota| (text != "off").then_some(quota).ok_or(InvalidQuota)))
    }
    fn lifetime(&mut self, text: &str) -> Option<Lifetime> {
        self.take("expires", text.trim().parse())
    }
    fn addresses(&mut self, text: &str) -> Option<AddressList> {
        self.take("addresses", text.parse())
    }
    fn done<T>(self, value: Option<T>) -> Result<T, FieldErrors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(self.0),
        }
    }
}

impl RawKey {
    /// Reads all fields, and names everything that is wrong with them at once.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn read(&self) -> Result<KeyDraft, FieldErrors> {
        let mut reader = Reader(FieldErrors::new());
        let name = reader.name(&self.name);
        let note = reader.note(&self.note);
        let environment = self.environment.parse().map_err(|_| "choose live or test");
        let environment: Option<Environment> = reader.take("environment", environment);
        let scopes = reader.scopes(&self.scopes);
        let lifetime =
            if self.expires.is_empty() { Some(None) } else { reader.lifetime(&self.expires).map(Some) };
        let rate = reader.rate(&self.rate);
        let quota_day = reader.quota("quota_day", &self.quota_day);
        let quota_month = reader.quota("quota_month", &self.quota_month);
        let addresses = reader.addresses(&self.addresses);
        let few = self.audiences.len() <= MAX_AUDIENCES
            && self.audiences.iter().all(|audience| audience.len() <= MAX_AUDIENCE_LEN);
        let audiences = reader.take(
            "audience",
            if few { Ok(self.audiences.clone()) } else { Err("name at most 16 of this portal's APIs") },
        );
        let draft = (|| {
            Some(KeyDraft {
                name: name?,
                note: note?,
                environment: environment?,
                audiences: audiences?,
                scopes: scopes?,
                lifetime: lifetime?,
                rate: rate?,
                quotas: Quotas { day: quota_day?, month: quota_month? },
                addresses: addresses?,
            })
        })();
        reader.done(draft)
    }
}

impl RawPatch {
    /// Reads the fields that are there, and names everything that is wrong with them at once.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn read(&self) -> Result<KeyPatch, FieldErrors> {
        let mut reader = Reader(FieldErrors::new());
        let patch = KeyPatch {
            name: self.name.as_deref().and_then(|text| reader.name(text)),
            note: self.note.as_deref().and_then(|text| reader.note(text)),
            scopes: self.scopes.as_deref().and_then(|words| reader.scopes(words)),
            lifetime: self.expires.as_deref().and_then(|text| reader.lifetime(text)),
            rate: self.rate.as_deref().and_then(|text| reader.rate(text)),
            quota_day: self.quota_day.as_deref().and_then(|text| reader.quota("quota_day", text)),
            quota_month: self.quota_month.as_deref().and_then(|text| reader.quota("quota_month", text)),
            addresses: self.addresses.as_deref().and_then(|text| reader.addresses(text)),
            version: None,
        };
        reader.done(Some(patch))
    }
}
