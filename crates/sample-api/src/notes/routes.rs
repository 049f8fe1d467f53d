//! The notes' routes. The first line of each says whose notes: nobody else's are ever seen.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, LOCATION};
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::EntityId;
use keyway_guard::actix::Principal;
use keyway_guard::problem::Problem;
use serde::Serialize;

use super::{Draft, Note, NotesError, Shelf};
use crate::SampleApi;
use crate::page::{Condition, Page, if_match, is_known};

#[derive(Serialize)]
struct Listing {
    notes: Vec<Note>,
    /// The `after` of the next page; `null` on the last.
    next: Option<String>,
}

pub(crate) async fn list(
    api: Data<SampleApi>,
    caller: Principal,
    page: Query<Page>,
) -> Result<HttpResponse, Problem> {
    let shelf = shelf(&caller);
    let out_of_range =
        || Problem::new(400, "invalid_request", "The limit is out of range").field("limit", "From 1 to 100.");
    let limit = page.limit().ok_or_else(out_of_range)?;
    let after = page.after().map(|after| {
        let unknown = || {
            Problem::new(400, "invalid_request", "The cursor is not one of ours")
                .field("after", "The `next` of the page before.")
        };
        after.parse::<EntityId>().map_err(|_| unknown())
    });
    let after = after.transpose()?.map(|id| id.to_string());
    // One more than asked for tells whether there is a next page.
    let mut notes = api.notes.list(shelf, after, limit + 1).await?;
    let more = notes.len() > limit as usize;
    notes.truncate(limit as usize);
    let next = notes.last().filter(|_| more).map(|note| note.id.clone());
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Listing { notes, next }))
}

pub(crate) async fn create(
    api: Data<SampleApi>,
    caller: Principal,
    draft: Json<Draft>,
) -> Result<HttpResponse, Problem> {
    let shelf = shelf(&caller);
    let draft = checked(draft)?;
    let now = api.clock.now();
    let id = EntityId::new(now, &*api.random).to_string();
    let note = api.notes.insert(shelf, id, draft, now).await?;
    let location = format!("/v1/notes/{}", note.id);
    let mut answer = shown(&note, StatusCode::CREATED);
    if let Ok(value) = location.try_into() {
        answer.headers_mut().insert(LOCATION, value);
    }
    Ok(answer)
}

pub(crate) async fn read(
    api: Data<SampleApi>,
    caller: Principal,
    id: Path<EntityId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let note = find(&api, &caller, *id).await?;
    if is_known(&request, &note.tag()) {
        let unchanged = HttpResponse::NotModified().insert_header((ETAG, note.tag())).finish();
        return Ok(unchanged);
    }
    Ok(shown(&note, StatusCode::OK))
}

pub(crate) async fn replace(
    api: Data<SampleApi>,
    caller: Principal,
    id: Path<EntityId>,
    draft: Json<Draft>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let note = find(&api, &caller, *id).await?;
    let draft = checked(draft)?;
    unless_changed(&request, &note)?;
    let updated = api.notes.update(shelf(&caller), note, draft, api.clock.now()).await?;
    updated.map(|note| shown(&note, StatusCode::OK)).ok_or_else(changed)
}

pub(crate) async fn delete(
    api: Data<SampleApi>,
    caller: Principal,
    id: Path<EntityId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let note = find(&api, &caller, *id).await?;
    unless_changed(&request, &note)?;
    if api.notes.delete(note).await? { Ok(HttpResponse::NoContent().finish()) } else { Err(changed()) }
}

/// Notes belong to who acts, not to the credential: a new key sees what the old one wrote.
fn shelf(caller: &Principal) -> Shelf {
    Shelf { subject: caller.subject(), environment: caller.environment() }
}

/// The caller's own note; somebody else's is as good as none.
async fn find(api: &SampleApi, caller: &Principal, id: EntityId) -> Result<Note, Problem> {
    let found = api.notes.find(shelf(caller), id.to_string()).await?;
    found.ok_or_else(|| Problem::new(404, "not_found", "There is no such note"))
}

fn checked(Json(draft): Json<Draft>) -> Result<Draft, Problem> {
    let faults = draft.faults();
    if faults.is_empty() {
        return Ok(draft);
    }
    let problem = Problem::new(422, "invalid_note", "The note cannot be kept like this");
    Err(faults.into_iter().fold(problem, |problem, (field, message)| problem.field(field, message)))
}

fn unless_changed(request: &HttpRequest, note: &Note) -> Result<(), Problem> {
    match if_match(request, &note.tag()) {
        Condition::None | Condition::Holds => Ok(()),
        Condition::Fails => Err(changed()),
    }
}

/// RFC 9110 §15.5.13.
fn changed() -> Problem {
    Problem::new(412, "changed_meanwhile", "The note has changed in the meantime")
        .remedy("Read it again, and repeat the change with its new ETag.")
}

fn shown(note: &Note, status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((ETAG, note.tag()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(note)
}

/// Nothing of the database's own words goes out.
impl From<NotesError> for Problem {
    fn from(error: NotesError) -> Self {
        match error {
            NotesError::TooMany => Self::new(409, "too_many_notes", "There are too many notes")
                .detail(format!("A subject keeps at most {} notes.", super::MAX_NOTES)),
            NotesError::Unavailable(_) => {
                tracing::warn!(%error, "the notes are not available");
                Self::new(503, "unavailable", "The notes are not available right now").retry_after_seconds(1)
            }
            NotesError::Statement(_) => {
                tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the notes failed");
                Self::new(500, "internal_error", "The call could not be served")
            }
        }
    }
}
