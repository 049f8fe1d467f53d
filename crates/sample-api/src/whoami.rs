//! What the guard knows of the caller.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use keyway_core::facts::{Method, Subject};
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::principal::CheckedBy;
use keyway_core::quota::Measure;
use keyway_core::rate::Rate;
use keyway_guard::actix::Principal;
use keyway_guard::limit::{Allowance, Left};
use serde::Serialize;

#[derive(Serialize)]
struct Whoami<'p> {
    method: Method,
    credential: EntityId,
    subject: String,
    owner: OwnerId,
    client: Option<String>,
    environment: Environment,
    scopes: Vec<&'p str>,
    expires_at: Option<String>,
    limits: Limits,
    checked_by: CheckedBy,
}

/// What is left of each limit; one that is lifted is absent.
#[derive(Serialize)]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<LimitLeft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_day: Option<QuotaLeft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_month: Option<QuotaLeft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<LimitLeft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_day: Option<QuotaLeft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_month: Option<QuotaLeft>,
}

#[derive(Serialize)]
struct LimitLeft {
    rate: Rate,
    remaining: u64,
    reset: u64,
}

#[derive(Serialize)]
struct QuotaLeft {
    quota: u64,
    remaining: u64,
    reset: u64,
}

impl Limits {
    fn of(allowance: &Allowance) -> Self {
        let rate = |limit: Option<(Rate, Left)>| {
            limit.map(|(rate, left)| LimitLeft { rate, remaining: left.calls, reset: left.full_in })
        };
        let quota = |limit: Option<(Measure, Left)>| {
            limit.map(|(measure, left)| QuotaLeft {
                quota: measure.most(),
                remaining: left.calls,
                reset: left.full_in,
            })
        };
        Self {
            credential: rate(allowance.own),
            credential_day: quota(allowance.own_quotas.day),
            credential_month: quota(allowance.own_quotas.month),
            owner: rate(allowance.shared),
            owner_day: quota(allowance.shared_quotas.day),
            owner_month: quota(allowance.shared_quotas.month),
        }
    }
}

pub(crate) async fn whoami(caller: Principal) -> HttpResponse {
    let subject = match caller.subject() {
        Subject::Owner(id) => id.to_string(),
        Subject::Client(id) => id.to_string(),
    };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Whoami {
        method: caller.method(),
        credential: caller.credential(),
        subject,
        owner: caller.owner(),
        client: caller.client().map(|id| id.to_string()),
        environment: caller.environment(),
        scopes: caller.scopes().iter().map(keyway_core::scope::Scope::as_str).collect(),
        expires_at: caller.expires_at().map(keyway_core::Timestamp::to_rfc3339),
        limits: Limits::of(caller.allowance()),
        checked_by: caller.checked_by(),
    })
}
