//! Security headers of every answer.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use keyway_core::ids::RequestId;

use crate::state::Portal;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers that every answer has, unless the handler said otherwise.
pub(crate) fn dress(headers: &mut HeaderMap, portal: &Portal, id: RequestId) {
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

/// The parameter that names the redirect URI of an authorization request for this portal's pages alone.
pub const ENDS_AT: &str = "ends_at";

/// Where a form may end up when it leads through `/oauth/authorize`: the app's redirect URI, by its origin or its
/// private scheme.
pub fn form_action_of(return_to: &str) -> Option<String> {
    let query = return_to.strip_prefix("/oauth/authorize?")?;
    let (_, uri) = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "redirect_uri" || name == ENDS_AT)?;
    form_action_to(&uri)
}

/// Where a form may end up that leads to an app's address: its origin or its private scheme.
pub fn form_action_to(uri: &str) -> Option<String> {
    let uri = url::Url::parse(uri).ok()?;
    match uri.scheme() {
        "http" | "https" => Some(uri.origin().ascii_serialization()),
        "javascript" | "data" | "blob" | "file" | "about" => None,
        scheme => Some(format!("{scheme}:")),
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
