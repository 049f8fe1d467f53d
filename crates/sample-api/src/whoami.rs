//! What the guard knows of the caller.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use keyway_core::Timestamp;
use keyway_core::facts::Subject;
use keyway_core::ids::ClientId;
use keyway_core::quota::Measure;
use keyway_core::rate::Rate;
use keyway_core::scope::Scope;
use keyway_guard::actix::Principal;
use keyway_guard::limit::{Allowance, Left, QuotasLeft};

use crate::json::Object;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Room for what is nearly always said.
const ROOM: usize = 640;

pub(crate) async fn whoami(caller: Principal) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, JSON))
        .insert_header((CACHE_CONTROL, NO_STORE))
        .body(document(&caller))
}

fn document(caller: &Principal) -> String {
    let mut object = Object::with_capacity(ROOM);
    object.plain("method", caller.method().as_str());
    object.id("credential", caller.credential());
    match caller.subject() {
        Subject::Owner(id) => object.id("subject", id.entity()),
        Subject::Client(id) => client(&mut object, "subject", Some(id)),
    }
    object.id("owner", caller.owner().entity());
    client(&mut object, "client", caller.client());
    object.plain("environment", caller.environment().as_str());
    // RFC 6749 §3.3: a scope has neither quotes nor backslashes.
    object.list("scopes", caller.scopes().iter().map(Scope::as_str));
    object.plain_or_null("expires_at", caller.expires_at().map(Timestamp::to_rfc3339).as_deref());
    object.object("limits", |limits| all(limits, caller.allowance()));
    object.plain("checked_by", caller.checked_by().as_str());
    object.finish()
}

fn client(object: &mut Object, name: &'static str, id: Option<ClientId>) {
    match id {
        // Its name is no id.
        Some(ClientId::CLI) => object.shown(name, ClientId::CLI),
        Some(id) => object.id(name, id.entity()),
        None => object.plain_or_null(name, None),
    }
}

/// What is left of each limit; one that is lifted is absent.
fn all(limits: &mut Object, allowance: &Allowance) {
    rate(limits, "credential", allowance.own);
    quotas(limits, ["credential_day", "credential_month"], allowance.own_quotas);
    rate(limits, "owner", allowance.shared);
    quotas(limits, ["owner_day", "owner_month"], allowance.shared_quotas);
}

fn rate(limits: &mut Object, name: &'static str, limit: Option<(Rate, Left)>) {
    let Some((rate, left)) = limit else { return };
    limits.object(name, |limit| {
        limit.shown("rate", rate);
        what_is_left(limit, left);
    });
}

fn quotas(limits: &mut Object, [day, month]: [&'static str; 2], left: QuotasLeft) {
    let mut quota = |name, limit: Option<(Measure, Left)>| {
        let Some((measure, left)) = limit else { return };
        limits.object(name, |limit| {
            limit.number("quota", measure.most());
            what_is_left(limit, left);
        });
    };
    quota(day, left.day);
    quota(month, left.month);
}

fn what_is_left(limit: &mut Object, left: Left) {
    limit.number("remaining", left.calls);
    limit.number("reset", left.full_in);
}
