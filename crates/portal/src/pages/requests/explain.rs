//! `GET /requests/{id}`: the checks of one request; `/requests/explain?id=` leads there from the form.

use actix_web::HttpResponse;
use actix_web::web::{self, Path, Query};
use keyway_core::Timestamp;
use keyway_core::ids::{ApiKeyId, RequestId};
use keyway_store::StoreError;
use keyway_store::tables::{api_keys, request_log};
use serde::{Deserialize, Serialize};

use super::{millis, outcome, short};
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::explain::{self, Went};
use crate::state::{Portal, see_other};

#[derive(Deserialize)]
pub(super) struct Pasted {
    #[serde(default)]
    id: String,
}

/// The form "Paste a request id". What is no id is no request of anybody's.
pub(super) async fn pasted(_me: SignedIn, query: Query<Pasted>) -> Result<HttpResponse, PageError> {
    let id: RequestId = query.id.trim().parse().map_err(|_| PageError::NotFound)?;
    Ok(see_other(&format!("/requests/{id}")))
}

#[derive(Serialize)]
struct Step {
    name: &'static str,
    state: &'static str,
    went: &'static str,
    text: String,
    failed: bool,
}

#[derive(Serialize)]
struct Button {
    label: &'static str,
    href: String,
}

#[derive(Serialize)]
struct Key {
    name: String,
    href: Option<String>,
}

#[derive(Serialize)]
struct Context {
    id: RequestId,
    at: Timestamp,
    method: String,
    route: String,
    audience: String,
    status: u16,
    code: Option<String>,
    state: &'static str,
    outcome: String,
    latency: String,
    address: Option<String>,
    user_agent: Option<String>,
    credential: Option<Key>,
    refused: bool,
    own: bool,
    steps: Vec<Step>,
    remedy: Option<&'static str>,
    button: Option<Button>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
) -> Result<HttpResponse, PageError> {
    let id: RequestId = path.parse().map_err(|_| PageError::NotFound)?;
    let read = portal.store.read(move |conn| {
        let Some(request) = request_log::find(conn, id)? else { return Ok(None) };
        let key = match request.credential {
            Some(id) => api_keys::find(conn, ApiKeyId::from_entity(id))?,
            None => None,
        };
        Ok::<_, StoreError>(Some((request, key)))
    });
    let (request, key) = read.await?.ok_or(PageError::NotFound)?;
    let own = request.owner == Some(me.owner);
    if !own && !me.is_admin {
        return Err(PageError::NotFound);
    }
    // Administrators see others' requests; what mends them is for those whose they are.
    let own_key = key.as_ref().filter(|key| own && key.owner == me.owner);
    let remedy = explain::remedy(&request, own_key);
    let (state, outcome) = outcome(&request);
    let steps = explain::steps(&request, key.is_some());
    let context = Context {
        credential: match (&key, request.credential) {
            (Some(key), _) => {
                Some(Key { name: key.name.clone(), href: own_key.map(|key| format!("/keys/{}", key.id)) })
            }
            (None, id) => id.map(|id| Key { name: short(id), href: None }),
        },
        remedy: remedy.as_ref().map(|remedy| remedy.text),
        button: remedy
            .and_then(|remedy| remedy.link)
            .filter(|_| own)
            .map(|(label, href)| Button { label, href }),
        latency: millis(&request),
        id: request.id,
        at: request.at,
        method: request.method,
        route: request.route,
        audience: request.audience,
        status: request.status,
        code: request.code,
        state,
        outcome,
        address: request.address.map(|address| address.to_string()),
        user_agent: request.user_agent,
        refused: request.failed.is_some(),
        own,
        steps: steps.into_iter().map(step).collect(),
    };
    portal.page(&me, "pages/requests/explain.html", context)
}

fn step(step: explain::Step) -> Step {
    let (state, went) = match step.went {
        Went::Passed => ("ok", "Passed"),
        Went::Failed => ("refused", "Failed"),
        Went::NotReached => ("off", "Not reached"),
        Went::NotAsked => ("off", "Not asked"),
    };
    Step { name: explain::name(step.check), state, went, text: step.text, failed: step.went == Went::Failed }
}
