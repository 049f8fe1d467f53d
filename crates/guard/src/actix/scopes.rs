//! What a route needs, beside the route: `.route(web::post().to(create).wrap(scopes(["notes:write"])))`.
//! `.wrap()` goes after `.to()`.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _, HttpResponse};

use super::answer::{drain, response};
use super::future::{Answering, Finish};
use super::middleware::{Checked, Refused, refusal_answer};
use crate::guard::Arrival;
use crate::problem::Problem;

/// What a route needs.
#[derive(Clone, Debug)]
pub struct Require {
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Scopes(Rc<[&'static str]>),
    AnyCredential,
    Open,
}

/// All of these scopes. At least one: a route that needs none says [`any_credential`].
pub fn scopes<const N: usize>(list: [&'static str; N]) -> Require {
    const { assert!(N > 0, "a route that needs no scope says any_credential()") };
    Require { rule: Rule::Scopes(Rc::new(list)) }
}

/// Any credential that the guard accepts.
pub const fn any_credential() -> Require {
    Require { rule: Rule::AnyCredential }
}

/// No credential. Says, outside a guarded scope, that this is meant; inside one the guard has asked before.
pub const fn open() -> Require {
    Require { rule: Rule::Open }
}

impl<S> Transform<S, ServiceRequest> for Require
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Required<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Required { rule: self.rule.clone(), service }))
    }
}

/// A route that needs something.
#[derive(Debug)]
pub struct Required<S> {
    rule: Rule,
    service: S,
}

impl Rule {
    /// What a request is answered that does not get to its handler.
    fn obstacle(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let extensions = request.extensions();
        let checked = extensions.get::<Checked>();
        if let Some(checked) = checked {
            checked.declared.set(true);
        }
        let needed: &[&str] = match self {
            Self::Open => return None,
            Self::AnyCredential => &[],
            Self::Scopes(list) => list,
        };
        let Some(Checked { verdict, guard, .. }) = checked else {
            tracing::error!(route = request.match_pattern(), "this route needs a guard and has none");
            return Some(response(Problem::new(500, "route_unguarded", "No guard protects this route")));
        };
        let refusal = verdict.require(needed).err()?;
        let arrival = Arrival { request: verdict.request(), moment: verdict.arrived() };
        let mut answer = refusal_answer(&refusal, guard, arrival);
        answer.extensions_mut().insert(Refused(refusal));
        Some(answer)
    }
}

impl<S> Service<ServiceRequest> for Required<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answering<S::Future, Unchanged>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let Some(answer) = self.rule.obstacle(&request) else {
            return Answering::inner(self.service.call(request), Unchanged);
        };
        let answer = Box::pin(async move {
            drain(request.take_payload()).await;
            Ok(request.into_response(answer))
        });
        Answering::Elsewhere { answer }
    }
}

/// The answer as it is.
#[derive(Debug)]
pub struct Unchanged;

impl Finish for Unchanged {
    fn finish(self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        answer
    }
}
