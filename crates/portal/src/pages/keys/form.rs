//! The form of a key: `/keys/new` and `/keys/{id}/edit`.

use std::num::NonZeroU64;

use actix_web::HttpResponse;
use actix_web::web::{self, Path, Query};
use keyway_core::api_key::{ApiKey, Lifetime};
use keyway_core::audience::{Access, Api};
use keyway_core::owner::Environment;
use keyway_core::quota::Quota;
use keyway_core::rate::Rate;
use keyway_core::scope::{Scope, ScopeSet};
use keyway_store::StoreError;
use keyway_store::tables::{api_keys, owners};
use serde::{Deserialize, Serialize};

use super::expiry::{ExpiryChoice, as_before, expiry_choices};
use super::settings::{self, Beside};
use super::{by, id, own_key, rules};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::keys::{self, KeyError, KeyPatch, RawKey, RawPatch};
use crate::flows::shown::{self, Destination, Submission};
use crate::pages::resources::{ResourceView, resources};
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

/// What is typed. `/keys/new` takes the same in its address, to begin with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct KeyForm {
    name: String,
    environment: String,
    scope: String,
    expiry: String,
    expires_on: String,
    rate: String,
    quota_day: String,
    quota_month: String,
    addresses: String,
    note: String,
    /// Makes a double submit one key.
    #[serde(skip_serializing)]
    once: String,
    /// The version of the key that is edited.
    #[serde(skip_serializing)]
    version: String,
    /// `yes` once a loss of scopes was asked about.
    #[serde(skip_serializing)]
    confirmed: String,
    /// The scopes that a link ticked.
    #[serde(skip)]
    proposed: Option<String>,
}

#[derive(Serialize)]
struct Context<'c> {
    mode: &'static str,
    action: String,
    cancel: String,
    once: String,
    version: u64,
    form: &'c KeyForm,
    errors: FieldErrors,
    proposed: Option<&'c str>,
    resources: Vec<ResourceView<'c>>,
    audiences: [(); 0],
    client_address: String,
    expiry_choices: Vec<ExpiryChoice>,
    live_refused: Option<&'static str>,
    max_rate: String,
    max_quota_day: Option<NonZeroU64>,
    max_quota_month: Option<NonZeroU64>,
    #[serde(flatten)]
    beside: Option<Beside>,
}

pub(super) async fn new(
    portal: web::Data<Portal>,
    me: SignedIn,
    begun: Query<KeyForm>,
) -> Result<HttpResponse, PageError> {
    let owner = me.owner;
    let has_keys = portal.store.read(move |conn| api_keys::count_unrevoked(conn, owner)).await? > 0;
    let mut form = begun.into_inner();
    if form.name.is_empty() && !has_keys {
        form.name = "My first key".to_owned();
    }
    if form.scope.is_empty() {
        form.scope = portal.catalogue.apis().first().map(reading_scopes).unwrap_or_default();
    }
    if form.environment.is_empty() {
        let live = me.may_go_live(&portal);
        form.environment = if live { Environment::Live } else { Environment::Test }.to_string();
    }
    if form.expiry.is_empty() {
        form.expiry = "90".to_owned();
    }
    page(&portal, &me, None, &form, FieldErrors::default()).await
}

/// What a first key begins with: everything that reads at the first API.
fn reading_scopes(api: &Api) -> String {
    let reading = api.scopes.iter().filter(|scope| scope.access == Access::Read);
    reading.map(|scope| scope.name.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) async fn create(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<KeyForm>,
) -> Result<HttpResponse, PageError> {
    let raw = RawKey {
        name: form.name.clone(),
        note: form.note.clone(),
        environment: form.environment.clone(),
        audiences: Vec::new(),
        scopes: vec![form.scope.clone()],
        expires: form.expires(),
        rate: form.rate.clone(),
        quota_day: form.quota_day.clone(),
        quota_month: form.quota_month.clone(),
        addresses: form.addresses.clone(),
    };
    let draft = match raw.read() {
        Ok(draft) => draft,
        Err(errors) => return page(&portal, &me, None, &form, named(errors)).await,
    };
    let submission = Submission::parse(&form.once).unwrap_or_else(|| Submission::new(&*portal.random));
    let secret = keys::new_secret(&portal.shapes.brand, draft.environment, &*portal.random);
    let (act, rules, by) = (me.act(&portal), rules(&portal), by(&portal, &me));
    let (owner, session, notices) = (me.owner, me.session_id, portal.notices());
    let made = portal.store.write(move |tx| {
        if let Some(before) = shown::sent_before(tx, owner, session, &submission)? {
            return Ok(before);
        }
        let key = keys::create(tx, &act, &rules, &by, owner, draft, &secret)?;
        notices.tell(tx, &act, owner, &keys::made_notice(&key))?;
        let to = Destination { owner, session, target: key.id.entity() };
        let cookie = shown::put(tx, act.now, &*act.random, &submission, to, &secret)?;
        Ok::<_, KeyError>((to.target, cookie))
    });
    match made.await {
        Ok((key, cookie)) => {
            portal.mail_bell.ring();
            let mut answer = see_other(&format!("/keys/{key}/shown"));
            shown_cookie::set(&portal, &mut answer, &cookie)?;
            Ok(answer)
        }
        Err(error) => refused(&portal, &me, None, &form, error).await,
    }
}

/// What a link to the form of a key may propose. It is ticked and named, and granted by saving alone.
#[derive(Default, Deserialize)]
pub(super) struct Proposed {
    #[serde(default)]
    scope: String,
    /// `yes` to begin with another end: as long from now on as the key was first made for.
    #[serde(default)]
    renew: String,
}

pub(super) async fn edit(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    proposed: Query<Proposed>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    if key.revoked_at.is_some() {
        return Err(PageError::NotFound);
    }
    let form = as_it_is(&portal, &key, &proposed);
    page(&portal, &me, Some(&key), &form, FieldErrors::default()).await
}

/// The form filled in as a key is, with what a link proposes.
fn as_it_is(portal: &Portal, key: &ApiKey, proposed: &Proposed) -> KeyForm {
    let offered =
        |scope: &Scope| portal.catalogue.apis().iter().any(|api| api.scope(scope.as_str()).is_some());
    let renew = proposed.renew == "yes";
    let proposed = proposed.scope.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    let proposed: ScopeSet = proposed
        .filter(|scope: &Scope| !key.terms.scopes.contains(scope.as_str()) && offered(scope))
        .collect();
    let lines: Vec<String> = key.terms.addresses.iter().map(ToString::to_string).collect();
    KeyForm {
        name: key.name.clone(),
        environment: key.terms.environment.to_string(),
        scope: format!("{} {proposed}", key.terms.scopes),
        proposed: (!proposed.is_empty()).then(|| proposed.to_string()),
        expiry: if renew { as_before(key).to_string() } else { "keep".to_owned() },
        rate: key.terms.rate.map(|rate| rate.to_string()).unwrap_or_default(),
        quota_day: own_quota(key.terms.quotas.day),
        quota_month: own_quota(key.terms.quotas.month),
        addresses: lines.join("\n"),
        note: key.note.clone(),
        version: key.version.to_string(),
        ..KeyForm::default()
    }
}

/// The settings of a key as it is, where something on them was refused.
pub(super) async fn again(
    portal: &Portal,
    me: &SignedIn,
    key: &ApiKey,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    page(portal, me, Some(key), &as_it_is(portal, key, &Proposed::default()), errors).await
}

pub(super) async fn save(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    CsrfForm(form): CsrfForm<KeyForm>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let raw = RawPatch {
        name: Some(form.name.clone()),
        note: Some(form.note.clone()),
        scopes: Some(vec![form.scope.clone()]),
        expires: (form.expiry != "keep").then(|| form.expires()),
        rate: Some(form.rate.clone()),
        quota_day: Some(form.quota_day.clone()),
        quota_month: Some(form.quota_month.clone()),
        addresses: Some(form.addresses.clone()),
    };
    let patch = match raw.read() {
        Ok(patch) => KeyPatch { version: form.version.parse().ok(), ..patch },
        Err(errors) => return page(&portal, &me, Some(&key), &form, named(errors)).await,
    };
    if form.confirmed != "yes"
        && let Some(kept) = &patch.scopes
        && let Some(question) = settings::cut(&portal, &me, &key, kept, &form).await?
    {
        return Ok(question);
    }
    let (act, rules, by) = (me.act(&portal), rules(&portal), by(&portal, &me));
    let (owner, id) = (me.owner, key.id);
    match portal.store.write(move |tx| keys::edit(tx, &act, &rules, &by, owner, id, patch)).await {
        Ok(saved) => {
            let text = format!("“{}” was changed.", saved.name);
            portal.redirect_with_flash(&me, &format!("/keys/{id}"), FlashKind::Ok, text)
        }
        Err(error) => refused(&portal, &me, Some(&key), &form, error).await,
    }
}

impl KeyForm {
    /// What is posted again once the question was answered.
    pub(super) fn confirmed(&self) -> [(&'static str, String); 11] {
        [
            ("name", &self.name),
            ("scope", &self.scope),
            ("expiry", &self.expiry),
            ("expires_on", &self.expires_on),
            ("rate", &self.rate),
            ("quota_day", &self.quota_day),
            ("quota_month", &self.quota_month),
            ("addresses", &self.addresses),
            ("note", &self.note),
            ("version", &self.version),
            ("confirmed", &"yes".to_owned()),
        ]
        .map(|(name, value)| (name, value.clone()))
    }

    /// The choice and the day as one text that [`Lifetime`] reads.
    fn expires(&self) -> String {
        match self.expiry.as_str() {
            "custom" => self.expires_on.trim().to_owned(),
            "never" => "never".to_owned(),
            days if Lifetime::DAYS.iter().any(|known| known.to_string() == days) => format!("{days}d"),
            // Neither of the choices: read, and refused with the words for it.
            other => format!("?{other}"),
        }
    }

    fn scopes(&self) -> ScopeSet {
        self.scope.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
    }
}

fn own_quota(quota: Quota) -> String {
    quota.calls().map(|calls| calls.to_string()).unwrap_or_default()
}

/// The form again, with what was wrong; a stale sign-in is mended first and leads back to what was typed.
async fn refused(
    portal: &Portal,
    me: &SignedIn,
    key: Option<&ApiKey>,
    form: &KeyForm,
    error: KeyError,
) -> Result<HttpResponse, PageError> {
    match error {
        KeyError::Store(error) => Err(error.into()),
        KeyError::NotFound | KeyError::NoOwner => Err(PageError::NotFound),
        KeyError::NotFresh => {
            let back = match key {
                Some(key) => format!("/keys/{}/edit", key.id),
                None => format!("/keys/new?{}", serde_urlencoded::to_string(form).unwrap_or_default()),
            };
            Err(PageError::Confirm { return_to: back })
        }
        other => {
            let field = other.field().map_or("form", field_of_form);
            page(portal, me, key, form, FieldErrors::of(field, sentence(&other.to_string()))).await
        }
    }
}

/// Flows name fields as the management API does; this form has its own names.
fn field_of_form(field: &'static str) -> &'static str {
    match field {
        "scopes" | "audience" => "scope",
        "expires" => "expiry",
        other => other,
    }
}

fn named(errors: keys::FieldErrors) -> FieldErrors {
    let mut named = FieldErrors::default();
    for (field, text) in errors {
        named.add(field_of_form(field), sentence(&text));
    }
    named
}

/// A sentence for people: a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

async fn page(
    portal: &Portal,
    me: &SignedIn,
    key: Option<&ApiKey>,
    form: &KeyForm,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let owner = me.owner;
    let found = portal.store.read(move |conn| owners::find(conn, owner)).await;
    let owner_rate = found.map_err(|error: StoreError| error)?.and_then(|owner| owner.rate);
    let max_rate = owner_rate.or(portal.settings.limit_defaults.owner.rate());
    let refused = !errors.is_empty();
    let again = Submission::parse(&form.once).unwrap_or_else(|| Submission::new(&*portal.random));
    let context = Context {
        mode: if key.is_some() { "edit" } else { "create" },
        action: key.map_or("/keys".to_owned(), |key| format!("/keys/{}/edit", key.id)),
        cancel: key.map_or("/keys".to_owned(), |key| format!("/keys/{}", key.id)),
        once: again.field().to_owned(),
        version: form.version.parse().unwrap_or_default(),
        proposed: form.proposed.as_deref(),
        form,
        errors,
        resources: resources(portal.catalogue.apis(), &form.scopes()),
        audiences: [],
        client_address: me.origin.address.to_string(),
        expiry_choices: expiry_choices(key, portal.now()),
        live_refused: (!me.may_go_live(portal))
            .then_some("Verify your e-mail address first: until then keys are for test data."),
        max_quota_day: portal.settings.limit_defaults.owner_quotas.day.calls(),
        max_quota_month: portal.settings.limit_defaults.owner_quotas.month.calls(),
        beside: key.map(|key| Beside::of(portal, key)),
        max_rate: max_rate.map_or("no limit".to_owned(), |rate: Rate| rate.to_string()),
    };
    let template = if key.is_some() { "pages/keys/settings.html" } else { "pages/keys/form.html" };
    if refused { portal.form_again(me, template, context) } else { portal.page(me, template, context) }
}
