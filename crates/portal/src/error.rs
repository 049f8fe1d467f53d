//! Why a page is not shown. The outermost middleware turns each into a page that says what to do.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use keyway_store::StoreError;
use serde::Serialize;

use crate::passwords::PasswordError;
use crate::render::RenderError;
use crate::session::StateError;

/// Why a page is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// There is nothing here, or it is somebody else's.
    #[error("not found")]
    NotFound,
    /// Not for this person; the text says for whom.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The request makes no sense; the text says what would.
    #[error("{0}")]
    BadRequest(&'static str),
    /// A link that does nothing any more; the text says why.
    #[error("{0}")]
    Gone(&'static str),
    /// Somebody must sign in first, then be brought back.
    #[error("not signed in")]
    SignIn {
        /// The path to come back to.
        return_to: String,
    },
    /// The person must show again who they are.
    #[error("not fresh")]
    Confirm {
        /// The path to come back to.
        return_to: String,
    },
    /// The form is not from a page of ours, or from one shown too long ago.
    #[error("the form is out of date")]
    StaleForm,
    /// More than 64 kB of form.
    #[error("the form is too large")]
    TooLarge,
    /// Not a form.
    #[error("not a form")]
    NotAForm,
    /// Over a limit.
    #[error("too many requests")]
    TooMany {
        /// Whole seconds to wait.
        retry_after: u64,
    },
    /// We cannot tell now.
    #[error("busy")]
    Busy(#[source] Option<StoreError>),
    /// The database failed; nothing of it is told.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// A fault of ours; nothing of it is told.
    #[error("the page does not render")]
    Render(#[from] RenderError),
    /// A fault of ours; nothing of it is told.
    #[error(transparent)]
    State(#[from] StateError),
    /// Passwords cannot be hashed.
    #[error("passwords cannot be hashed")]
    Passwords,
    /// A part of the portal that keys need failed; nothing of it is told.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        if error.is_temporary() { Self::Busy(Some(error)) } else { Self::Store(error) }
    }
}

impl From<PasswordError> for PageError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy(None),
            PasswordError::Broken => Self::Passwords,
        }
    }
}

/// What an error page says.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorText {
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means.
    pub text: String,
    /// What to do.
    pub remedy: &'static str,
}

impl PageError {
    /// What its page says.
    pub fn words(&self) -> ErrorText {
        let say = |title, text: &str, remedy| ErrorText { title, text: text.to_owned(), remedy };
        match self {
            Self::NotFound => text_of(StatusCode::NOT_FOUND),
            Self::Forbidden(text) => say("Not for you", text, "Ask an administrator if you need it."),
            Self::BadRequest(text) => say(
                "This request cannot be answered",
                text,
                "If it keeps happening, tell whoever sent you here.",
            ),
            Self::Gone(text) => {
                say("This link does nothing any more", text, "Ask for a new one; the newest always works.")
            }
            Self::SignIn { .. } => {
                say("Not signed in", "This page is for people with an account.", "Sign in first.")
            }
            Self::Confirm { .. } => {
                say("Confirm that it is you", "This needs a fresh sign-in.", "Enter your password.")
            }
            Self::StaleForm => say(
                "This form is out of date",
                "It was shown too long ago, in another session, or not by this portal. Nothing was changed.",
                "Go back, reload the page and send it again. Cookies must be allowed.",
            ),
            Self::TooLarge => text_of(StatusCode::PAYLOAD_TOO_LARGE),
            Self::NotAForm => text_of(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::TooMany { retry_after } => ErrorText {
                title: "Too many tries",
                text: format!("This can be tried again in {}.", wait(*retry_after)),
                remedy: "Wait a moment, then try again.",
            },
            Self::Busy(_) => text_of(StatusCode::SERVICE_UNAVAILABLE),
            Self::Store(_) | Self::Render(_) | Self::State(_) | Self::Passwords | Self::Internal(_) => {
                text_of(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// A span of seconds in words.
pub fn wait(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// What a status says where there is nothing more to say.
pub fn text_of(status: StatusCode) -> ErrorText {
    let (title, text, remedy) = match status.as_u16() {
        403 => ("Not allowed", "This is not for you.", "Ask an administrator if you need it."),
        404 => (
            "There is nothing here",
            "The page does not exist, or it belongs to somebody else.",
            "Check the address, or start from the overview.",
        ),
        405 => (
            "This address cannot be used so",
            "The page exists, but not for this kind of request.",
            "Start from the overview.",
        ),
        413 => (
            "The form is too large",
            "A form may have at most 64 kB.",
            "Shorten what you typed and send it again.",
        ),
        415 => (
            "Not a form",
            "Pages take application/x-www-form-urlencoded and nothing else.",
            "Use the form of the page, or the management API at /api/v1.",
        ),
        429 => ("Too many requests", "You have reached a limit.", "Wait a moment, then try again."),
        503 => (
            "Not now",
            "The portal is very busy, or its database cannot be reached. Nothing was changed.",
            "Wait a moment, then try again.",
        ),
        500.. => (
            "Something went wrong on our side",
            "The request could not be finished. Nothing of yours is at fault.",
            "Try again; if it stays so, tell an administrator the request id.",
        ),
        _ => ("This request cannot be answered", "It could not be read.", "Go back and try again."),
    };
    ErrorText { title, text: text.to_owned(), remedy }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden(_) | Self::StaleForm => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Gone(_) => StatusCode::GONE,
            Self::SignIn { .. } | Self::Confirm { .. } => StatusCode::SEE_OTHER,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Render(_) | Self::State(_) | Self::Passwords | Self::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Without a body: the outermost middleware has what a page needs.
    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        match self {
            Self::SignIn { return_to } => {
                answer.insert_header((LOCATION, with_return("/sign-in", return_to)));
            }
            Self::Confirm { return_to } => {
                answer.insert_header((LOCATION, with_return("/fresh", return_to)));
            }
            Self::TooMany { retry_after } => {
                answer.insert_header((RETRY_AFTER, (*retry_after).max(1).to_string()));
            }
            Self::Busy(_) => {
                answer.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        answer.finish()
    }
}

/// An address with the path to come back to.
pub fn with_return(page: &str, return_to: &str) -> String {
    if return_to == "/" {
        return page.to_owned();
    }
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to).finish();
    format!("{page}?{query}")
}

/// What is wrong with a form, by field; `form` is the form as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<&'static str, String>);

impl FieldErrors {
    /// Of one field.
    pub fn of(field: &'static str, text: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, text);
        errors
    }
    /// Adds one; the first of a field stays.
    pub fn add(&mut self, field: &'static str, text: impl Into<String>) {
        self.0.entry(field).or_insert_with(|| text.into());
    }
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// What is wrong with a field.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }
    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// Itself, if anything is.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}
