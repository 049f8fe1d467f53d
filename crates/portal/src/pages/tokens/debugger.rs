//! `/tokens/debugger`: a JWT decoded in the page, which sends it nowhere; and, if asked, what the server says of it.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::credential::{MAX_LEN, Shape};
use keyway_core::secret::PlainSecret;
use serde::{Deserialize, Serialize};

use super::failed;
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::explain::{self, Step, Went};
use crate::flows::tokens::inspect::{first_failed, inspect};
use crate::state::Portal;

const TEMPLATE: &str = "pages/tokens/debugger.html";

#[derive(Serialize)]
struct StepView {
    name: &'static str,
    state: &'static str,
    went: &'static str,
    text: String,
    failed: bool,
}

/// What was asked of the server, and its answer.
#[derive(Serialize)]
struct Verdict {
    /// The name of the first check that fails.
    failed: Option<&'static str>,
    text: String,
    steps: Vec<StepView>,
}

#[derive(Default, Serialize)]
struct Context<'c> {
    token: &'c str,
    errors: FieldErrors,
    verdict: Option<Verdict>,
}

pub(super) async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    portal.page(&me, TEMPLATE, Context::default())
}

#[derive(Deserialize)]
pub(super) struct Pasted {
    #[serde(default)]
    token: String,
}

/// Says what the server knows. Nothing is changed, kept or logged; the page is not kept by the browser either.
pub(super) async fn ask(
    portal: web::Data<Portal>,
    me: SignedIn,
    form: CsrfForm<Pasted>,
) -> Result<HttpResponse, PageError> {
    let token = PlainSecret::new(form.0.token.trim());
    if let Some(error) = no_jwt(&portal, &token) {
        let errors = FieldErrors::of("token", error);
        return portal.form_again(&me, TEMPLATE, Context { token: token.expose(), errors, verdict: None });
    }
    let (issuance, asked, now) = (portal.issuance.clone(), token.clone(), portal.now());
    let steps = portal.store.read(move |conn| inspect(conn, &issuance, &asked, now)).await.map_err(failed)?;
    let verdict = first_failed(&steps);
    let verdict = Verdict {
        failed: verdict.map(|step| explain::name(step.check)),
        text: verdict.map(|step| step.text.clone()).unwrap_or_default(),
        steps: steps.into_iter().map(step_view).collect(),
    };
    let context = Context { token: token.expose(), verdict: Some(verdict), ..Context::default() };
    portal.page(&me, TEMPLATE, context)
}

/// Why this is not something to ask about here.
fn no_jwt(portal: &Portal, token: &PlainSecret) -> Option<&'static str> {
    if token.expose().is_empty() {
        return Some("Paste a token first.");
    }
    if token.expose().len() > MAX_LEN {
        return Some("A token has at most 8192 characters.");
    }
    match portal.shapes.classify(token.expose()) {
        Shape::Jwt => None,
        Shape::ApiKey | Shape::AccessToken | Shape::WrongKind(_) | Shape::BadChecksum => Some(
            "This is no JWT: there is nothing in it to decode. Its page in the list of credentials tells its state.",
        ),
        Shape::Unknown => Some("A JWT has three parts with dots between."),
    }
}

fn step_view(step: Step) -> StepView {
    let (state, went) = match step.went {
        Went::Passed => ("ok", "Passes"),
        Went::Failed => ("refused", "Fails"),
        Went::NotReached => ("off", "Unknown"),
        Went::NotAsked => ("off", "Not asked"),
    };
    StepView {
        name: explain::name(step.check),
        state,
        went,
        text: step.text,
        failed: step.went == Went::Failed,
    }
}
