//! The cookie that carries the key of a secret to the one page that shows it: five minutes, for scripts invisible.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::PageError;
use crate::flows::shown::{CookieKey, LIFETIME};
use crate::session::cookie_name;
use crate::state::Portal;

const NAME: &str = "shown";

/// Sends the key along with an answer.
///
/// # Errors
/// When the header cannot be written, which is a fault of the program.
pub fn set(portal: &Portal, answer: &mut HttpResponse, key: &CookieKey) -> Result<(), PageError> {
    let age = CookieDuration::seconds(LIFETIME.as_seconds());
    put(answer, &cookie(portal, key.value().to_owned(), age))
}

/// The key that came with a request.
pub fn read(portal: &Portal, request: &HttpRequest) -> Option<CookieKey> {
    let cookie = request.cookie(&cookie_name(NAME, &portal.settings.public_url))?;
    CookieKey::parse(cookie.value())
}

/// Takes the key back: its secret has been shown.
///
/// # Errors
/// When the header cannot be written, which is a fault of the program.
pub fn clear(portal: &Portal, answer: &mut HttpResponse) -> Result<(), PageError> {
    put(answer, &cookie(portal, String::new(), CookieDuration::ZERO))
}

fn cookie(portal: &Portal, value: String, age: CookieDuration) -> Cookie<'static> {
    let public = &portal.settings.public_url;
    Cookie::build(cookie_name(NAME, public), value)
        .path("/")
        .http_only(true)
        .secure(public.is_https())
        .same_site(SameSite::Lax)
        .max_age(age)
        .finish()
}

fn put(answer: &mut HttpResponse, cookie: &Cookie<'static>) -> Result<(), PageError> {
    answer.add_cookie(cookie).map_err(|error| PageError::Internal(error.to_string()))
}
