//! Browsers in which somebody has signed in before: a long-lived cookie that proves it, so that strangers' guesses
//! do not hold them up. It signs nobody in.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyway_core::ids::OwnerId;
use sha2::Sha256;

use crate::session::cookie_name;
use crate::state::Portal;

const DAYS: i64 = 365;

/// The cookie for a browser in which `owner` has just signed in.
pub fn cookie(portal: &Portal, owner: OwnerId) -> Cookie<'static> {
    let value = format!("{owner}.{}", URL_SAFE_NO_PAD.encode(mac(portal, owner).finalize().into_bytes()));
    lasting(portal, "known", value)
}

/// The way in by e-mail address and password.
pub const PASSWORD: &str = "password";

/// The cookie that says by which way this browser last signed in: for a badge, nothing else.
pub fn way_cookie(portal: &Portal, way: &str) -> Cookie<'static> {
    lasting(portal, "way", way.to_owned())
}

/// By which way this browser says it last signed in.
pub fn last_way(portal: &Portal, request: &HttpRequest) -> Option<String> {
    request.cookie(&cookie_name("way", &portal.settings.public_url)).map(|cookie| cookie.value().to_owned())
}

fn lasting(portal: &Portal, what: &str, value: String) -> Cookie<'static> {
    let public = &portal.settings.public_url;
    Cookie::build(cookie_name(what, public), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(public.is_https())
        .max_age(CookieDuration::days(DAYS))
        .finish()
}

/// Whether `owner` has signed in before in the browser that asks; if so, what tries from it are counted by.
pub fn mark(portal: &Portal, request: &HttpRequest, owner: OwnerId) -> Option<String> {
    let cookie = request.cookie(&cookie_name("known", &portal.settings.public_url))?;
    let (id, proof) = cookie.value().split_once('.')?;
    if id.parse() != Ok(owner) {
        return None;
    }
    let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
    mac(portal, owner).verify_slice(&proof).ok()?;
    Some(format!("the browser of {owner}"))
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(portal: &Portal, owner: OwnerId) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(portal.secrets.known_browser.as_slice()).expect("any length");
    mac.update(owner.to_string().as_bytes());
    mac
}
