//! The JSON of keys, in and out. Fields that are not known are refused: a typo must not widen anything.

use std::num::NonZeroU64;

use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, Grace, KeyStatus, MAX_NAME_LEN};
use keyway_core::audience::Audience;
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::secret::PlainSecret;
use keyway_guard::problem::Problem;
use keyway_store::tables::api_keys::KeyFilter;
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::{field, fields};
use crate::flows::keys::{KeyPatch, RawKey, RawPatch};

/// Keys on a page unless said, and at most.
const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 100;

/// Which keys are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListQuery {
    search: Option<String>,
    status: Option<String>,
    with_revoked: bool,
    before: Option<String>,
    limit: Option<u32>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(PAGE);
        if (1..=LONGEST_PAGE).contains(&limit) { Ok(limit) } else { Err(field("limit", "1 to 100")) }
    }

    pub(super) fn filter(&self, owner: OwnerId, environment: Environment) -> Result<KeyFilter, Problem> {
        let status = self.status.as_deref().map(str::parse::<KeyStatus>).transpose();
        let before = self.before.as_deref().map(str::parse::<ApiKeyId>).transpose();
        // PostgreSQL takes no NUL.
        let strange =
            |text: &String| text.chars().count() > MAX_NAME_LEN || text.chars().any(char::is_control);
        if self.search.as_ref().is_some_and(strange) {
            return Err(field("search", format!("at most {MAX_NAME_LEN} characters, none of them control")));
        }
        Ok(KeyFilter {
            owner: Some(owner),
            search: self.search.clone(),
            status: status.map_err(|_| {
                let known = KeyStatus::ALL.map(KeyStatus::as_str).join(", ");
                field("status", format!("one of {known}"))
            })?,
            environment: Some(environment),
            with_revoked: self.with_revoked,
            before: before.map_err(|_| field("before", "the `next` of the page before"))?,
        })
    }
}

/// A key to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NewKey {
    name: String,
    scopes: Vec<String>,
    note: String,
    /// That of the credential that makes it unless said.
    environment: Option<String>,
    audience: Vec<String>,
    /// `90d`, a date, a moment, or `never`.
    expires: Option<String>,
    rate: Option<String>,
    /// Calls a calendar day, and a calendar month (UTC).
    quota_day: Option<u64>,
    quota_month: Option<u64>,
    addresses: Vec<String>,
}

impl NewKey {
    pub(super) fn text(self, environment: Environment) -> RawKey {
        RawKey {
            name: self.name,
            note: self.note,
            environment: self.environment.unwrap_or_else(|| environment.as_str().to_owned()),
            audiences: self.audience,
            scopes: self.scopes,
            expires: self.expires.unwrap_or_default(),
            rate: self.rate.unwrap_or_default(),
            quota_day: number(self.quota_day),
            quota_month: number(self.quota_month),
            addresses: self.addresses.join(" "),
        }
    }
}

/// What is to change of a key; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PatchedKey {
    name: Option<String>,
    note: Option<String>,
    scopes: Option<Vec<String>>,
    expires: Option<String>,
    /// `null` for the setting's.
    #[serde(deserialize_with = "or_none")]
    rate: Option<Option<String>>,
    #[serde(deserialize_with = "or_none")]
    quota_day: Option<Option<u64>>,
    #[serde(deserialize_with = "or_none")]
    quota_month: Option<Option<u64>>,
    addresses: Option<Vec<String>>,
    enabled: Option<bool>,
    /// The version that was looked at: with another one nothing is changed.
    version: Option<u64>,
}

fn or_none<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

fn number(calls: Option<u64>) -> String {
    calls.map(|calls| calls.to_string()).unwrap_or_default()
}

impl PatchedKey {
    /// Whether it is to be on, and the other changes if there are any.
    pub(super) fn read(self) -> Result<(Option<bool>, Option<KeyPatch>), Problem> {
        let raw = RawPatch {
            name: self.name,
            note: self.note,
            scopes: self.scopes,
            expires: self.expires,
            rate: self.rate.map(Option::unwrap_or_default),
            quota_day: self.quota_day.map(number),
            quota_month: self.quota_month.map(number),
            addresses: self.addresses.map(|list| list.join(" ")),
        };
        let nothing = raw.name.is_none()
            && raw.note.is_none()
            && raw.scopes.is_none()
            && raw.expires.is_none()
            && raw.rate.is_none()
            && raw.quota_day.is_none()
            && raw.quota_month.is_none()
            && raw.addresses.is_none();
        if nothing && (self.version.is_none() || self.enabled.is_none()) {
            return match self.enabled {
                Some(enabled) => Ok((Some(enabled), None)),
                None => Err(field("name", "name something to change")),
            };
        }
        let patch = raw.read().map_err(fields)?;
        Ok((self.enabled, Some(KeyPatch { version: self.version, ..patch })))
    }
}

/// How a key is rotated.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    grace: Option<String>,
}

impl Rotation {
    pub(super) fn grace(&self) -> Result<Grace, Problem> {
        let read = self.grace.as_deref().map(str::parse::<Grace>).transpose();
        let known = || Grace::ALL.map(Grace::as_str).join(", ");
        Ok(read.map_err(|_| field("grace", format!("one of {}", known())))?.unwrap_or_default())
    }
}

/// A key without its secret.
#[derive(Debug, Serialize)]
pub(super) struct KeyView<'k> {
    id: ApiKeyId,
    name: &'k str,
    note: &'k str,
    prefix: &'k str,
    last4: &'k str,
    environment: &'static str,
    status: &'static str,
    audience: Vec<&'k str>,
    scopes: Vec<String>,
    addresses: Vec<String>,
    rate: Option<String>,
    quota_day: Option<NonZeroU64>,
    quota_month: Option<NonZeroU64>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    last_used_address: Option<String>,
    disabled_at: Option<String>,
    revoked_at: Option<String>,
    revoked_reason: Option<&'k str>,
    replaces: Option<ApiKeyId>,
    replaced_by: Option<ApiKeyId>,
    grace_ends_at: Option<String>,
    version: u64,
}

fn when(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_rfc3339)
}

impl<'k> KeyView<'k> {
    pub(super) fn of(key: &'k ApiKey, now: Timestamp) -> Self {
        let terms = &key.terms;
        Self {
            id: key.id,
            name: &key.name,
            note: &key.note,
            prefix: &key.prefix,
            last4: &key.last4,
            environment: terms.environment.as_str(),
            status: key.status(now).as_str(),
            audience: terms.audiences.iter().map(Audience::as_str).collect(),
            scopes: terms.scopes.iter().map(ToString::to_string).collect(),
            addresses: terms.addresses.iter().map(ToString::to_string).collect(),
            rate: terms.rate.map(|rate| rate.to_string()),
            quota_day: terms.quotas.day.calls(),
            quota_month: terms.quotas.month.calls(),
            created_at: key.created_at.to_rfc3339(),
            expires_at: when(terms.expires_at),
            last_used_at: when(key.last_used_at),
            last_used_address: key.last_used_address.map(|address| address.to_string()),
            disabled_at: when(key.disabled_at),
            revoked_at: when(key.revoked_at),
            revoked_reason: key.revoked_reason.as_deref(),
            replaces: key.replaces,
            replaced_by: key.replaced_by,
            grace_ends_at: when(key.grace_ends_at),
            version: key.version,
        }
    }
}

/// A page of keys.
#[derive(Debug, Serialize)]
pub(super) struct KeyList<'k> {
    pub(super) keys: Vec<KeyView<'k>>,
    pub(super) next: Option<ApiKeyId>,
}

/// A key that was just made: the same fields as `keyway key create --json` prints.
#[derive(Serialize)]
pub(super) struct MadeKey<'k> {
    id: ApiKeyId,
    key: &'k str,
    prefix: &'k str,
    scopes: Vec<String>,
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<KeyView<'k>>,
}

impl<'k> MadeKey<'k> {
    pub(super) fn of(key: &'k ApiKey, secret: &'k PlainSecret, replaced: Option<KeyView<'k>>) -> Self {
        Self {
            id: key.id,
            key: secret.expose(),
            prefix: &key.prefix,
            scopes: key.terms.scopes.iter().map(ToString::to_string).collect(),
            expires_at: when(key.terms.expires_at),
            replaced,
        }
    }
}
