//! The token in the header `Authorization`, where an endpoint is called with one (RFC 6750 §2.1, RFC 9449 §7.1).

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use keyway_core::oauth::ErrorCode;
use keyway_core::secret::PlainSecret;
use keyway_guard::extract::{Scheme, token_of};

use super::error::EndpointError;

/// A token as it was sent.
pub(super) struct Presented {
    pub(super) token: PlainSecret,
    pub(super) scheme: Scheme,
}

/// The one token, if there is the header.
///
/// # Errors
/// `invalid_request` for several headers; RFC 6750 §3.1 for a header of another scheme, or one that is no text.
pub(super) fn presented(request: &HttpRequest) -> Result<Option<Presented>, EndpointError> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        let text = "more than one Authorization header";
        return Err(EndpointError::oauth(ErrorCode::InvalidRequest, text));
    }
    let (token, scheme) = token_of(header.as_bytes()).map_err(|_| EndpointError::NoToken)?;
    let token = std::str::from_utf8(token).map_err(|_| EndpointError::InvalidToken)?;
    Ok(Some(Presented { token: PlainSecret::new(token), scheme }))
}
