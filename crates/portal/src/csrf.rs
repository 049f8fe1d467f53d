//! Forms come from our own pages: a token per session, and what the browser says about where the request comes from.

use actix_web::http::header::{HeaderMap, ORIGIN};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::Random;
use keyway_core::secret::constant_time_eq;

use crate::settings::PublicUrl;

const LEN: usize = 32;

/// A session's form token. In pages it is masked anew each time, so that compression tells nothing about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CsrfToken([u8; LEN]);

impl CsrfToken {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; LEN];
        random.fill(&mut bytes);
        Self(bytes)
    }
    /// As kept in the session.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
    /// As kept in the session.
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
    /// As written into a form: a random pad, and the token under it.
    pub fn masked(self, random: &dyn Random) -> String {
        let mut both = [0_u8; LEN * 2];
        let (pad, masked) = both.split_at_mut(LEN);
        random.fill(pad);
        for ((out, secret), pad) in masked.iter_mut().zip(self.0).zip(pad) {
            *out = secret ^ *pad;
        }
        URL_SAFE_NO_PAD.encode(both)
    }
    /// Whether a form carried it.
    pub fn matches(self, given: &str) -> bool {
        let Ok(both) = URL_SAFE_NO_PAD.decode(given) else { return false };
        let Some((pad, masked)) = both.split_at_checked(LEN) else { return false };
        let plain: Vec<u8> = pad.iter().zip(masked).map(|(pad, masked)| pad ^ masked).collect();
        masked.len() == LEN && constant_time_eq(&plain, &self.0)
    }
}

/// Whether a form's request comes from a page of ours, as far as the browser says. Browsers that say nothing are
/// held by the token alone.
///
/// Our pages send no referrer, for which browsers write `Origin: null`; that counts only on plain http, where they
/// do not send `Sec-Fetch-Site`.
pub fn comes_from_us(headers: &HeaderMap, public: &PublicUrl) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(ORIGIN) {
        None => true,
        Some(origin) if origin == "null" => !public.is_https(),
        Some(origin) => origin == public.origin(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use keyway_core::random::SeededRandom;

    #[test]
    fn a_masked_token_differs_each_time_and_matches() {
        let random = SeededRandom::new(1);
        let (token, other) = (CsrfToken::new(&random), CsrfToken::new(&random));
        let (a, b) = (token.masked(&random), token.masked(&random));
        assert_ne!(a, b);
        assert!(token.matches(&a) && token.matches(&b) && !other.matches(&a));
        assert!(CsrfToken::from_text(&token.to_text()) == Some(token));
    }

    #[test]
    fn what_is_no_token_never_matches() {
        let token = CsrfToken::new(&SeededRandom::new(1));
        let twice = URL_SAFE_NO_PAD.encode([0_u8; 64]);
        for bad in ["", "AAAA", "not base64!", token.to_text().as_str(), twice.as_str()] {
            assert!(!token.matches(bad), "{bad}");
        }
    }

    #[test]
    fn a_request_from_elsewhere_is_refused() {
        let url: PublicUrl = "https://keys.example.com".parse().unwrap();
        let says = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            comes_from_us(&headers, &url)
        };
        assert!(says("sec-fetch-site", "same-origin"));
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!says("sec-fetch-site", site), "{site}");
        }
        assert!(says("origin", "https://keys.example.com"));
        for origin in
            ["null", "https://evil.example.com", "http://keys.example.com", "https://keys.example.com:8"]
        {
            assert!(!says("origin", origin), "{origin}");
        }
        assert!(comes_from_us(&HeaderMap::new(), &url));
    }
}
