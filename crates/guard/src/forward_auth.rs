//! `/guard/check`: the guard for APIs in any language, asked by the proxy in front of them once a request.
//!
//! What is demanded stands in the query of the address that the proxy's own configuration names, and nowhere else:
//! `audience` and `scope` (several, separated by spaces; empty where any good credential will do) must be there,
//! `codes=nginx` answers with the codes that nginx passes on, `route` is what the call is written down as. The
//! credential comes as the client sent it; method, address and target come in `X-Forwarded-Method`, `-For` and `-Uri`.
//!
//! Every answer sets every header of [`HEADERS`], empty where there is nothing to say, so that none that a client
//! made up gets past a proxy that copies them.

mod admission;
#[cfg(test)]
#[cfg(not(feature = "shuttle"))]
mod tests;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::principal::Principal;
use keyway_core::record::MAX_ROUTE_LEN;
use keyway_core::refusal::Refusal;
use serde::Deserialize;
use smallvec::SmallVec;

use crate::actix::{limit_headers, response};
use crate::check::Verdict;
use crate::extract::{RequestParts, client_address};
use crate::guard::{Arrival, Guard};
use crate::problem::Problem;
use crate::recorder::Call;
use crate::text::Text;

use admission::Admission;
pub use admission::{ResourceServers, SECRET_HEADER};

/// What every answer tells the API behind the proxy.
pub const HEADERS: [&str; 11] = [
    "x-keyway-subject",
    "x-keyway-owner",
    "x-keyway-client",
    "x-keyway-credential",
    "x-keyway-method",
    "x-keyway-environment",
    "x-keyway-scopes",
    "x-keyway-expires",
    "x-keyway-request-id",
    "x-keyway-status",
    "x-keyway-code",
];

/// A guard for each API that proxies may ask about, and who may ask.
#[derive(Debug)]
pub struct ForwardAuth {
    guards: Vec<Guard>,
    admission: Admission,
}

impl ForwardAuth {
    /// For a listener that nobody but this machine can reach: whoever asks is answered.
    pub fn on_loopback(guards: Vec<Guard>) -> Self {
        Self { guards, admission: Admission::Everyone }
    }

    /// For any other listener: resource servers alone are answered, each for its own API.
    pub fn for_resource_servers(guards: Vec<Guard>, servers: std::sync::Arc<dyn ResourceServers>) -> Self {
        Self { guards, admission: Admission::resource_servers(servers) }
    }
}

/// The routes of the listener.
pub fn configure(config: &mut ServiceConfig, forward: web::Data<ForwardAuth>) {
    config.app_data(forward).route("/guard/check", web::to(check));
}

/// What the proxy's configuration demands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demand {
    audience: String,
    scope: String,
    #[serde(default)]
    codes: Codes,
    #[serde(default)]
    route: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Codes {
    #[default]
    Http,
    /// Its `auth_request` knows 401 and 403; anything else it takes for a failure of its own.
    Nginx,
}

async fn check(request: HttpRequest, forward: web::Data<ForwardAuth>) -> HttpResponse {
    let demand = match web::Query::<Demand>::from_query(request.query_string()) {
        Ok(demand) => demand.into_inner(),
        Err(error) => return misconfigured(&format!("The query of /guard/check: {error}.")),
    };
    if demand.route.len() > MAX_ROUTE_LEN {
        return misconfigured("The query of /guard/check: route is too long.");
    }
    let Some(guard) = forward.guards.iter().find(|g| g.settings().audience.as_str() == demand.audience)
    else {
        return misconfigured("The query of /guard/check: there is no API with this audience.");
    };
    let arrival = guard.arrive();
    if let Err(answer) = forward.admission.admit(&request, guard, arrival).await {
        return answer;
    }
    let verdict = guard.check(&parts(&request, guard, arrival)).await;
    let scopes: SmallVec<[&str; 4]> = demand.scope.split_ascii_whitespace().collect();
    let decision = verdict.require(&scopes);
    let status = decision.as_ref().map_or_else(Refusal::status, |()| 200);
    guard.record(
        &verdict,
        &Call {
            method: header(request.headers(), "x-forwarded-method").unwrap_or_default(),
            route: &demand.route,
            status,
            refused: decision.as_ref().err(),
            latency: guard.since(arrival.moment),
        },
        || header(request.headers(), "user-agent"),
    );
    let mut answer = match &decision {
        Ok(()) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish(),
        Err(refusal) => response(Problem::of(refusal, guard.settings()).request(arrival.request)),
    };
    tell(answer.headers_mut(), &verdict, decision.as_ref().err());
    if demand.codes == Codes::Nginx {
        *answer.status_mut() = for_nginx(answer.status());
    }
    answer
}

/// A route that demands nothing sensible lets nobody through, and says why to whoever reads the proxy's log.
fn misconfigured(detail: &str) -> HttpResponse {
    tracing::error!(detail, "a proxy asks what cannot be answered");
    let problem = Problem::new(500, "proxy_misconfigured", "The proxy asks what cannot be answered");
    nobody(response(problem.detail(detail.to_owned())))
}

/// Sets all headers, empty.
fn nobody(mut answer: HttpResponse) -> HttpResponse {
    for name in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(""));
    }
    answer
}

fn for_nginx(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::OK | StatusCode::UNAUTHORIZED => status,
        _ => StatusCode::FORBIDDEN,
    }
}

fn parts<'a>(request: &'a HttpRequest, guard: &Guard, arrival: Arrival) -> RequestParts<'a> {
    let headers = request.headers();
    let target = header(headers, "x-forwarded-uri").unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // The proxy is known by its address or its secret: what it says last is the peer that it saw.
    let hops = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let mut hops: SmallVec<[&str; 4]> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    let peer = match hops.pop() {
        Some(hop) => hop.parse().ok(),
        None => request.peer_addr().map(|peer| peer.ip()),
    };
    RequestParts {
        authorization: headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes).collect(),
        api_key: headers.get_all("x-api-key").map(HeaderValue::as_bytes).collect(),
        proofs: headers.get_all("dpop").map(HeaderValue::as_bytes).collect(),
        method: header(headers, "x-forwarded-method").unwrap_or_default(),
        path,
        query,
        address: client_address(peer, hops.iter().copied(), &guard.settings().trusted_proxies),
        request: arrival.request,
        arrived: arrival.moment,
    }
}

/// The one value of a header that the proxy sets.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Who calls, what is left of the limits, and why not.
fn tell(headers: &mut HeaderMap, verdict: &Verdict, refusal: Option<&Refusal>) {
    let who = verdict.decision().ok().filter(|_| refusal.is_none());
    for name in HEADERS {
        let value = match (name, who, refusal) {
            ("x-keyway-request-id", ..) => Text::of(verdict.request()),
            ("x-keyway-status", ..) => Text::of(refusal.map_or(200, Refusal::status)),
            ("x-keyway-code", _, Some(refusal)) => Text::of(refusal.code()),
            (_, Some(caller), _) => of_caller(name, caller),
            _ => Text::default(),
        };
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
        headers.insert(HeaderName::from_static(name), value);
    }
    if let Ok(value) = HeaderValue::from_bytes(Text::of(verdict.request()).as_bytes()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    limit_headers(headers, verdict);
}

fn of_caller(name: &str, caller: &Principal) -> Text {
    match name {
        "x-keyway-subject" => Text::of(caller.subject()),
        "x-keyway-owner" => Text::of(caller.owner()),
        "x-keyway-client" => caller.client().map(Text::of).unwrap_or_default(),
        "x-keyway-credential" => Text::of(caller.credential()),
        "x-keyway-method" => Text::of(caller.method().as_str()),
        "x-keyway-environment" => Text::of(caller.environment().as_str()),
        "x-keyway-scopes" => Text::of(caller.scopes()),
        "x-keyway-expires" => caller.expires_at().map(|at| Text::of(at.as_seconds())).unwrap_or_default(),
        _ => Text::default(),
    }
}
