//! What a route needs, beside the route: `.route(web::post().to(create).wrap(scopes(["notes:write"])))`.
//! `.wrap()` goes after `.to()`.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage as _};
use keyway_core::refusal::Refusal;

use super::answer::{drain, response};
use super::middleware::{Checked, refuse};
use crate::guard::Guard;
use crate::problem::Problem;

/// In the extensions of a request: its route has said what it needs.
pub(super) struct Declared;

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

/// Why a request does not get to its handler.
enum Obstacle {
    /// The route is not behind a guard.
    Unguarded,
    /// The guard that answers, and its refusal.
    Refused(Guard, Refusal),
}

impl Rule {
    fn admits(&self, request: &ServiceRequest) -> Result<(), Obstacle> {
        let needed: &[&str] = match self {
            Self::Open => return Ok(()),
            Self::AnyCredential => &[],
            Self::Scopes(list) => list,
        };
        let extensions = request.extensions();
        let Some(checked) = extensions.get::<Checked>() else { return Err(Obstacle::Unguarded) };
        let refuse = |refusal| Obstacle::Refused(checked.guard.clone(), refusal);
        checked.verdict.require(needed).map_err(refuse)
    }
}

impl<S> Service<ServiceRequest> for Required<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        request.extensions_mut().insert(Declared);
        let obstacle = match self.rule.admits(&request) {
            Ok(()) => return Box::pin(self.service.call(request)),
            Err(obstacle) => obstacle,
        };
        Box::pin(async move {
            match obstacle {
                Obstacle::Refused(guard, refusal) => Ok(refuse(request, &refusal, &guard).await),
                Obstacle::Unguarded => {
                    tracing::error!(route = request.match_pattern(), "this route needs a guard and has none");
                    drain(request.take_payload()).await;
                    let problem = Problem::new(500, "route_unguarded", "No guard protects this route");
                    Ok(request.into_response(response(problem)))
                }
            }
        })
    }
}
