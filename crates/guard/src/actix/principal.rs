//! The caller, for handlers. Only reads what the middleware left.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use keyway_core::principal::Principal as Caller;

use super::middleware::Checked;
use crate::limit::Allowance;
use crate::problem::Problem;

/// The caller of a guarded route: [`keyway_core::principal::Principal`], and what is left of its limits.
#[derive(Clone, Debug)]
pub struct Principal {
    caller: Caller,
    allowance: Allowance,
}

impl Principal {
    /// What is left of the limits that this call drew on.
    pub const fn allowance(&self) -> &Allowance {
        &self.allowance
    }
}

impl Deref for Principal {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequest for Principal {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let admitted = extensions.get::<Checked>().filter(|checked| checked.declared.get());
        let principal = admitted.and_then(|Checked { verdict, .. }| {
            let caller = verdict.decision().ok()?.clone();
            Some(Self { caller, allowance: verdict.allowance().copied().unwrap_or_default() })
        });
        ready(principal.ok_or_else(|| {
            Problem::new(500, "route_unguarded", "This route does not say which credential it needs").into()
        }))
    }
}
