//! Problems as responses, and what every response gets.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use futures_util::StreamExt as _;
use keyway_core::ids::EntityId;

use crate::check::Verdict;
use crate::guard::Arrival;
use crate::problem::{self, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The most that is read of the body of a refused request, so that its connection can be used again.
const MAX_DRAIN: usize = 64 * 1024;
/// Headers that an answer is given room for.
const ROOM: usize = 12;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status(), self.code())
    }
}

/// A handler may answer a [`Problem`] as its error; the middleware adds the request's id.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    fn error_response(&self) -> HttpResponse {
        response(self.clone())
    }
}

/// The problem as a response. One that has no request yet gets it from the middleware: see [`finish`].
pub(crate) fn response(problem: Problem) -> HttpResponse {
    let mut answer = HttpResponse::build(problem.status_code());
    answer.insert_header((CONTENT_TYPE, problem::CONTENT_TYPE)).insert_header((CACHE_CONTROL, "no-store"));
    for challenge in problem.challenges() {
        answer.append_header((WWW_AUTHENTICATE, challenge.as_str()));
    }
    if let Some(seconds) = problem.retry_after() {
        answer.insert_header((RETRY_AFTER, seconds));
    }
    let mut answer = answer.body(problem.to_json());
    if !problem.has_request() {
        answer.extensions_mut().insert(problem);
    }
    answer
}

/// Puts the request's id into the headers, and into the body of a problem that does not have it yet.
pub(super) fn finish(mut answer: ServiceResponse<BoxBody>, arrival: Arrival) -> ServiceResponse<BoxBody> {
    if answer.status().as_u16() >= 400 {
        let unnamed = answer.response_mut().extensions_mut().remove::<Problem>();
        if let Some(problem) = unnamed {
            let body = problem.request(arrival.request).to_json();
            answer = answer.map_body(|_, _| BoxBody::new(body));
        }
    }
    let id = arrival.request.entity();
    if let Ok(value) = HeaderValue::from_str(id.encode(&mut EntityId::buffer())) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    answer
}

/// Adds the limit headers, where the call got as far as the limits.
pub(crate) fn limit_headers(headers: &mut HeaderMap, verdict: &Verdict) {
    let Some((policy, values)) = verdict.limits() else { return };
    // For these, the request's id and a few of the handler's own at once.
    headers.reserve(ROOM);
    headers.insert(POLICY, policy.header());
    // One piece of the heap for the four of them.
    let text = Bytes::copy_from_slice(values.text());
    for (name, span) in [
        (STATE, values.state()),
        (LIMIT, values.limit()),
        (REMAINING, values.remaining()),
        (RESET, values.reset()),
    ] {
        if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(span)) {
            headers.insert(name, value);
        }
    }
}

/// Reads what is left of a refused request's body, within bounds; beyond them the connection is given up.
pub(super) async fn drain(mut payload: Payload) {
    let read = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            seen += chunk.len();
            if seen > MAX_DRAIN {
                break;
            }
        }
    };
    // Whether it was read to its end or not: the answer goes out now.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}
