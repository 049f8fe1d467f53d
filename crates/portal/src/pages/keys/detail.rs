//! `GET /keys/{id}`: the facts about a key, who calls with it, and how its rotation goes. `/keys/{id}/requests`: its log.

use std::num::NonZeroU64;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Query};
use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, Grace, KeyStatus};
use keyway_core::ids::ApiKeyId;
use keyway_core::usage::{Grain, Period};
use keyway_store::StoreError;
use keyway_store::tables::callers::Caller;
use keyway_store::tables::usage::{self, SPARK_DAYS, UsageFilter};
use keyway_store::tables::{api_keys, owners};
use serde::Serialize;

use super::settings::{Choice, choice};
use super::{KeyRow, display, handle, id, own_key, subject};
use crate::chart::Bars;
use crate::error::{FieldErrors, PageError};
use crate::extract::SignedIn;
use crate::flows::blast_radius;
use crate::pages::confirm::{BlastView, CallerView};
use crate::pages::requests::filters::Filters;
use crate::pages::requests::list;
use crate::pages::resources::{ScopeWords, in_words};
use crate::state::Portal;

#[derive(Serialize)]
struct Facts {
    #[serde(flatten)]
    row: KeyRow,
    enabled: bool,
    created_at: Timestamp,
    created_by: String,
    last_used_address: Option<String>,
    rate: Option<String>,
    quota_day: Option<NonZeroU64>,
    quota_month: Option<NonZeroU64>,
    addresses: Vec<String>,
    audiences: Vec<String>,
    note: Option<String>,
}

/// The old one of a pair of which both work.
#[derive(Serialize)]
struct Rotation {
    display: String,
    until: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<String>,
    /// Who has called with it since it was replaced.
    callers: Vec<CallerView>,
}

#[derive(Serialize)]
struct Successor {
    id: ApiKeyId,
    name: String,
}

#[derive(Serialize)]
struct Context {
    key: Facts,
    alive: bool,
    scopes: Vec<ScopeWords>,
    rotation: Option<Rotation>,
    successor: Option<Successor>,
    extend_choices: Vec<Choice>,
    blast: BlastView,
    /// The last 30 days; none where nothing was called.
    chart: Option<Bars>,
    errors: FieldErrors,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
) -> Result<HttpResponse, PageError> {
    page(&portal, &me, id(&path)?, FieldErrors::default()).await
}

/// The page; again with 422 if something on it was refused.
pub(super) async fn page(
    portal: &Portal,
    me: &SignedIn,
    id: ApiKeyId,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let (key, now) = (own_key(portal, me, id).await?, portal.now());
    let about = key.clone();
    let read = portal.store.read(move |conn| {
        let find = |conn: &mut _, id: Option<ApiKeyId>| id.map_or(Ok(None), |id| api_keys::find(conn, id));
        let old = find(conn, about.replaces)?.filter(|old| old.status(now) == KeyStatus::InGrace);
        let still = match &old {
            Some(old) => blast_radius::callers(conn, about.owner, &[old.id.entity()], about.created_at)?,
            None => Vec::new(),
        };
        let new = find(conn, about.replaced_by)?;
        let creator = owners::find(conn, about.creator)?;
        let entries = blast_radius::entries(conn, about.owner, &[handle(about.id)], now)?;
        let radius = blast_radius::of(conn, about.owner, &[handle(about.id)], now)?;
        let month = UsageFilter {
            credential: Some(about.id.entity()),
            ..UsageFilter::of(about.owner, Period::ending(now, Grain::Day, SPARK_DAYS))
        };
        let days = usage::series(conn, &month)?;
        let chart = days.iter().any(|day| day.total() > 0).then(|| Bars::of(month.period, &days));
        let blast = BlastView::of(&radius, &entries);
        Ok::<_, StoreError>((old.map(|old| (old, still)), new, creator, blast, chart))
    });
    let (old, new, creator, blast, chart) = read.await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let context = Context {
        alive: !matches!(key.status(now), KeyStatus::Revoked | KeyStatus::InGrace) && new.is_none(),
        scopes: in_words(portal.catalogue.apis(), &key.terms.scopes),
        extend_choices: old.as_ref().map_or(Vec::new(), |(old, _)| longer(old, &key, now)),
        rotation: old.map(|(old, still)| rotation(&old, &still)),
        successor: new.map(|new| Successor { id: new.id, name: new.name }),
        blast,
        chart,
        errors,
        key: facts(&key, creator.map(|owner| owner.name), now),
    };
    portal.page_with_status(status, me, "pages/keys/detail.html", context)
}

/// `GET /keys/{id}/requests`.
pub(super) async fn requests(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let here = format!("/keys/{}/requests", key.id);
    let about = Some(subject(&key, portal.now()));
    list::page(&portal, &me, filters.into_inner(), ("pages/keys/requests.html", &here), about).await
}

fn rotation(old: &ApiKey, still: &[Caller]) -> Rotation {
    Rotation {
        display: display(old),
        until: old.ends_at(),
        last_used_at: old.last_used_at,
        last_used_address: old.last_used_address.map(|address| address.to_string()),
        callers: still.iter().map(CallerView::of).collect(),
    }
}

fn facts(key: &ApiKey, creator: Option<String>, now: Timestamp) -> Facts {
    Facts {
        row: KeyRow::of(key, now),
        enabled: key.disabled_at.is_none(),
        created_at: key.created_at,
        created_by: creator.unwrap_or_else(|| "a deleted account".to_owned()),
        last_used_address: key.last_used_address.map(|a| a.to_string()),
        rate: key.terms.rate.map(|rate| rate.to_string()),
        quota_day: key.terms.quotas.day.calls(),
        quota_month: key.terms.quotas.month.calls(),
        addresses: key.terms.addresses.iter().map(ToString::to_string).collect(),
        audiences: key.terms.audiences.iter().map(ToString::to_string).collect(),
        note: (!key.note.is_empty()).then(|| key.note.clone()),
    }
}

/// The choices that would let the old key work longer than it does.
fn longer(old: &ApiKey, new: &ApiKey, now: Timestamp) -> Vec<Choice> {
    let later = |grace: &Grace| {
        let end = grace.end(new.created_at, old.terms.expires_at, now);
        old.ends_at().is_some_and(|current| end > current)
    };
    Grace::ALL.into_iter().filter(later).map(choice).collect()
}
