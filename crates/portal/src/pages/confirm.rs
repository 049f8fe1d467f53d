//! The page before something dies: what dies with it, and Cancel first.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::error::{FieldErrors, PageError};
use crate::extract::Visitor;
use crate::state::Portal;

/// A form whose buttons say all.
#[derive(Deserialize)]
pub struct NoFields {}

/// What is about to happen.
#[derive(Serialize)]
pub struct Confirm {
    /// A question.
    pub title: String,
    /// One sentence.
    pub lead: &'static str,
    /// What dies with it.
    pub dies: Vec<String>,
    /// Where the form is sent.
    pub action: String,
    /// Where Cancel leads.
    pub cancel: String,
    /// Verb and noun.
    pub button: &'static str,
    /// What has to be typed, if anything.
    pub type_name: Option<String>,
    /// What was wrong with it.
    pub errors: FieldErrors,
}

#[derive(Serialize)]
struct Context {
    #[serde(flatten)]
    confirm: Confirm,
    fields: [(); 0],
}

impl Confirm {
    /// Shows it; again with 422 if something was wrong.
    ///
    /// # Errors
    /// When the template is at fault.
    pub fn page(self, portal: &Portal, visitor: &Visitor) -> Result<HttpResponse, PageError> {
        let again = !self.errors.is_empty();
        let context = Context { confirm: self, fields: [] };
        let template = "pages/confirm.html";
        if again {
            portal.form_again(visitor, template, context)
        } else {
            portal.page(visitor, template, context)
        }
    }
}
