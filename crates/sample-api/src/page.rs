//! Pages of a list, and conditional requests (RFC 9110 §13).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use serde::Deserialize;

/// The most items on a page, and how many there are unless told.
const MAX: u32 = 100;
const USUAL: u32 = 50;

/// Which part of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<u32>,
    after: Option<String>,
}

impl Page {
    /// How many items at most; `None` if what was asked for is out of range.
    pub(crate) fn limit(&self) -> Option<u32> {
        Some(self.limit.unwrap_or(USUAL)).filter(|n| (1..=MAX).contains(n))
    }
    /// After which item.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

/// What the request makes its effect depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    None,
    /// The state that the client knows (`If-Match`) is the current one.
    Holds,
    /// It is not.
    Fails,
}

/// Compares `If-Match` with the current entity tag (RFC 9110 §13.1.1).
pub(crate) fn if_match(request: &HttpRequest, current: &str) -> Condition {
    match listed(request, &IF_MATCH, current) {
        None => Condition::None,
        Some(true) => Condition::Holds,
        Some(false) => Condition::Fails,
    }
}

/// Whether the client already has the current state (RFC 9110 §13.1.2).
pub(crate) fn is_known(request: &HttpRequest, current: &str) -> bool {
    listed(request, &IF_NONE_MATCH, current) == Some(true)
}

/// Whether `current` is among the tags of a header; `None` without the header. Our tags are strong and hold no
/// comma; a weak one matches for reading alone, where `W/` may be ignored.
fn listed(request: &HttpRequest, name: &HeaderName, current: &str) -> Option<bool> {
    let mut values = request.headers().get_all(name).peekable();
    values.peek()?;
    let weak_too = *name == IF_NONE_MATCH;
    Some(values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        let tag = if weak_too { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag == current
    }))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn entity_tags_are_compared_as_the_rfc_says() {
        let with = |name: HeaderName, value: &str| {
            TestRequest::default().insert_header((name, value)).to_http_request()
        };
        assert_eq!(if_match(&TestRequest::default().to_http_request(), "\"1\""), Condition::None);
        assert_eq!(if_match(&with(IF_MATCH, "\"0\", \"1\""), "\"1\""), Condition::Holds);
        assert_eq!(if_match(&with(IF_MATCH, "*"), "\"1\""), Condition::Holds);
        assert_eq!(if_match(&with(IF_MATCH, "W/\"1\""), "\"1\""), Condition::Fails);
        assert!(is_known(&with(IF_NONE_MATCH, "W/\"1\""), "\"1\""));
        assert!(!is_known(&with(IF_NONE_MATCH, "\"2\""), "\"1\""));
    }
}
