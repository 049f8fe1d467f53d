//! The middleware of a guarded scope: finds the caller, spends the limits, writes the call down.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use keyway_core::oauth::dpop::PROOF_HEADER;
use keyway_core::refusal::Refusal;
use smallvec::SmallVec;

use super::answer::{drain, finish, limit_headers, response};
use super::future::{Answering, Finish};
use super::request_ids::{name, named};
use super::routes::Routes;
use crate::check::Verdict;
use crate::extract::{RequestParts, client_address, is_dpop};
use crate::guard::{Arrival, Guard};
use crate::problem::Problem;
use crate::recorder::Call;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// In the extensions of an answer: why the call was refused after the guard had let it pass.
pub(super) struct Refused(pub(super) Refusal);

/// In the extensions of a request: what the guard made of it, and which guard.
pub(super) struct Checked {
    pub(super) verdict: Verdict,
    pub(super) guard: Guard,
    /// Whether its route has said what it needs.
    pub(super) declared: Cell<bool>,
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
        let (guard, routes) = (self.guard.clone(), Rc::default());
        ready(Ok(Protected { guard, routes, service: Rc::new(service) }))
    }
}

/// A protected service.
#[derive(Debug)]
pub struct Protected<S> {
    guard: Guard,
    routes: Rc<Routes>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answering<S::Future, UnderWay>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        // Whoever named the request puts the name on its answer.
        let before = named(&request);
        let arrival = before.unwrap_or_else(|| name(&request, &self.guard));
        let call = UnderWay { arrival, named: before.is_some(), routes: Rc::clone(&self.routes) };
        let verdict = self.guard.check_now(&parts(&request, &self.guard, arrival));
        let empty = matches!(request.parts().1, Payload::None);
        match verdict {
            Some(verdict) if verdict.refusal().is_none() => self.pass(request, verdict, call),
            Some(verdict) if empty => {
                Answering::here(call.refuse(request.into_parts().0, &verdict, &self.guard))
            }
            verdict => self.wait(request, verdict, call),
        }
    }
}

impl<S, B> Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    fn pass(
        &self,
        request: ServiceRequest,
        verdict: Verdict,
        call: UnderWay,
    ) -> Answering<S::Future, UnderWay> {
        let checked = Checked { verdict, guard: self.guard.clone(), declared: Cell::new(false) };
        request.extensions_mut().insert(checked);
        Answering::inner(self.service.call(request), call)
    }

    /// Looks the credential up, or reads the body of what is refused.
    fn wait(
        &self,
        mut request: ServiceRequest,
        verdict: Option<Verdict>,
        call: UnderWay,
    ) -> Answering<S::Future, UnderWay> {
        let guard = self.guard.clone();
        let this = Self { guard, routes: Rc::clone(&self.routes), service: Rc::clone(&self.service) };
        let answer = Box::pin(async move {
            let verdict = match verdict {
                Some(verdict) => verdict,
                None => this.guard.check(&parts(&request, &this.guard, call.arrival)).await,
            };
            if verdict.refusal().is_none() {
                return this.pass(request, verdict, call).await;
            }
            drain(request.take_payload()).await;
            Ok(call.refuse(request.into_parts().0, &verdict, &this.guard))
        });
        Answering::Elsewhere { answer }
    }
}

fn parts<'a>(request: &'a ServiceRequest, guard: &Guard, arrival: Arrival) -> RequestParts<'a> {
    let headers = request.headers();
    let trusted = &guard.settings().trusted_proxies;
    let forwarded: SmallVec<[&str; 2]> = if trusted.is_empty() {
        SmallVec::new()
    } else {
        headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect()
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
        api_key: headers.get_all(API_KEY).map(HeaderValue::as_bytes).collect(),
        query: request.query_string(),
        address: client_address(peer, forwarded.iter().copied(), trusted),
        request: arrival.request,
        arrived: arrival.moment,
    }
}

/// A refusal as an answer. Answers, never fails: a failing middleware loses headers and body of its answer.
pub(super) fn refusal_answer(refusal: &Refusal, guard: &Guard, arrival: Arrival) -> HttpResponse {
    response(Problem::of(refusal, guard.settings()).request(arrival.request))
}

/// A call that has been judged and not answered.
#[derive(Debug)]
pub struct UnderWay {
    arrival: Arrival,
    /// Whether an outer middleware names the answer.
    named: bool,
    routes: Rc<Routes>,
}

impl UnderWay {
    fn refuse(self, request: HttpRequest, verdict: &Verdict, guard: &Guard) -> ServiceResponse<BoxBody> {
        let answer = match verdict.refusal() {
            Some(refusal) => refusal_answer(refusal, guard, self.arrival),
            None => HttpResponse::InternalServerError().finish(),
        };
        let answer = self.close(&request, answer, verdict, guard);
        self.name(ServiceResponse::new(request, answer))
    }

    fn close(
        &self,
        request: &HttpRequest,
        mut answer: HttpResponse,
        verdict: &Verdict,
        guard: &Guard,
    ) -> HttpResponse {
        limit_headers(answer.headers_mut(), verdict);
        let extensions = answer.extensions();
        self.routes.with(request, |route| {
            let call = Call {
                method: request.method().as_str(),
                route,
                status: answer.status().as_u16(),
                refused: extensions.get::<Refused>().map(|refused| &refused.0),
                latency: guard.since(self.arrival.moment),
            };
            guard.record(verdict, &call, || request.headers().get(USER_AGENT)?.to_str().ok());
        });
        drop(extensions);
        answer
    }

    fn name(self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        // In the body of a problem it stands whoever named it.
        let done = self.named && answer.status().as_u16() < 400;
        if done { answer } else { finish(answer, self.arrival) }
    }
}

impl Finish for UnderWay {
    fn finish(self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let (request, answer) = answer.into_parts();
        let answer = {
            let extensions = request.extensions();
            match extensions.get::<Checked>() {
                Some(Checked { verdict, guard, declared }) => {
                    let known = declared.get() || answer.status().as_u16() >= 400;
                    let answer = if known { answer } else { undeclared(&request) };
                    self.close(&request, answer, verdict, guard)
                }
                // Whoever empties a request's extensions loses its verdict too.
                None => undeclared(&request),
            }
        };
        self.name(ServiceResponse::new(request, answer))
    }
}

fn undeclared(request: &HttpRequest) -> HttpResponse {
    tracing::error!(route = request.match_pattern(), "this route does not say which scopes it needs");
    response(Problem::new(500, "route_undeclared", "This route does not say which scopes it needs"))
}
