//! Calls from the portal's pages (the Fetch standard's CORS protocol): answers preflights for exactly one origin, and
//! lets its scripts read the limit headers.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use actix_web::{Error, HttpResponse};

use super::future::{Answering, Finish};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const SENT: HeaderValue =
    HeaderValue::from_static("Authorization, DPoP, X-API-Key, Content-Type, If-Match, If-None-Match");
const READ: HeaderValue = HeaderValue::from_static(
    "RateLimit-Policy, RateLimit, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
     WWW-Authenticate, X-Request-Id, ETag, Location",
);
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Lets pages of one origin call the API: see [`cors`].
#[derive(Clone, Debug)]
pub struct Cors {
    origin: Rc<str>,
}

/// Lets pages of one origin call the API: scheme, host and port as a browser sends them. Credentials are headers that
/// the page sets itself; cookies play no part.
pub fn cors(origin: &str) -> Cors {
    Cors { origin: origin.into() }
}

impl<S, B> Transform<S, ServiceRequest> for Cors
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Shared<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Shared { origin: Rc::clone(&self.origin), service }))
    }
}

/// A service that pages of one origin may call.
#[derive(Debug)]
pub struct Shared<S> {
    origin: Rc<str>,
    service: S,
}

impl<S, B> Service<ServiceRequest> for Shared<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answering<S::Future, Allow>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let headers = request.headers();
        let ours = headers.get(ORIGIN).filter(|sent| sent.as_bytes() == self.origin.as_bytes()).cloned();
        let preflight = ours.is_some()
            && request.method() == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !preflight {
            return Answering::inner(self.service.call(request), Allow(ours));
        }
        let answer = HttpResponse::NoContent()
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, SENT))
            .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
            .finish();
        Answering::here(Allow(ours).finish(request.into_response(answer)))
    }
}

/// The origin of a page that may read the answer, if one asks.
#[derive(Debug)]
pub struct Allow(Option<HeaderValue>);

impl Finish for Allow {
    fn finish(self, mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let headers = answer.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.0 {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
        answer
    }
}
