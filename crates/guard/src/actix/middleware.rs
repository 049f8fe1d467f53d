//! The middleware of a guarded scope: finds the caller, spends the limits, writes the call down.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::{Error, HttpMessage as _};
use keyway_core::oauth::dpop::PROOF_HEADER;
use keyway_core::refusal::Refusal;
use smallvec::SmallVec;

use super::answer::{drain, finish, limit_headers, response};
use super::request_ids::{name, named};
use super::scopes::Declared;
use crate::check::Verdict;
use crate::extract::{RequestParts, client_address, is_dpop};
use crate::guard::{Arrival, Guard};
use crate::problem::Problem;
use crate::recorder::Call;

/// In the extensions of an answer: why the call was refused.
pub(super) struct Refused(pub(super) Refusal);

/// In the extensions of a request: what the guard made of it, and which guard.
pub(super) struct Checked {
    pub(super) verdict: Rc<Verdict>,
    pub(super) guard: Guard,
}

/// The middleware: see [`Guard::middleware`].
#[derive(Clone, Debug)]
pub struct Protect {
    guard: Guard,
}

impl Guard {
    /// Protects a scope: whatever lies in it is reached with a good credential only. What a route needs is said
    /// beside it: [`scopes`](super::scopes()) or [`any_credential`](super::any_credential()).
    pub fn middleware(&self) -> Protect {
        Protect { guard: self.clone() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected { guard: self.guard.clone(), service: Rc::new(service) }))
    }
}

/// A protected service.
#[derive(Debug)]
pub struct Protected<S> {
    guard: Guard,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let guard = self.guard.clone();
        let service = Rc::clone(&self.service);
        Box::pin(async move {
            // Whoever named the request puts the name on its answer.
            let before = named(&request);
            let arrival = before.unwrap_or_else(|| name(&request, &guard));
            let verdict = Rc::new(guard.check(&parts(&request, &guard, arrival)).await);
            let answer = match verdict.refusal() {
                Some(refusal) => refuse(request, refusal, &guard).await,
                None => pass(request, &verdict, &guard, &*service).await?,
            };
            let answer = close(answer, &verdict, &guard, arrival);
            // In the body of a problem it stands whoever named it.
            let done = before.is_some() && answer.status().as_u16() < 400;
            Ok(if done { answer } else { finish(answer, arrival) })
        })
    }
}

fn parts<'a>(request: &'a ServiceRequest, guard: &Guard, arrival: Arrival) -> RequestParts<'a> {
    let headers = request.headers();
    let trusted = &guard.settings().trusted_proxies;
    let forwarded: SmallVec<[&str; 2]> = if trusted.is_empty() {
        SmallVec::new()
    } else {
        headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect()
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    let authorization: SmallVec<[&[u8]; 2]> =
        headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes).collect();
    let proofs = if authorization.iter().any(|value| is_dpop(value)) {
        headers.get_all(PROOF_HEADER).map(HeaderValue::as_bytes).collect()
    } else {
        SmallVec::new()
    };
    RequestParts {
        authorization,
        proofs,
        method: request.method().as_str(),
        path: request.uri().path(),
        api_key: headers.get_all("x-api-key").map(HeaderValue::as_bytes).collect(),
        query: request.query_string(),
        address: client_address(peer, forwarded.iter().copied(), trusted),
        request: arrival.request,
        arrived: arrival.moment,
    }
}

/// Answers, never fails: a failing middleware loses headers and body of its answer.
pub(super) async fn refuse(
    mut request: ServiceRequest,
    refusal: &Refusal,
    guard: &Guard,
) -> ServiceResponse<BoxBody> {
    drain(request.take_payload()).await;
    let mut answer = response(Problem::of(refusal, guard.settings()));
    answer.extensions_mut().insert(Refused(refusal.clone()));
    request.into_response(answer)
}

async fn pass<S, B>(
    request: ServiceRequest,
    verdict: &Rc<Verdict>,
    guard: &Guard,
    service: &S,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    request.extensions_mut().insert(Checked { verdict: Rc::clone(verdict), guard: guard.clone() });
    let answer = service.call(request).await?.map_into_boxed_body();
    let declared = answer.request().extensions().contains::<Declared>();
    if declared || answer.status().as_u16() >= 400 {
        return Ok(answer);
    }
    tracing::error!(
        route = answer.request().match_pattern(),
        "this route does not say which scopes it needs"
    );
    let problem = Problem::new(500, "route_undeclared", "This route does not say which scopes it needs");
    let (request, _) = answer.into_parts();
    Ok(ServiceResponse::new(request, response(problem)))
}

fn close(
    mut answer: ServiceResponse<BoxBody>,
    verdict: &Verdict,
    guard: &Guard,
    arrival: Arrival,
) -> ServiceResponse<BoxBody> {
    if let Some(allowance) = verdict.allowance() {
        limit_headers(answer.headers_mut(), allowance);
    }
    {
        let extensions = answer.response().extensions();
        let route = answer.request().match_pattern();
        guard.record(
            verdict,
            &Call {
                method: answer.request().method().as_str(),
                route: route.as_deref().unwrap_or_default(),
                status: answer.status().as_u16(),
                refused: extensions.get::<Refused>().map(|refused| &refused.0),
                latency: guard.since(arrival.moment),
            },
        );
    }
    answer
}
