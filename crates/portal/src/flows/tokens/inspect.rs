//! What the server says of a JWT that somebody pastes: a guard's checks, as far as they do not depend on a call.

use keyway_core::Timestamp;
use keyway_core::facts::{Facts, State};
use keyway_core::jwt::JwtError;
use keyway_core::refusal::Check;
use keyway_core::secret::PlainSecret;
use keyway_store::Conn;
use keyway_store::tables::owners;

use super::live::signed;
use super::{Issuance, TokenError};
use crate::flows::explain::{Step, Went};

/// The checks in a guard's order. Each stands for itself: a token may be revoked and over as well. Nothing that follows
/// a bad signature can be told.
///
/// # Errors
/// When the database cannot answer, or the published keys cannot be read.
pub fn inspect(
    conn: &mut Conn,
    issuance: &Issuance,
    token: &PlainSecret,
    now: Timestamp,
) -> Result<Vec<Step>, TokenError> {
    let facts = match signed(conn, issuance, token)? {
        Ok(verified) => verified.facts,
        Err(error) => return Ok(unsound(error)),
    };
    let suspended = owners::find(conn, facts.owner)?.is_none_or(|owner| owner.suspended_at.is_some());
    Ok(Check::ALL.map(|check| sound(issuance, &facts, suspended, check, now)).into())
}

/// The first check that fails.
pub fn first_failed(steps: &[Step]) -> Option<&Step> {
    steps.iter().find(|step| step.went == Went::Failed)
}

fn unsound(error: JwtError) -> Vec<Step> {
    let (failed, text) = match error {
        JwtError::Malformed => (Check::Parsed, "It is no JWT, or lacks a claim that an access token has."),
        JwtError::WrongType => (Check::Parsed, "It is no access token: its typ is not at+jwt."),
        JwtError::UnknownKey => (Check::Signature, "No signing key of this portal has its kid."),
        JwtError::BadSignature => {
            (Check::Signature, "The signature does not fit: it was changed, or not made here.")
        }
        JwtError::WrongIssuer => (Check::IssuerAndAudience, "It is from another issuer."),
    };
    let step = |check: Check| match check {
        _ if check == failed => Step { check, went: Went::Failed, text: text.to_owned() },
        _ if check > failed => {
            Step { check, went: Went::NotReached, text: "This cannot be told.".to_owned() }
        }
        Check::Checksum | Check::Found => not_asked(check),
        _ => Step { check, went: Went::Passed, text: "As it has to be.".to_owned() },
    };
    Check::ALL.map(step).into()
}

fn not_asked(check: Check) -> Step {
    let text = match check {
        Check::Checksum => "JWTs have none.",
        Check::Found => "A JWT is not looked up: it says itself what it is.",
        _ => "It depends on the call.",
    };
    Step { check, went: Went::NotAsked, text: text.to_owned() }
}

fn sound(issuance: &Issuance, facts: &Facts, suspended: bool, check: Check, now: Timestamp) -> Step {
    let passed = |text: String| Step { check, went: Went::Passed, text };
    let failed = |text: String| Step { check, went: Went::Failed, text };
    let depends = |text: String| Step { check, went: Went::NotAsked, text };
    match check {
        Check::Checksum | Check::Found | Check::Limit => not_asked(check),
        Check::Parsed => passed("It is an access token.".to_owned()),
        Check::Signature => passed("A signing key of this portal made it.".to_owned()),
        Check::IssuerAndAudience => {
            let audience = facts.audiences.first().map(ToString::to_string).unwrap_or_default();
            let api = issuance.catalogue.find(&audience);
            match api {
                Some(api) => passed(format!("It was issued here, for {} alone.", api.name)),
                None => failed(format!("No API here has the audience {audience}.")),
            }
        }
        Check::Proof if facts.bound_to.is_some() => {
            depends("It is bound to a key: each call needs a proof of that key.".to_owned())
        }
        Check::Proof => passed("It is bound to no key.".to_owned()),
        Check::NotRevoked if facts.state == State::Revoked => {
            failed("It was revoked, or something that it was made from.".to_owned())
        }
        Check::NotRevoked => passed("Neither it nor what it was made from was taken back.".to_owned()),
        Check::Enabled if suspended => failed("Its owner is suspended or gone.".to_owned()),
        Check::Enabled => passed("Its owner is not suspended.".to_owned()),
        Check::InTime => match facts.expires_at {
            Some(end) if end <= now => failed(format!("It ended at {end}.")),
            _ if now < facts.not_before => failed(format!("It begins at {}.", facts.not_before)),
            Some(end) => passed(format!("It ends at {end}.")),
            None => passed("It does not end.".to_owned()),
        },
        Check::Address if facts.addresses.is_empty() => passed("It may be used from anywhere.".to_owned()),
        Check::Address => depends(format!("It may be used from {} alone.", facts.addresses)),
        Check::Scope => depends(format!("It depends on the route. It has {}.", facts.scopes)),
    }
}
