//! `GET /tokens/{id}`: one family, who calls with it, and what was done to it.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::Timestamp;
use keyway_core::ids::FamilyId;
use keyway_core::ledger::{Handle, Kind};
use keyway_store::StoreError;
use keyway_store::tables::audit::{self, AuditFilter};
use keyway_store::tables::clients;
use keyway_store::tables::families::Family;
use serde::Serialize;

use super::list::status;
use super::own_family;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::blast_radius;
use crate::pages::confirm::BlastView;
use crate::pages::events::Event;
use crate::pages::resources::{ScopeWords, in_words};
use crate::state::Portal;

/// Rows of its history.
const EVENTS: u32 = 50;

#[derive(Serialize)]
struct Context {
    id: FamilyId,
    name: String,
    client: String,
    /// Whether an app holds it by the owner's consent.
    by_consent: bool,
    status: &'static str,
    living: bool,
    audience: String,
    environment: &'static str,
    scopes: Vec<ScopeWords>,
    access_seconds: i64,
    has_refresh: bool,
    bound: bool,
    created_at: Timestamp,
    last_refresh_at: Option<Timestamp>,
    address: Option<IpAddr>,
    ends_at: Timestamp,
    ends_at_latest: Timestamp,
    blast: BlastView,
    events: Vec<Event>,
}

/// What a family's calls are counted under: an app's under the consent, whichever family made them.
pub(super) fn counted(family: &Family) -> Handle {
    match family.grant {
        Some(grant) => Handle { kind: Kind::Grant, id: grant.entity() },
        None => Handle { kind: Kind::Jwt, id: family.id.entity() },
    }
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let family = own_family(&portal, me.owner, &id).await?;
    let (owner, now, handles) = (me.owner, portal.now(), [counted(&family)]);
    let (client, target) = (family.client, Some(family.id.to_string()));
    let read = portal.store.read(move |conn| {
        let filter = AuditFilter { target, ..AuditFilter::default() };
        let entries = blast_radius::entries(conn, owner, &handles, now)?;
        let radius = blast_radius::of(conn, owner, &handles, now)?;
        let client = clients::find(conn, client)?;
        Ok::<_, StoreError>((BlastView::of(&radius, &entries), client, audit::list(conn, &filter, EVENTS)?))
    });
    let (blast, client, events) = read.await?;
    let context = Context {
        id: family.id,
        client: client.map_or_else(|| "A deleted app".to_owned(), |client| client.name),
        by_consent: family.grant.is_some(),
        status: status(&family, now),
        living: family.is_living(now),
        audience: family.audience.to_string(),
        environment: family.environment.as_str(),
        scopes: in_words(portal.catalogue.apis(), &family.scopes),
        access_seconds: family.access_lifetime.as_seconds(),
        has_refresh: family.has_refresh,
        bound: family.bound_to.is_some(),
        created_at: family.created_at,
        last_refresh_at: family.last_refreshed_at,
        address: family.address,
        ends_at: family.ended_at.unwrap_or_else(|| family.idle_expires_at.min(family.expires_at)),
        ends_at_latest: family.expires_at,
        name: family.name,
        blast,
        events: events.into_iter().map(Event::of).collect(),
    };
    portal.page(&me, "pages/tokens/detail.html", context)
}
