//! The form that mints a pair, and `POST /tokens`.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::Duration;
use keyway_core::audience::{Access, Api, AudienceError, Grantable};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::Tx;
use serde::{Deserialize, Serialize};

use super::{failed, list, refusal};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::clients::reaches_beyond_reading;
use crate::flows::shown::{self, Destination, Submission};
use crate::flows::tokens::mint::{self, LIFETIMES, MintError, Order};
use crate::pages::resources::{ResourceView, resources};
use crate::pages::shown_cookie;
use crate::state::{Portal, see_other};

/// What may be typed; checked before anything is made of it.
#[derive(Clone, Default, Deserialize)]
pub(super) struct MintForm {
    #[serde(default)]
    once: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    access: String,
    #[serde(default)]
    refresh: String,
}

impl MintForm {
    /// As it is first shown: the first API, what only reads there, and a refresh token.
    pub(super) fn first(portal: &Portal) -> Self {
        let api = portal.catalogue.apis().first();
        let harmless = api.and_then(|api| {
            let everyone = api.scopes.iter().filter(|scope| scope.grant == Grantable::Everyone);
            everyone.into_iter().find(|scope| scope.access == Access::Read)
        });
        Self {
            once: Submission::new(&*portal.random).field().to_owned(),
            audience: api.map(|api| api.audience.to_string()).unwrap_or_default(),
            scope: harmless.map(|scope| scope.name.clone()).unwrap_or_default(),
            access: keyway_core::jwt::ACCESS_TOKEN_LIFETIME.as_seconds().to_string(),
            refresh: "yes".to_owned(),
            ..Self::default()
        }
    }

    /// The APIs with what this person may grant of them.
    pub(super) fn apis(&self, portal: &Portal, me: &SignedIn) -> Vec<Api> {
        let mut apis = portal.catalogue.apis().to_vec();
        for api in &mut apis {
            api.scopes.retain(|scope| me.is_admin || scope.grant == Grantable::Everyone);
        }
        apis.retain(|api| !api.scopes.is_empty());
        apis
    }

    fn order(&self, me: &SignedIn) -> Result<Order, FieldErrors> {
        let mut errors = FieldErrors::default();
        let scopes = self.scope.parse().unwrap_or_else(|error| {
            errors.add("scope", format!("{error}"));
            ScopeSet::empty()
        });
        // Narrow on purpose: more seconds than a u32 would not fit into a duration.
        let lifetime = self.access.parse().map_or(Duration::ZERO, |n: u32| Duration::seconds(n.into()));
        errors.or(Order {
            owner: me.owner,
            is_admin: me.is_admin,
            name: self.name.trim().to_owned(),
            audience: (!self.audience.is_empty()).then(|| self.audience.clone()),
            scopes,
            lifetime,
            refresh: self.refresh == "yes",
        })
    }
}

#[derive(Serialize)]
struct FormView<'c> {
    name: &'c str,
    audience: &'c str,
    access: &'c str,
    refresh: bool,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

/// The form as its template wants it.
#[derive(Serialize)]
pub(super) struct MintView<'c> {
    once: &'c str,
    form: FormView<'c>,
    audiences: Vec<Choice>,
    lifetimes: Vec<Choice>,
    resources: Vec<ResourceView<'c>>,
}

impl<'c> MintView<'c> {
    pub(super) fn of(form: &'c MintForm, apis: &'c [Api]) -> Self {
        let minutes = |lifetime: &Duration| Choice {
            value: lifetime.as_seconds().to_string(),
            label: format!("{} minutes", lifetime.as_seconds() / 60),
        };
        let audience = |api: &Api| Choice { value: api.audience.to_string(), label: api.name.clone() };
        Self {
            once: &form.once,
            form: FormView {
                name: &form.name,
                audience: &form.audience,
                access: &form.access,
                refresh: form.refresh == "yes",
            },
            audiences: apis.iter().map(audience).collect(),
            lifetimes: LIFETIMES.iter().map(minutes).collect(),
            resources: resources(apis, &form.scope.parse().unwrap_or_default()),
        }
    }
}

pub(super) async fn mint(
    portal: web::Data<Portal>,
    me: SignedIn,
    form: CsrfForm<MintForm>,
) -> Result<HttpResponse, PageError> {
    if let Some(text) = refusal(&portal, &me) {
        return Err(PageError::Forbidden(text));
    }
    let form = form.0;
    let Some(submission) = Submission::parse(&form.once) else { return Err(PageError::StaleForm) };
    let order = match form.order(&me) {
        Ok(order) => order,
        Err(errors) => return list::page(&portal, &me, &form, errors).await,
    };
    if reaches_beyond_reading(&portal.catalogue, &order.scopes) && !me.view.is_fresh(portal.now()) {
        return Err(PageError::Confirm { return_to: "/tokens".to_owned() });
    }
    let (act, owner, session) = (me.act(&portal), me.owner, me.session_id);
    let minted = match mint::prepare(&portal.store, &portal.issuance, &act, order).await {
        Ok(minted) => minted,
        Err(error) => return list::page(&portal, &me, &form, field_errors(error)?).await,
    };
    let notices = portal.notices();
    let write = move |tx: &mut Tx<'_>| {
        // A form sent twice mints one pair.
        if let Some(before) = shown::sent_before(tx, owner, session, &submission)? {
            return Ok(before);
        }
        minted.keep(tx, &act)?;
        notices.tell(tx, &act, owner, &minted.notice())?;
        let target = minted.family.id.entity();
        let pair = PlainSecret::new(minted.response().to_answer().expose());
        let to = Destination { owner, session, target };
        let key = shown::put(tx, act.now, &*act.random, &submission, to, &pair)?;
        Ok((target, key))
    };
    let (target, key) = portal.store.write(write).await.map_err(failed)?;
    portal.mail_bell.ring();
    let mut answer = see_other(&format!("/tokens/{target}/shown"));
    shown_cookie::set(&portal, &mut answer, &key)?;
    Ok(answer)
}

fn field_errors(error: MintError) -> Result<FieldErrors, PageError> {
    let field = match &error {
        MintError::Name => "name",
        MintError::NoScope | MintError::NotGrantable(_) => "scope",
        MintError::Audience(AudienceError::UnknownScope(_)) => "scope",
        MintError::Audience(AudienceError::UnknownAudience(_) | AudienceError::Ambiguous) => "audience",
        MintError::Lifetime => "access",
        MintError::Token(_) => "form",
    };
    match error {
        MintError::Token(error) => Err(failed(error)),
        error => Ok(FieldErrors::of(field, sentence(&error.to_string()))),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}
