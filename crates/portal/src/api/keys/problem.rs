//! Why something is not done to a key, as a problem (RFC 9457).

use keyway_guard::problem::Problem;
use keyway_store::StoreError;

use crate::flows::keys::{FieldErrors, KeyError};

/// One field of a request that is not accepted.
pub(super) fn field(name: &'static str, text: impl Into<String>) -> Problem {
    invalid().field(name, text)
}

/// All fields that cannot be read.
pub(super) fn fields(errors: FieldErrors) -> Problem {
    errors.into_iter().fold(invalid(), |problem, (name, text)| problem.field(name, text))
}

fn invalid() -> Problem {
    Problem::new(422, "invalid_request", "The request is not accepted as it is")
}

/// 422 for what another input would mend, 403 for what the caller may not, 409 for what the key's state does not
/// allow.
pub(super) fn of(error: &KeyError) -> Problem {
    let name = error.field();
    let problem = match error {
        KeyError::Field(..)
        | KeyError::NoScopes
        | KeyError::UnknownScope(_)
        | KeyError::UnknownAudience(_)
        | KeyError::AudienceWithoutScope(_)
        | KeyError::RateAboveOwner(_)
        | KeyError::QuotaAboveOwner(..)
        | KeyError::RateOfMaker
        | KeyError::Expiry(_) => invalid(),
        KeyError::NotGrantable(_) => Problem::new(403, "not_grantable", "Not everybody may give this scope"),
        KeyError::BeyondMaker(_) => {
            Problem::new(403, "beyond_credential", "A credential gives nothing that it does not have")
        }
        KeyError::NotMadeByIt => Problem::new(403, "not_made_by_it", "This credential did not make that key"),
        KeyError::Unverified => Problem::new(403, "unverified", "The e-mail address is not verified"),
        KeyError::NotFresh => Problem::new(403, "not_fresh", "This needs a recent sign-in"),
        KeyError::Suspended => Problem::new(403, "owner_suspended", "The owner is suspended"),
        KeyError::NoOwner | KeyError::NotFound => {
            return Problem::new(404, "not_found", "There is no such key");
        }
        KeyError::TooMany => Problem::new(409, "too_many_keys", "There is no room for another key"),
        KeyError::Revoked => Problem::new(409, "key_revoked", "The key was revoked"),
        KeyError::Disabled => Problem::new(409, "key_disabled", "The key is disabled"),
        KeyError::AlreadyReplaced => Problem::new(409, "already_rotated", "The key was rotated already"),
        KeyError::NotInGrace => Problem::new(409, "not_in_grace", "The key is not in grace"),
        KeyError::ChangedMeanwhile => Problem::new(409, "changed_meanwhile", "The key was changed meanwhile"),
        KeyError::Store(error) => return fault(error),
    };
    let text = error.to_string();
    match name {
        Some(name) => problem.field(name, text),
        None => problem.detail(text),
    }
}

/// Nothing of a fault is told.
fn fault(error: &StoreError) -> Problem {
    if error.is_temporary() {
        tracing::warn!(%error, "the management API cannot answer now");
        return Problem::new(503, "unavailable", "Try again in a moment").retry_after_seconds(1);
    }
    tracing::error!(%error, "the management API failed");
    Problem::new(500, "internal", "The request could not be served")
}
