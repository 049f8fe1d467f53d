//! The outermost middleware: request ids, one log line a request, security headers, and what an error looks like.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use keyway_core::credential::mask;
use keyway_core::ids::RequestId;
use keyway_guard::Arrival;
use serde::Serialize;

use crate::error::{ErrorText, PageError, text_of};
use crate::headers::dress;
pub use crate::headers::{content_security_policy, form_action_of, form_action_to};
use crate::render::Chrome;
use crate::state::Portal;

/// The id of this request, among its extensions; sent back as `X-Request-Id`.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRequest(pub RequestId);

/// What every answer of the portal passes through.
///
/// # Errors
/// What the middlewares within could not do (the session's): rendered, with all headers.
pub async fn boundary(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(portal) = request.app_data::<web::Data<Portal>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let start = portal.clock.moment();
    let id = RequestId::new(start.wall, &*portal.random);
    request.extensions_mut().insert(CurrentRequest(id));
    // The guard of the management API takes this id and moment for its own.
    request.extensions_mut().insert(Arrival { request: id, moment: start });
    let (method, path) = (request.method().clone(), request.path().to_owned());
    if method == Method::HEAD && path != "/oauth/authorize" {
        // Whatever can be fetched can be asked about; the body is left out on the wire (RFC 9110 §9.3.2). What gives
        // codes is no mere fetching.
        request.head_mut().method = Method::GET;
    }
    let face = Face::of(&path);
    let done = next.call(request).await;
    let micros = portal.clock.monotonic().nanos_since(start.mono) / 1_000;
    let area = face.area(&path);
    match done {
        Ok(answer) => {
            let answer = answer.map_into_boxed_body();
            let status = answer.status();
            portal.metrics.answered(area, status, micros);
            log(&method, &path, status, micros, id, answer.response().error());
            let mut answer = if wants_words(status, answer.headers(), answer.response().error().is_some()) {
                let words = answer
                    .response()
                    .error()
                    .and_then(|error| error.as_error::<PageError>())
                    .map_or_else(|| text_of(status), PageError::words);
                let kept: Vec<_> = [RETRY_AFTER, ALLOW]
                    .into_iter()
                    .filter_map(|name| answer.headers().get(&name).cloned().map(|value| (name, value)))
                    .collect();
                let mut worded = face.render(&portal, status, &words, id, &path);
                for (name, value) in kept {
                    worded.headers_mut().insert(name, value);
                }
                answer.into_response(worded)
            } else {
                answer
            };
            dress(answer.headers_mut(), &portal, id);
            Ok(answer)
        }
        Err(error) => {
            // What failed here is the session's row: the database's fault, so nobody is told to sign in.
            let status = match error.as_response_error().status_code() {
                StatusCode::INTERNAL_SERVER_ERROR => StatusCode::SERVICE_UNAVAILABLE,
                other => other,
            };
            portal.metrics.answered(area, status, micros);
            log(&method, &path, status, micros, id, Some(&error));
            let mut answer = face.render(&portal, status, &text_of(status), id, &path);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            dress(answer.headers_mut(), &portal, id);
            Err(InternalError::from_response(error, answer).into())
        }
    }
}

/// Whether the answer is an error that says nothing for people yet.
fn wants_words(status: StatusCode, headers: &HeaderMap, from_error: bool) -> bool {
    if !status.is_client_error() && !status.is_server_error() {
        return false;
    }
    match headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        None => true,
        Some(kind) => from_error && kind.starts_with("text/plain"),
    }
}

/// One line a request; neither query strings nor anything shaped like a credential.
fn log(method: &Method, path: &str, status: StatusCode, micros: u64, id: RequestId, error: Option<&Error>) {
    let (path, status) = (mask(path), status.as_u16());
    match error {
        Some(error) if status >= 500 => {
            let cause = causes(error);
            tracing::error!(%method, %path, status, micros, request = %id, cause, "request failed");
        }
        _ => tracing::info!(%method, %path, status, micros, request = %id, "request"),
    }
}

/// What went wrong with all that caused it, for the log alone.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.as_error::<PageError>().and_then(std::error::Error::source);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    mask(&text).into_owned()
}

/// The endpoints of OAuth where people come with their browsers.
const OAUTH_PAGES: [&str; 4] =
    ["/oauth/authorize", "/oauth/consent", "/oauth/logout", "/oauth/logout/confirm"];

/// How errors look at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Page,
    /// RFC 9457.
    Problem,
    /// RFC 6749 §5.2.
    Oauth,
}

#[derive(Serialize)]
struct ErrorPage<'a> {
    status: u16,
    title: &'a str,
    happened: &'a str,
    todo: &'a str,
    request_id: String,
    back: Back,
}

#[derive(Serialize)]
struct Back {
    label: &'static str,
    href: &'static str,
}

impl Face {
    fn of(path: &str) -> Self {
        let under = |prefix: &str| path.starts_with(prefix);
        if under("/api/") || under("/guard/") {
            Self::Problem
        } else if (under("/oauth/") && !OAUTH_PAGES.contains(&path)) || under("/.well-known/") {
            Self::Oauth
        } else {
            Self::Page
        }
    }

    /// The part of the portal, for the metrics: a fixed few.
    fn area(self, path: &str) -> &'static str {
        match self {
            Self::Problem => "api",
            Self::Oauth => "oauth",
            Self::Page if path.starts_with("/static/") => "static",
            Self::Page => "pages",
        }
    }

    fn render(
        self,
        portal: &Portal,
        status: StatusCode,
        words: &ErrorText,
        id: RequestId,
        path: &str,
    ) -> HttpResponse {
        let mut answer = HttpResponse::build(status);
        match self {
            Self::Problem => answer.content_type("application/problem+json").body(
                serde_json::json!({
                    "type": "about:blank",
                    "title": words.title,
                    "status": status.as_u16(),
                    "code": code(status),
                    "detail": words.text,
                    "request_id": id.to_string(),
                })
                .to_string(),
            ),
            Self::Oauth => {
                let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
                answer
                    .content_type("application/json")
                    .body(serde_json::json!({ "error": error, "error_description": words.text }).to_string())
            }
            Self::Page => {
                let chrome = Chrome {
                    csrf: String::new(),
                    user: None,
                    path: path.to_owned(),
                    flash: None,
                    dev: portal.settings.dev,
                    now: portal.now(),
                };
                let page = ErrorPage {
                    status: status.as_u16(),
                    title: words.title,
                    happened: &words.text,
                    todo: words.remedy,
                    request_id: id.to_string(),
                    back: Back { label: "Go to the overview", href: "/" },
                };
                match portal.renderer.render("error.html", &page, &chrome) {
                    Ok(html) => answer.content_type("text/html; charset=utf-8").body(html),
                    Err(error) => {
                        tracing::error!(%error, "the error page does not render");
                        let text = format!("{} ({id})", words.title);
                        answer.content_type("text/plain; charset=utf-8").body(text)
                    }
                }
            }
        }
    }
}

fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "not_found",
        405 => "method_not_allowed",
        413 => "too_large",
        415 => "unsupported_media_type",
        429 => "rate_limited",
        503 => "unavailable",
        500.. => "internal",
        _ => "bad_request",
    }
}
