//! Registering and editing an app.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{AuthMethod, Client, GrantType};
use keyway_core::scope::ScopeSet;
use keyway_store::Tx;
use serde::Serialize;

use super::typed::{AppForm, field_errors};
use super::{own_client, refusal};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::clients::{self, ClientError, NewClient, reaches_beyond_reading};
use crate::flows::shown::{self, Destination, Submission};
use crate::pages::resources::{ResourceView, resources};
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

#[derive(Serialize)]
struct FormContext<'c> {
    mode: &'static str,
    action: String,
    cancel: String,
    once: String,
    errors: FieldErrors,
    form: FormView<'c>,
    grants: Vec<GrantChoice>,
    auth_methods: Vec<Choice>,
    id_token_algorithms: Vec<Choice>,
    resources: Vec<ResourceView<'c>>,
}

#[derive(Serialize)]
struct FormView<'c> {
    name: &'c str,
    website: &'c str,
    kind: &'c str,
    auth_method: &'c str,
    jwks: &'c str,
    redirect_uris: &'c str,
    post_logout_redirect_uris: &'c str,
    backchannel_logout_uri: &'c str,
    token_format: &'c str,
    id_token_algorithm: &'c str,
    dpop_bound: bool,
}

#[derive(Serialize)]
struct GrantChoice {
    value: &'static str,
    label: &'static str,
    hint: &'static str,
    checked: bool,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

const GRANTS: &[(GrantType, &str, &str)] = &[
    (GrantType::AuthorizationCode, "Authorization code", "A user signs in and consents (with PKCE)."),
    (GrantType::RefreshToken, "Refresh token", "Goes on without asking the user again."),
    (
        GrantType::DeviceCode,
        "Device code",
        "For a television or a command line: the user types a short code here.",
    ),
    (GrantType::ClientCredentials, "Client credentials", "The app acts for itself. Confidential apps only."),
    (GrantType::TokenExchange, "Token exchange", "Trades its own tokens for ones that may do less."),
];

/// How a confidential app proves itself.
const AUTH_METHODS: [(AuthMethod, &str); 3] = [
    (AuthMethod::ClientSecretBasic, "Secret, in the Authorization header (client_secret_basic)"),
    (AuthMethod::ClientSecretPost, "Secret, in the body (client_secret_post)"),
    (AuthMethod::PrivateKeyJwt, "Its own key (private_key_jwt)"),
];

/// What its ID tokens are signed with.
const ID_TOKEN_ALGORITHMS: [(Algorithm, &str); 3] = [
    (Algorithm::Rs256, "RS256: every client library verifies it"),
    (Algorithm::Es256, "ES256"),
    (Algorithm::EdDsa, "EdDSA"),
];

pub(super) async fn new(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    if refusal(&portal, &me).is_some() {
        return Ok(see_other("/apps"));
    }
    let form = AppForm::empty(Submission::new(&*portal.random).field().to_owned());
    page(&portal, &me, None, &form, FieldErrors::default())
}

pub(super) async fn edit(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    page(&portal, &me, Some(&client), &AppForm::of(&client), FieldErrors::default())
}

fn page(
    portal: &Portal,
    me: &SignedIn,
    client: Option<&Client>,
    form: &AppForm,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let at = client.map(|client| format!("/apps/{}", client.id));
    let chosen = |grant: GrantType| form.grant.split(' ').any(|name| name == grant.as_str());
    let checked: ScopeSet = form.scope.parse().unwrap_or_default();
    let again = !errors.is_empty();
    let context = FormContext {
        mode: if client.is_some() { "edit" } else { "create" },
        action: at.as_ref().map_or_else(|| "/apps".to_owned(), |at| format!("{at}/edit")),
        cancel: at.unwrap_or_else(|| "/apps".to_owned()),
        once: form.once.clone(),
        errors,
        form: FormView {
            name: &form.name,
            website: &form.website,
            kind: client.map_or(form.kind.as_str(), |client| client.kind.as_str()),
            auth_method: &form.auth_method,
            jwks: &form.jwks,
            redirect_uris: &form.redirect_uris,
            post_logout_redirect_uris: &form.post_logout_redirect_uris,
            backchannel_logout_uri: &form.backchannel_logout_uri,
            token_format: &form.token_format,
            id_token_algorithm: &form.id_token_algorithm,
            dpop_bound: !form.dpop_bound.is_empty(),
        },
        grants: GRANTS
            .iter()
            .map(|(grant, label, hint)| GrantChoice {
                value: grant.as_str(),
                label,
                hint,
                checked: chosen(*grant),
            })
            .collect(),
        auth_methods: AUTH_METHODS
            .iter()
            .map(|(method, label)| Choice { value: method.as_str(), label })
            .collect(),
        id_token_algorithms: ID_TOKEN_ALGORITHMS
            .iter()
            .map(|(algorithm, label)| Choice { value: algorithm.as_str(), label })
            .collect(),
        resources: resources(portal.catalogue.apis(), &checked),
    };
    let template = "pages/apps/form.html";
    if again { portal.form_again(me, template, context) } else { portal.page(me, template, context) }
}

pub(super) async fn register(
    portal: web::Data<Portal>,
    me: SignedIn,
    form: CsrfForm<AppForm>,
) -> Result<HttpResponse, PageError> {
    if let Some(text) = refusal(&portal, &me) {
        return Err(PageError::Forbidden(text));
    }
    let form = form.0;
    let Some(submission) = Submission::parse(&form.once) else { return Err(PageError::StaleForm) };
    let new = match new_client(&me, &form) {
        Ok(new) => new,
        Err(errors) => return page(&portal, &me, None, &form, errors),
    };
    if reaches_beyond_reading(&portal.catalogue, &new.profile.scopes) && !me.view.is_fresh(portal.now()) {
        return Err(PageError::Confirm { return_to: "/apps/new".to_owned() });
    }
    let (act, catalogue, brand) = (me.act(&portal), portal.catalogue.clone(), portal.shapes.brand.clone());
    let (owner, session) = (me.owner, me.session_id);
    let write = move |tx: &mut Tx<'_>| {
        // A form sent twice registers one app.
        if let Some((target, key)) = shown::sent_before(tx, owner, session, &submission)? {
            return Ok((target, Some(key)));
        }
        let (client, secret) = clients::register(tx, &act, &catalogue, &brand, new)?;
        let to = Destination { owner, session, target: client.id.entity() };
        let key = match secret {
            Some(secret) => Some(shown::put(tx, act.now, &*act.random, &submission, to, &secret)?),
            None => None,
        };
        Ok::<_, ClientError>((client.id.entity(), key))
    };
    match portal.store.write(write).await {
        Ok((target, Some(key))) => {
            let mut answer = see_other(&format!("/apps/{target}/secrets/shown"));
            shown_cookie::set(&portal, &mut answer, &key)?;
            Ok(answer)
        }
        Ok((target, None)) => {
            let to = format!("/apps/{target}");
            portal.redirect_with_flash(
                &me,
                &to,
                FlashKind::Ok,
                "App registered. Send users to its authorize URL.",
            )
        }
        Err(error) => page(&portal, &me, None, &form, field_errors(error)?),
    }
}

fn new_client(me: &SignedIn, form: &AppForm) -> Result<NewClient, FieldErrors> {
    let kind = form.kind()?;
    let profile = form.understand(kind, None)?;
    Ok(NewClient { owner: me.owner, kind, audience: None, registration: None, profile })
}

pub(super) async fn save(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    form: CsrfForm<AppForm>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let form = form.0;
    let change = match form.understand(client.kind, Some(&client)) {
        Ok(change) => change,
        Err(errors) => return page(&portal, &me, Some(&client), &form, errors),
    };
    let (act, catalogue, owner, id) = (me.act(&portal), portal.catalogue.clone(), me.owner, client.id);
    let saved = portal.store.write(move |tx| clients::edit(tx, &act, &catalogue, owner, id, change)).await;
    match saved {
        Ok(_) => portal.redirect_with_flash(&me, &format!("/apps/{id}"), FlashKind::Ok, "Changes saved."),
        Err(error) => page(&portal, &me, Some(&client), &form, field_errors(error)?),
    }
}
