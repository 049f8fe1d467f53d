//! Why a request was refused: the guard's checks in their order, the first that failed, and what mends it.

use keyway_core::api_key::ApiKey;
use keyway_core::refusal::Check;
use keyway_store::tables::request_log::LoggedRequest;

/// How one check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// The call passed it.
    Passed,
    /// The call was refused here.
    Failed,
    /// The call was refused before.
    NotReached,
    /// Credentials of this kind have nothing that it could look at.
    NotAsked,
}

/// One check in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub check: Check,
    /// How it went.
    pub went: Went,
    /// What it asks, or what was wrong.
    pub text: String,
}

/// The checks of a request, in order. `is_key`: its credential is an API key, which is neither signed nor bound to a
/// proof.
pub fn steps(request: &LoggedRequest, is_key: bool) -> Vec<Step> {
    let step = |check: Check| {
        let went = match request.failed {
            Some(failed) if check == failed => Went::Failed,
            Some(failed) if check > failed => Went::NotReached,
            _ if is_key && matches!(check, Check::Signature | Check::Proof) => Went::NotAsked,
            _ => Went::Passed,
        };
        let text = match went {
            Went::Failed => wrong(request, check),
            Went::NotAsked => "API keys have none.".to_owned(),
            Went::Passed | Went::NotReached => asks(check).to_owned(),
        };
        Step { check, went, text }
    };
    Check::ALL.map(step).into()
}

/// The name of a check in people's words.
pub const fn name(check: Check) -> &'static str {
    match check {
        Check::Parsed => "One credential",
        Check::Checksum => "Checksum",
        Check::Found => "Known",
        Check::Signature => "Signature",
        Check::IssuerAndAudience => "Issuer and API",
        Check::Proof => "Proof of possession",
        Check::NotRevoked => "Not revoked",
        Check::Enabled => "Enabled",
        Check::InTime => "In time",
        Check::Address => "Address",
        Check::Limit => "Limit",
        Check::Scope => "Scope",
    }
}

const fn asks(check: Check) -> &'static str {
    match check {
        Check::Parsed => "The call carries exactly one credential, in a header where one may be.",
        Check::Checksum => "A key or an opaque token is complete and not mistyped.",
        Check::Found => "The credential is known here.",
        Check::Signature => "A JWT is signed by a key of its issuer.",
        Check::IssuerAndAudience => "It was issued here, or by a trusted issuer, and for this API.",
        Check::Proof => "A token that is bound to a key comes with a proof of that key.",
        Check::NotRevoked => "Neither it nor what it was made from was taken back.",
        Check::Enabled => "Neither it nor its owner is switched off.",
        Check::InTime => "It has begun and has not ended.",
        Check::Address => "It may be used from the address of the call.",
        Check::Limit => "There was something left of its limits and quotas.",
        Check::Scope => "It has every scope that the route needs.",
    }
}

/// What was wrong. An unknown code comes from a newer guard: then the check alone speaks.
fn wrong(request: &LoggedRequest, check: Check) -> String {
    let lacked = request.lacked.as_ref();
    match (check, request.code.as_deref().unwrap_or_default()) {
        (_, "missing_credential") => "The call carried no credential.".into(),
        (_, "several_credentials") => "The call carried more than one credential.".into(),
        (_, "credential_in_query") => "A credential stood in the query string, where logs keep it.".into(),
        (_, "unsupported_scheme") => {
            "Its Authorization header had neither the scheme Bearer nor DPoP.".into()
        }
        (_, "cannot_tell") => {
            "It could not be looked up at that moment. This says nothing about the credential.".into()
        }
        (_, "wrong_audience") => format!("It is for another API than {}.", request.audience),
        (_, "proof_required") => "It is bound to a key, and came without a proof of that key.".into(),
        (_, "not_bound") => "It came with the scheme DPoP, and is bound to no key.".into(),
        (_, "owner_suspended") => "Its owner is suspended.".into(),
        (_, "not_yet_valid") => "Its time had not begun.".into(),
        (Check::Limit, code) => match lacked {
            Some(lacked) => {
                let whose = match (&*lacked.missing, code) {
                    ("own", "quota_exceeded") => "its own quota",
                    ("own", _) => "its own limit",
                    ("shared", "quota_exceeded") => "the quota that all credentials of its owner share",
                    ("shared", _) => "the limit that all credentials of its owner share",
                    _ => "the limit on unknown credentials from this address",
                };
                format!("Nothing was left of {whose}: {}.", lacked.needed)
            }
            None => "Nothing was left of a limit or quota.".into(),
        },
        (Check::Scope, _) => match lacked {
            Some(lacked) => {
                format!("The route needs {}; the credential lacks {}.", lacked.needed, lacked.missing)
            }
            None => "It lacks a scope that the route needs.".into(),
        },
        (Check::Parsed, _) => "What was sent does not have the form of a credential for this API.".into(),
        (Check::Checksum, _) => "Its checksum does not fit: it was cut off or mistyped.".into(),
        (Check::Found, _) => "No such credential is known here.".into(),
        (Check::Signature, _) => "It is not signed by a key of its issuer.".into(),
        (Check::IssuerAndAudience, _) => "It is from another issuer.".into(),
        (Check::Proof, _) => "The proof of its key is missing or wrong, or was used before.".into(),
        (Check::NotRevoked, _) => "It, or something it was made from, was revoked.".into(),
        (Check::Enabled, _) => "It, or something it was made from, is switched off.".into(),
        (Check::InTime, _) => "Its time is over.".into(),
        (Check::Address, _) => match request.address {
            Some(address) => format!("Its list of networks does not contain {address}."),
            None => "Its list of networks does not contain the address of the call.".into(),
        },
    }
}

/// What mends a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to do, in a sentence.
    pub text: &'static str,
    /// The button's words and where it leads; nothing is changed by following it.
    pub link: Option<(&'static str, String)>,
}

/// What mends it, where something does. `key` is the reader's own key that the call was made with.
pub fn remedy(request: &LoggedRequest, key: Option<&ApiKey>) -> Option<Remedy> {
    let check = request.failed?;
    let told = |text| Some(Remedy { text, link: None });
    let link = |text, label, to: String| Some(Remedy { text, link: Some((label, to)) });
    match request.code.as_deref().unwrap_or_default() {
        "owner_suspended" => return told("Ask an administrator: nothing of a suspended owner works."),
        "cannot_tell" => return told("Call again: it was a matter of a moment."),
        "not_yet_valid" => return told("Wait until it begins, or check the clocks."),
        "not_bound" => return told("Send it as Authorization: Bearer."),
        _ => {}
    }
    // What is revoked cannot be edited: whatever was wrong first, a new key is the way on.
    let living = key.filter(|key| key.revoked_at.is_none());
    let edit = |more: &str| living.map(|key| format!("/keys/{}/edit{more}", key.id));
    let new = |text| match (key, request.credential) {
        (Some(key), _) => link(text, "Create key like it", like(key)),
        (None, Some(_)) => link(text, "Create tokens", "/tokens".into()),
        (None, None) => link(text, "Create key", "/keys/new".into()),
    };
    match check {
        Check::Parsed => {
            told("Send exactly one credential in the Authorization header, or a key as X-API-Key.")
        }
        Check::Checksum => new("Copy it again, whole; if it is lost, create a new one."),
        Check::Found | Check::Signature => new("Check which credential was sent, or create a new one."),
        Check::IssuerAndAudience => new("Use a credential for this API."),
        Check::Proof => {
            told("Make a proof for each request: its method, its URL, the hash of the token, and a new jti.")
        }
        Check::NotRevoked => new("Create a new one: what is revoked does not come back."),
        Check::Enabled => match living {
            Some(key) => link("Enable it again.", "Open key", format!("/keys/{}", key.id)),
            None => new("Enable what it was made from, or create a new one."),
        },
        Check::InTime => match edit("?renew=yes#expiry") {
            Some(to) => link("Give it a later end, or use its successor.", "Renew key", to),
            None => new("Refresh it, or create a new one."),
        },
        Check::Address => match edit("#addresses") {
            Some(to) => link("Call from an allowed network, or add this one.", "Edit addresses", to),
            None => {
                told("Call from an allowed network, or add this one to the list of the key it was made from.")
            }
        },
        Check::Limit => match (edit("#rate"), request.lacked.as_ref().map(|lacked| &*lacked.missing)) {
            (Some(to), Some("own")) => {
                link("Call less often, or give the key a higher limit.", "Edit limit", to)
            }
            _ => told("Call less often, or ask an administrator for a higher limit."),
        },
        Check::Scope => {
            let missing = request.lacked.as_ref().map(|lacked| &*lacked.missing).unwrap_or_default();
            match edit(&format!("?{}#scope", pairs(&[("scope", missing)]))) {
                Some(to) => link("Tick the missing scope in the key's form, and save.", "Add scope", to),
                None => new("Use a credential that has the scope."),
            }
        }
    }
}

/// The form of a new key, filled in as `key` was.
fn like(key: &ApiKey) -> String {
    let (scopes, environment) = (key.terms.scopes.to_string(), key.terms.environment.as_str());
    let filled = [("name", key.name.as_str()), ("environment", environment), ("scope", scopes.as_str())];
    format!("/keys/new?{}", pairs(&filled))
}

fn pairs(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
