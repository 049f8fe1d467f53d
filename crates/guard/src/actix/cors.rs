//! Calls from the portal's pages (the Fetch standard's CORS protocol): answers preflights for exactly one origin, and
//! lets its scripts read the limit headers.

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpResponse};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const SENT: HeaderValue =
    HeaderValue::from_static("Authorization, DPoP, X-API-Key, Content-Type, If-Match, If-None-Match");
const READ: HeaderValue = HeaderValue::from_static(
    "RateLimit-Policy, RateLimit, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
     WWW-Authenticate, X-Request-Id, ETag, Location",
);
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Lets pages of one origin call the API: scheme, host and port as a browser sends them. Credentials are headers that
/// the page sets itself; cookies play no part.
pub fn cors<S, B>(
    origin: &str,
) -> impl Transform<S, ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
+ use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    let origin: Rc<str> = origin.into();
    from_fn(move |request: ServiceRequest, next: Next<B>| share(Rc::clone(&origin), request, next))
}

async fn share<B: MessageBody + 'static>(
    origin: Rc<str>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let ours = request.headers().get(ORIGIN).filter(|sent| sent.as_bytes() == origin.as_bytes()).cloned();
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if ours.is_none() || !asks {
        return Ok(allow(next.call(request).await?.map_into_boxed_body(), ours));
    }
    let answer = HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, SENT))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish();
    Ok(allow(request.into_response(answer), ours))
}

fn allow(mut answer: ServiceResponse<BoxBody>, origin: Option<HeaderValue>) -> ServiceResponse<BoxBody> {
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
    answer
}
