//! What is the trouble with a credential, as pages say it, and the button that mends it.

use keyway_core::Timestamp;
use keyway_core::ledger::{Entry, Handle, Kind, Trouble};
use keyway_core::record::Outcome;
use serde::Serialize;

/// What is wrong, and the button that mends it.
#[derive(Serialize)]
pub struct TroubleView {
    what: &'static str,
    at: Option<Timestamp>,
    percent: u64,
    calls: u64,
    most: &'static str,
    label: &'static str,
    href: String,
    /// Whether the button changes something by itself.
    posts: bool,
}

impl TroubleView {
    /// Of a credential.
    pub fn of(entry: &Entry, trouble: Trouble) -> Self {
        let id = entry.handle.id;
        let view = |what, at, label, href| Self {
            what,
            at,
            label,
            href,
            percent: 0,
            calls: 0,
            most: "",
            posts: false,
        };
        match trouble {
            Trouble::Refused { percent, calls, most } => {
                let href = match entry.handle.kind {
                    Kind::Key => format!("/keys/{id}/requests?outcome=refused"),
                    _ => format!("/requests?credential={id}&outcome=refused"),
                };
                Self { percent, calls, most: refused_as(most), ..view("refused", None, "See refusals", href) }
            }
            Trouble::EndsSoon(at) if entry.handle.kind == Kind::Key => {
                view("expiring", Some(at), "Rotate key", format!("/keys/{id}/settings#rotate"))
            }
            Trouble::EndsSoon(at) => view("idle", Some(at), "Mint JWT", "/tokens".to_owned()),
            Trouble::InGrace(at) => {
                let href = entry.replaced_by.map_or(format!("/keys/{id}"), |new| format!("/keys/{new}"));
                view("grace", Some(at), "See who uses it", href)
            }
            Trouble::Disabled => {
                Self { posts: true, ..view("disabled", None, "Enable key", format!("/keys/{id}/enable")) }
            }
            Trouble::Unused(since) => {
                let what = if entry.last_used_at.is_some() { "unused" } else { "never" };
                // Ending a client's tokens would leave it as unused as before.
                if entry.handle.kind == Kind::Client {
                    return view(what, Some(since), "Open app", format!("/apps/{id}"));
                }
                view(what, Some(since), "Revoke", format!("/credentials/revoke?credential={}", entry.handle))
            }
        }
    }
}

/// The page of a credential.
pub fn page_of(handle: Handle) -> String {
    let id = handle.id;
    match handle.kind {
        Kind::Key => format!("/keys/{id}"),
        Kind::Jwt => format!("/tokens/{id}"),
        Kind::Grant => format!("/authorized#{id}"),
        Kind::Client => format!("/apps/{id}"),
    }
}

/// What people call it.
pub fn name_of(entry: &Entry) -> String {
    if entry.name.is_empty() { "No name".to_owned() } else { entry.name.clone() }
}

/// How calls were refused, in words.
const fn refused_as(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unauthenticated => "not accepted (401)",
        Outcome::Forbidden => "not allowed (403)",
        Outcome::Limited => "over the limit (429)",
        Outcome::Unavailable => "not checked (503)",
        Outcome::Ok | Outcome::Failed => "accepted",
    }
}
