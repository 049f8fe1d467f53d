//! The outermost middleware: request ids, one log line a request, security headers, and what an error looks like.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use keyway_core::credential::mask;
use keyway_core::ids::RequestId;
use serde::Serialize;

use crate::error::{ErrorText, PageError, text_of};
use crate::render::Chrome;
use crate::settings::is_loopback_name;
use crate::state::Portal;

/// The id of this request, among its extensions; sent back as `X-Request-Id`.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRequest(pub RequestId);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer of the portal passes through.
///
/// # Errors
/// What the middlewares within could not do (the session's): rendered, with all headers.
pub async fn boundary(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(portal) = request.app_data::<web::Data<Portal>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let start = portal.clock.moment();
    let id = RequestId::new(start.wall, &*portal.random);
    request.extensions_mut().insert(CurrentRequest(id));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let face = Face::of(&path);
    let done = next.call(request).await;
    let micros = portal.clock.monotonic().nanos_since(start.mono) / 1_000;
    match done {
        Ok(answer) => {
            let answer = answer.map_into_boxed_body();
            let status = answer.status();
            log(&method, &path, status, micros, id, answer.response().error());
            let mut answer = if wants_words(status, answer.headers(), answer.response().error().is_some()) {
                let words = answer
                    .response()
                    .error()
                    .and_then(|error| error.as_error::<PageError>())
                    .map_or_else(|| text_of(status), PageError::words);
                let kept: Vec<_> = [RETRY_AFTER, actix_web::http::header::ALLOW]
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
        } else if (under("/oauth/") && path != "/oauth/authorize") || under("/.well-known/") {
            Self::Oauth
        } else {
            Self::Page
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

/// The headers that every answer has, unless the handler said otherwise.
fn dress(headers: &mut HeaderMap, portal: &Portal, id: RequestId) {
    let mut put = |name: HeaderName, value: &str| {
        if !headers.contains_key(&name)
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
    };
    put(X_REQUEST_ID, &id.to_string());
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(REFERRER_POLICY, "no-referrer");
    put(CACHE_CONTROL, "no-store");
    put(CONTENT_SECURITY_POLICY, &content_security_policy(&[], None));
    if portal.settings.public_url.is_https() {
        put(STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
}

/// The policy of pages: nothing from elsewhere, nothing inline, no framing. `connect` are further origins that
/// scripts may call; `form_action` is one further place to which a form's answer may redirect, which browsers hold
/// against the page that has the form.
pub fn content_security_policy(connect: &[&str], form_action: Option<&str>) -> String {
    let mut policy = String::from(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; connect-src 'self'",
    );
    for origin in connect {
        policy.push(' ');
        policy.push_str(origin);
    }
    policy.push_str("; form-action 'self'");
    if let Some(place) = form_action {
        policy.push(' ');
        policy.push_str(place);
    }
    policy
}

/// Where a form may end up when it leads through `/oauth/authorize`: the app's redirect URI, by its origin or its
/// private scheme.
pub fn form_action_of(return_to: &str) -> Option<String> {
    let query = return_to.strip_prefix("/oauth/authorize?")?;
    let (_, uri) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "redirect_uri")?;
    let uri = url::Url::parse(&uri).ok()?;
    match uri.scheme() {
        "http" | "https" => Some(uri.origin().ascii_serialization()),
        "javascript" | "data" | "blob" | "file" | "about" => None,
        scheme => Some(format!("{scheme}:")),
    }
}

/// Pages asked for under another name of this machine are sent to the public URL: sessions and passkeys belong to
/// one name.
///
/// # Errors
/// What the services within could not do.
pub async fn public_name(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let target = request.app_data::<web::Data<Portal>>().and_then(|portal| {
        let public = &portal.settings.public_url;
        let host = request.headers().get(HOST)?.to_str().ok()?;
        let name = host.strip_suffix(|c: char| c.is_ascii_digit()).map_or(host, |_| {
            host.rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
                .map_or(host, |(n, _)| n)
        });
        let page = !request.path().starts_with("/oauth/");
        let other = page && public.is_loopback() && is_loopback_name(name) && host != public.host();
        let path = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        (other && request.method().is_safe()).then(|| format!("{public}{path}"))
    });
    match target {
        None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Some(target) => {
            let answer = HttpResponse::TemporaryRedirect().insert_header((LOCATION, target)).finish();
            Ok(request.into_response(answer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_end_up_at_the_app_it_leads_to() {
        let at = |uri: &str| form_action_of(&format!("/oauth/authorize?client_id=x&redirect_uri={uri}"));
        assert_eq!(at("http%3A%2F%2F127.0.0.1%3A9000%2Fcb").as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(at("com.example.app%3A%2Fcb").as_deref(), Some("com.example.app:"));
        assert_eq!(at("javascript%3Aalert(1)"), None);
        assert_eq!(
            at("https%3A%2F%2Fa.example%2F%3B%20script-src%20*").as_deref(),
            Some("https://a.example")
        );
        assert_eq!(form_action_of("/keys"), None);
    }

    #[test]
    fn the_policy_lets_nothing_inline() {
        let policy = content_security_policy(&["http://localhost:8081"], None);
        assert!(policy.contains("connect-src 'self' http://localhost:8081;"));
        assert!(!policy.contains("unsafe"));
    }
}
