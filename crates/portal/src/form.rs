//! Forms of pages: bounded, in one encoding, from our own pages only.

use std::collections::BTreeMap;

use actix_session::SessionExt as _;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::csrf::comes_from_us;
use crate::error::PageError;
use crate::session::SessionView;
use crate::state::Portal;

/// The largest form, in bytes.
pub const MAX_FORM: usize = 64 * 1024;
/// What is read of a form that is too large, so that its sender gets to see the answer.
const MAX_DRAINED: usize = 2 * 1024 * 1024;

/// A form of one of our pages, whose token was right. A field that is repeated (check boxes of one name) is given
/// with single spaces between; unknown fields are ignored.
pub struct CsrfForm<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for CsrfForm<T> {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let from_us = request
            .app_data::<web::Data<Portal>>()
            .is_some_and(|portal| comes_from_us(request.headers(), &portal.settings.public_url));
        let session = request.get_session();
        let mut payload = payload.take();
        Box::pin(async move {
            // The body is read first: an answer over an unread body costs its sender the connection.
            let body = read(&mut payload).await?;
            if !form {
                return Err(PageError::NotAForm);
            }
            if !from_us {
                return Err(PageError::StaleForm);
            }
            let fields = fields(&body)?;
            let view = SessionView::read(&session).ok_or(PageError::StaleForm)?;
            if !fields.get("csrf").is_some_and(|given| view.csrf.matches(given)) {
                return Err(PageError::StaleForm);
            }
            let text = serde_urlencoded::to_string(&fields).map_err(|_| UNREADABLE)?;
            serde_urlencoded::from_str(&text).map(Self).map_err(|_| UNREADABLE)
        })
    }
}

const UNREADABLE: PageError = PageError::BadRequest("A field of the form is missing or cannot be read.");

async fn read(payload: &mut Payload) -> Result<Vec<u8>, PageError> {
    let (mut body, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => PageError::TooLarge,
            _ => PageError::BadRequest("The form did not arrive whole."),
        })?;
        length = length.saturating_add(chunk.len());
        if length <= MAX_FORM {
            body.extend_from_slice(&chunk);
        } else if length > MAX_DRAINED {
            return Err(PageError::TooLarge);
        }
    }
    if length > MAX_FORM { Err(PageError::TooLarge) } else { Ok(body) }
}

fn fields(body: &[u8]) -> Result<BTreeMap<String, String>, PageError> {
    let mut fields = BTreeMap::<String, String>::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        // What is no UTF-8 is replaced by the decoder; PostgreSQL keeps no NUL.
        if [&name, &value].iter().any(|text| text.contains([char::REPLACEMENT_CHARACTER, '\0'])) {
            return Err(PageError::BadRequest("The form has characters that are not text."));
        }
        if let Some(before) = fields.get_mut(name.as_ref()) {
            before.push(' ');
            before.push_str(&value);
        } else {
            fields.insert(name.into_owned(), value.into_owned());
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_field_is_joined() {
        let fields = fields(b"scopes=a%3Ar&name=x+y&scopes=b%3Aw").unwrap();
        assert_eq!(fields.get("scopes").map(String::as_str), Some("a:r b:w"));
        assert_eq!(fields.get("name").map(String::as_str), Some("x y"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(fields(b"name=%ff").is_err());
        assert!(fields(b"name=a%00b").is_err());
    }
}
