//! Parameters from the body of a request.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web};
use futures_util::future::LocalBoxFuture;
use keyway_core::oauth::{ErrorCode, OauthError};

use super::error::EndpointError;
use crate::flows::params::Params;

/// The largest form that is read, in bytes.
pub const MAX_FORM: usize = 64 * 1024;

/// From the body of a POST.
impl FromRequest for Params {
    type Error = EndpointError;
    type Future = LocalBoxFuture<'static, Result<Self, EndpointError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = request.content_type() == "application/x-www-form-urlencoded";
        let told = request.headers().contains_key(CONTENT_TYPE);
        let body = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let invalid = |text: &'static str| OauthError::new(ErrorCode::InvalidRequest, text);
            // The body is read first: an answer over an unread body costs the client its connection.
            let body = body.await.map_err(|_| EndpointError::TooLarge)?;
            if body.len() > MAX_FORM {
                return Err(EndpointError::TooLarge);
            }
            if told && !form {
                return Err(invalid("send application/x-www-form-urlencoded").into());
            }
            Ok(Self::parse(&body)?)
        })
    }
}
