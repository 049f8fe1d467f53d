//! What a provider says about a person, made fit to be kept and shown.

use keyway_core::text::misleads;
use serde_json::Value;

use super::definition::{ClaimNames, Definition, Kind};
use super::identity::ProviderEmail;
use crate::flows::inputs::Email;

/// The longest subject, in bytes: OpenID Connect's bound (Core §2).
const MAX_SUBJECT_LEN: usize = 255;
/// The longest account or name, in characters.
const MAX_TEXT_LEN: usize = 100;

/// What one answer says.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) account: Option<String>,
    pub(super) name: Option<String>,
    pub(super) email: Option<ProviderEmail>,
}

impl Profile {
    /// From claims or a JSON profile.
    pub(super) fn read(definition: &Definition, said: &Value) -> Self {
        let names = &definition.claims;
        let text = |name: &str| member(said, name).and_then(Value::as_str);
        let address = text(&names.email).and_then(|address| Email::parse(address).ok());
        Self {
            account: text(&names.account).and_then(shown),
            name: text(&names.name).and_then(shown),
            email: address.map(|address| ProviderEmail { address, verified: is_verified(definition, said) }),
        }
    }

    /// With what `other` knows besides.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            account: self.account.or(other.account),
            name: self.name.or(other.name),
            email: self.email.or(other.email),
        }
    }

    /// What to call the account: its login, else its address, else its id.
    pub(super) fn account_or(&self, subject: &str) -> String {
        let address = || self.email.as_ref().and_then(|email| shown(email.address.as_str()));
        self.account
            .clone()
            .or_else(address)
            .or_else(|| shown(subject))
            .unwrap_or_else(|| "unnamed".to_owned())
    }
}

/// Microsoft's addresses are what an administrator of the tenant wrote: never verified.
fn is_verified(definition: &Definition, said: &Value) -> bool {
    let told = member(said, &definition.claims.email_verified);
    let told = told.is_some_and(|told| told == &Value::Bool(true) || told.as_str() == Some("true"));
    told && definition.kind != Kind::Microsoft
}

/// The lasting id, for providers that do not speak OpenID Connect: a text, or a whole number.
pub(super) fn subject(names: &ClaimNames, said: &Value) -> Option<String> {
    let subject = match member(said, &names.subject)? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    is_subject(&subject).then_some(subject)
}

/// Whether an id can be kept: OpenID Connect wants 1 to 255 ASCII characters (Core §2).
pub(super) fn is_subject(subject: &str) -> bool {
    (1..=MAX_SUBJECT_LEN).contains(&subject.len())
        && subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// A text as pages show it, if anything is left of it.
pub(super) fn shown(text: &str) -> Option<String> {
    let plain: String = text.trim().chars().filter(|c| !misleads(*c)).take(MAX_TEXT_LEN).collect();
    (!plain.is_empty()).then_some(plain)
}

fn member<'v>(said: &'v Value, name: &str) -> Option<&'v Value> {
    if name.starts_with('/') { said.pointer(name) } else { said.get(name) }
}
