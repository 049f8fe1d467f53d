//! Taking credentials away, one or many, of whatever kind: one page that says what dies, one transaction.

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ledger::{Entry, Handle, Kind, Status};
use keyway_store::StoreError;
use serde::Deserialize;

use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::blast_radius::{self, BlastRadius};
use crate::flows::keys::{By, KeyError};
use crate::flows::ledger::{self, MAX_AT_ONCE};
use crate::pages::confirm::{BlastView, Confirm, Field};
use crate::render::FlashKind;
use crate::state::Portal;

/// The lists that this can be begun from: the first, unless another is named.
const LISTS: [&str; 2] = ["/credentials", "/keys"];

const TOO_MANY: PageError = PageError::BadRequest("At most 100 credentials can be revoked at once.");

fn list(from: &str) -> &'static str {
    LISTS.into_iter().find(|list| *list == from).unwrap_or("/credentials")
}

/// `GET /credentials/revoke?credential=…&credential=…&from=`.
pub(super) async fn confirm(
    portal: web::Data<Portal>,
    me: SignedIn,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let (mut handles, mut from) = (Vec::new(), LISTS[0]);
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "credential" => handles.push(value.parse().map_err(|_| PageError::NotFound)?),
            "from" => from = list(&value),
            _ => {}
        }
    }
    if handles.is_empty() {
        return none_ticked(&portal, &me, from);
    }
    let fields = vec![
        Field { name: "credential", value: joined(&handles) },
        Field { name: "from", value: from.to_owned() },
    ];
    let asked = confirmation(&portal, &me, &handles).await?;
    Confirm { action: "/credentials/revoke".to_owned(), cancel: from.to_owned(), fields, ..asked }
        .page(&portal, &me)
}

fn none_ticked(portal: &Portal, me: &SignedIn, from: &str) -> Result<HttpResponse, PageError> {
    portal.redirect_with_flash(me, from, FlashKind::Refused, "Tick the credentials to revoke first.")
}

fn joined(handles: &[Handle]) -> String {
    handles.iter().map(Handle::to_string).collect::<Vec<_>>().join(" ")
}

/// What is known of credentials of this person, and what stops with them; 404 if one of them is not theirs, or was
/// taken away already.
///
/// # Errors
/// So, or when the database is at fault.
pub async fn look_up(
    portal: &Portal,
    me: &SignedIn,
    handles: &[Handle],
) -> Result<(Vec<Entry>, BlastRadius), PageError> {
    let mut handles = handles.to_vec();
    handles.sort_unstable();
    handles.dedup();
    if handles.len() > MAX_AT_ONCE {
        return Err(TOO_MANY);
    }
    let (owner, now, asked) = (me.owner, portal.now(), handles.len());
    let read = portal.store.read(move |conn| {
        let entries = blast_radius::entries(conn, owner, &handles, now)?;
        Ok::<_, StoreError>((entries, blast_radius::of(conn, owner, &handles, now)?))
    });
    let (entries, radius) = read.await?;
    // What has merely expired can still be taken away.
    let gone = |entry: &Entry| matches!(entry.status, Status::Revoked | Status::Stolen);
    if entries.len() < asked || entries.iter().any(gone) {
        return Err(PageError::NotFound);
    }
    Ok((entries, radius))
}

/// What to ask before `handles` are taken away. Where the form is sent is the caller's to say.
///
/// # Errors
/// As [`look_up`].
pub async fn confirmation(portal: &Portal, me: &SignedIn, handles: &[Handle]) -> Result<Confirm, PageError> {
    let (entries, radius) = look_up(portal, me, handles).await?;
    let (title, lead, button) = words(&entries);
    let blast = Some(BlastView::of(&radius, &entries));
    Ok(Confirm { title, lead, dies: dies(&entries, &radius), blast, button, ..Confirm::default() })
}

fn words(entries: &[Entry]) -> (String, &'static str, &'static str) {
    let [entry] = entries else {
        let with_client = entries.iter().any(|entry| entry.handle.kind == Kind::Client);
        let lead = if with_client {
            "Their calls are refused within a second. This cannot be undone; your own apps stay, with their secrets, and can ask for new tokens."
        } else {
            "Their calls are refused within a second. This cannot be undone."
        };
        return (format!("Revoke {} credentials?", entries.len()), lead, "Revoke all of them");
    };
    let name = if entry.name.is_empty() { "this JWT".to_owned() } else { format!("“{}”", entry.name) };
    match entry.handle.kind {
        Kind::Key => (
            format!("Revoke {name}?"),
            "Its calls are refused within a second. This cannot be undone.",
            "Revoke key",
        ),
        Kind::Jwt => (
            format!("Revoke {name}?"),
            "Its tokens are refused within a second. This cannot be undone; mint another pair to go on.",
            "Revoke tokens",
        ),
        Kind::Grant => (
            format!("Revoke access of {name}?"),
            "Its tokens are refused on the next call. You can authorise it again.",
            "Revoke access",
        ),
        Kind::Client => (
            format!("Revoke all tokens of {name}?"),
            "Every user has to authorise the app again; the app itself stays, with its secrets, and can ask for new tokens.",
            "Revoke all tokens",
        ),
    }
}

/// What dies: several by their names, then what descends from them.
fn dies(entries: &[Entry], radius: &BlastRadius) -> Vec<String> {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let it = if entries.len() == 1 { "it" } else { "them" };
    let kind = |kind: Kind| entries.iter().any(|entry| entry.handle.kind == kind);
    let mut dies: Vec<String> = Vec::new();
    if entries.len() > 1 {
        dies.extend(entries.iter().map(|entry| {
            let name = if entry.name.is_empty() { "No name" } else { &entry.name };
            format!("{} “{name}”, {}", entry.handle.kind.label(), entry.display)
        }));
    }
    dies.extend(radius.keys.iter().map(|name| format!("The key “{name}”, which was made with {it}")));
    if radius.users > 0 || kind(Kind::Client) {
        dies.push(format!("The consent of {} user{}", radius.users, plural(radius.users)));
    }
    if kind(Kind::Grant) || kind(Kind::Client) {
        let families = radius.families;
        dies.push(format!(
            "{families} refresh token{} and the access tokens that came of {it}",
            plural(families)
        ));
    }
    if kind(Kind::Jwt) {
        dies.push("Refresh tokens, and every access token that came of them".to_owned());
    }
    if kind(Kind::Key) {
        dies.push(format!("Every access token that was exchanged from {it}"));
    }
    dies
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RevokeForm {
    /// With spaces between.
    credential: String,
    from: String,
}

pub(super) async fn revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<RevokeForm>,
) -> Result<HttpResponse, PageError> {
    let from = list(&form.from);
    let handles: Result<Vec<Handle>, _> = form.credential.split_ascii_whitespace().map(str::parse).collect();
    let handles = handles.map_err(|_| PageError::NotFound)?;
    if handles.is_empty() {
        return none_ticked(&portal, &me, from);
    }
    if handles.len() > MAX_AT_ONCE {
        return Err(TOO_MANY);
    }
    let (act, owner) = (me.act(&portal), me.owner);
    let clients_alone = handles.iter().all(|handle| handle.kind == Kind::Client);
    let by = By::Person { fresh: me.view.is_fresh(portal.now()) };
    let done = portal.store.write(move |tx| ledger::revoke(tx, &act, &by, owner, &handles)).await;
    match done {
        Ok(count) => {
            let text = match count {
                _ if clients_alone => {
                    "Its tokens have ended. The app itself stays, and can ask for new ones.".to_owned()
                }
                1 => "It is revoked: its calls are refused from now on.".to_owned(),
                _ => format!("{count} credentials are revoked: their calls are refused from now on."),
            };
            portal.redirect_with_flash(&me, from, FlashKind::Ok, text)
        }
        Err(KeyError::Store(error)) => Err(error.into()),
        Err(_) => Err(PageError::NotFound),
    }
}
