//! An id for every request, in every answer.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _, HttpRequest};
use keyway_core::ids::RequestId;

use super::answer::finish;
use super::future::{Answering, Finish};
use crate::guard::{Arrival, Guard};

/// Gives each request its id and sends it back as `X-Request-Id`. For the whole application, so that open routes
/// and errors have one too; the guard's middleware then uses the same.
#[derive(Clone, Debug)]
pub struct RequestIds {
    guard: Guard,
}

impl RequestIds {
    /// Takes time and randomness from `guard`.
    pub const fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

/// The id of a request, once a middleware has given it one.
pub fn request_id(request: &HttpRequest) -> Option<RequestId> {
    request.extensions().get::<Arrival>().map(|arrival| arrival.request)
}

/// When and as what the request came in, if an outer middleware has read it.
pub(super) fn named(request: &ServiceRequest) -> Option<Arrival> {
    request.extensions().get::<Arrival>().copied()
}

/// The same, read now.
pub(super) fn name(request: &ServiceRequest, guard: &Guard) -> Arrival {
    let arrival = guard.arrive();
    request.extensions_mut().insert(arrival);
    arrival
}

impl<S, B> Transform<S, ServiceRequest> for RequestIds
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Named<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Named { guard: self.guard.clone(), service }))
    }
}

/// A service whose answers carry the request's id.
#[derive(Debug)]
pub struct Named<S> {
    guard: Guard,
    service: S,
}

impl<S, B> Service<ServiceRequest> for Named<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answering<S::Future, Arrival>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let arrival = named(&request).unwrap_or_else(|| name(&request, &self.guard));
        Answering::inner(self.service.call(request), arrival)
    }
}

impl Finish for Arrival {
    fn finish(self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        finish(answer, self)
    }
}
