//! Why something is not done to an API key.

use keyway_core::api_key::{Excess, InvalidLifetime};
use keyway_core::quota::{Measure, Window};
use keyway_core::rate::Rate;
use keyway_store::StoreError;

/// Why something is not done to an API key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A field cannot be read, or is longer than it may be.
    #[error("{1}")]
    Field(&'static str, String),
    /// There is no scope.
    #[error("choose at least one scope")]
    NoScopes,
    /// No API, or none of the named ones, has this scope.
    #[error("no API that the key is for has the scope {0}")]
    UnknownScope(String),
    /// There is no such API.
    #[error("{0} is not an API of this portal")]
    UnknownAudience(String),
    /// An API is named, but nothing can be done there.
    #[error("the key is for {0}, but has none of its scopes")]
    AudienceWithoutScope(String),
    /// Administrators alone give this scope, or approve it.
    #[error("the scope {0} can be given by administrators only")]
    NotGrantable(String),
    /// Its own limit would be above the one that it shares.
    #[error("the limit may be at most {0}, which all credentials of the owner share")]
    RateAboveOwner(Rate),
    /// Its own quota would be above the one that it shares.
    #[error("the quota may be at most {1}, which all credentials of the owner share")]
    QuotaAboveOwner(Window, Measure),
    /// A key made by a credential draws on that credential's limit.
    #[error("a key made by a credential draws on that credential's limit: leave the limit out")]
    RateOfMaker,
    /// The end cannot be.
    #[error(transparent)]
    Expiry(#[from] InvalidLifetime),
    /// The maker does not have this itself.
    #[error("{}", excess(.0))]
    BeyondMaker(Excess),
    /// A credential may widen and renew only what it made.
    #[error("a credential can widen, enable or rotate only keys within its own terms that it made itself")]
    NotMadeByIt,
    /// The owner has [`MAX_KEYS`](keyway_core::api_key::MAX_KEYS).
    #[error("there are 50 keys already: revoke one first")]
    TooMany,
    /// Live keys need a verified address.
    #[error("verify your e-mail address first: live keys need it")]
    Unverified,
    /// Live keys that do more than read need a recent sign-in.
    #[error("show first that it is you: live keys that can do more than read need a recent sign-in")]
    NotFresh,
    /// The owner is suspended.
    #[error("this account is suspended")]
    Suspended,
    /// There is no such owner.
    #[error("there is no such account")]
    NoOwner,
    /// There is no such key of this owner.
    #[error("there is no such key")]
    NotFound,
    /// It was revoked.
    #[error("the key was revoked; a revoked key does not come back")]
    Revoked,
    /// It is switched off.
    #[error("the key is disabled: enable it first")]
    Disabled,
    /// It was replaced before.
    #[error("the key was rotated already")]
    AlreadyReplaced,
    /// Its grace is over or was never begun.
    #[error("the key is not in grace")]
    NotInGrace,
    /// It was changed since it was read.
    #[error("the key was changed meanwhile: look at it again")]
    ChangedMeanwhile,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn excess(of: &Excess) -> String {
    match of {
        Excess::Environment => "the credential is not of this environment".into(),
        Excess::Audience(audience) => format!("the credential is not for {audience}"),
        Excess::Scope(scope) => format!("the credential does not have the scope {scope} itself"),
        Excess::Addresses => "the credential may not be used from all of these addresses itself".into(),
        Excess::Rate => "the credential's own limit is lower".into(),
        Excess::Quota(window) => format!("the credential's own quota a {} is lower", window.as_str()),
        Excess::Expiry => "the credential ends before that itself".into(),
    }
}

const fn quota(window: Window) -> &'static str {
    match window {
        Window::Day => "quota_day",
        Window::Month => "quota_month",
    }
}

impl KeyError {
    /// The input at fault, by the name that forms and bodies share; `None` when it is none of them.
    pub fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Field(field, _) => field,
            Self::NoScopes | Self::UnknownScope(_) | Self::NotGrantable(_) => "scopes",
            Self::UnknownAudience(_) | Self::AudienceWithoutScope(_) => "audience",
            Self::RateAboveOwner(_) | Self::RateOfMaker => "rate",
            Self::QuotaAboveOwner(window, _) => quota(*window),
            Self::Expiry(_) => "expires",
            Self::BeyondMaker(of) => match of {
                Excess::Environment => "environment",
                Excess::Audience(_) => "audience",
                Excess::Scope(_) => "scopes",
                Excess::Addresses => "addresses",
                Excess::Rate => "rate",
                Excess::Quota(window) => quota(*window),
                Excess::Expiry => "expires",
            },
            Self::Unverified => "environment",
            Self::NotMadeByIt
            | Self::TooMany
            | Self::NotFresh
            | Self::Suspended
            | Self::NoOwner
            | Self::NotFound
            | Self::Revoked
            | Self::Disabled
            | Self::AlreadyReplaced
            | Self::NotInGrace
            | Self::ChangedMeanwhile
            | Self::Store(_) => return None,
        })
    }
}
