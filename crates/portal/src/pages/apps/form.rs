//! Registering and editing an app.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::oauth::{AuthMethod, Client, ClientKind, GrantType, RedirectUri, TokenFormat};
use keyway_core::scope::ScopeSet;
use keyway_store::Tx;
use serde::{Deserialize, Serialize};

use super::{own_client, refusal};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::clients::{self, ClientError, NewClient, Profile, reaches_beyond_reading};
use crate::flows::shown::{self, Destination, Submission};
use crate::pages::resources::{ResourceView, resources};
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

/// What may be typed; checked before anything is made of it.
#[derive(Clone, Default, Deserialize)]
pub(super) struct AppForm {
    #[serde(default)]
    once: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    redirect_uris: String,
    #[serde(default)]
    grant: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    token_format: String,
}

#[derive(Serialize)]
struct FormContext<'c> {
    mode: &'static str,
    action: String,
    cancel: String,
    once: String,
    errors: FieldErrors,
    form: FormView<'c>,
    grants: Vec<GrantChoice>,
    resources: Vec<ResourceView<'c>>,
}

#[derive(Serialize)]
struct FormView<'c> {
    name: &'c str,
    kind: &'c str,
    redirect_uris: &'c str,
    token_format: &'c str,
}

#[derive(Serialize)]
struct GrantChoice {
    value: &'static str,
    label: &'static str,
    hint: &'static str,
    checked: bool,
}

const GRANTS: [(GrantType, &str, &str); 3] = [
    (GrantType::AuthorizationCode, "Authorization code", "A user signs in and consents (with PKCE)."),
    (GrantType::RefreshToken, "Refresh token", "Goes on without asking the user again."),
    (GrantType::ClientCredentials, "Client credentials", "The app acts for itself. Confidential apps only."),
];

pub(super) async fn new(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    if refusal(&portal, &me).is_some() {
        return Ok(see_other("/apps"));
    }
    let form = AppForm {
        kind: ClientKind::Confidential.as_str().to_owned(),
        grant: "authorization_code refresh_token".to_owned(),
        token_format: TokenFormat::Opaque.as_str().to_owned(),
        once: Submission::new(&*portal.random).field().to_owned(),
        ..AppForm::default()
    };
    page(&portal, &me, None, &form, FieldErrors::default())
}

pub(super) async fn edit(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let uris: Vec<&str> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
    let form = AppForm {
        name: client.name.clone(),
        redirect_uris: uris.join("\n"),
        scope: client.scopes.to_string(),
        token_format: client.token_format.as_str().to_owned(),
        ..AppForm::default()
    };
    page(&portal, &me, Some(&client), &form, FieldErrors::default())
}

fn page(
    portal: &Portal,
    me: &SignedIn,
    client: Option<&Client>,
    form: &AppForm,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let at = client.map(|client| format!("/apps/{}", client.id));
    let chosen = |grant: GrantType| match client {
        Some(client) => client.may_use(grant),
        None => form.grant.split(' ').any(|name| name == grant.as_str()),
    };
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
            kind: &form.kind,
            redirect_uris: &form.redirect_uris,
            token_format: &form.token_format,
        },
        grants: GRANTS
            .iter()
            .filter(|(grant, ..)| client.is_none() || chosen(*grant))
            .map(|(grant, label, hint)| GrantChoice {
                value: grant.as_str(),
                label,
                hint,
                checked: chosen(*grant),
            })
            .collect(),
        resources: resources(portal.catalogue.apis(), &checked),
    };
    let template = "pages/apps/form.html";
    if again { portal.form_again(me, template, context) } else { portal.page(me, template, context) }
}

/// What was typed, understood.
struct Typed {
    name: String,
    redirect_uris: Vec<RedirectUri>,
    scopes: ScopeSet,
    token_format: TokenFormat,
}

fn understand(form: &AppForm) -> Result<Typed, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut redirect_uris = Vec::new();
    for line in form.redirect_uris.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.parse() {
            Ok(uri) => redirect_uris.push(uri),
            Err(error) => {
                let shown: String = line.chars().take(80).collect();
                errors.add("redirect_uris", format!("{shown}: {error}"));
            }
        }
    }
    let scopes = form.scope.parse().unwrap_or_else(|error| {
        errors.add("scope", format!("{error}"));
        ScopeSet::empty()
    });
    let token_format = form.token_format.parse().unwrap_or_else(|_| {
        errors.add("token_format", "Choose what access tokens look like.");
        TokenFormat::Opaque
    });
    errors.or(Typed { name: form.name.clone(), redirect_uris, scopes, token_format })
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
    let typed = understand(form)?;
    let mut errors = FieldErrors::default();
    let kind = match form.kind.parse() {
        Ok(kind @ (ClientKind::Public | ClientKind::Confidential)) => kind,
        Ok(ClientKind::ResourceServer) | Err(_) => {
            errors.add("kind", "Choose the type of the app.");
            ClientKind::Public
        }
    };
    let named = form.grant.split(' ').filter(|name| !name.is_empty());
    let grant_types = named.map(str::parse).collect::<Result<Vec<GrantType>, _>>().unwrap_or_else(|_| {
        errors.add("grant", "Choose from the ways that are listed.");
        Vec::new()
    });
    errors.or(NewClient {
        owner: me.owner,
        kind,
        audience: None,
        registration: None,
        profile: Profile {
            name: typed.name,
            auth_method: match kind {
                ClientKind::Public => AuthMethod::None,
                ClientKind::Confidential | ClientKind::ResourceServer => AuthMethod::ClientSecretBasic,
            },
            redirect_uris: typed.redirect_uris,
            grant_types,
            scopes: typed.scopes,
            token_format: typed.token_format,
            ..Profile::default()
        },
    })
}

pub(super) async fn save(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    form: CsrfForm<AppForm>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let form = form.0;
    let change = match understand(&form) {
        Ok(Typed { name, redirect_uris, scopes, token_format }) => {
            Profile { name, redirect_uris, scopes, token_format, ..Profile::of(&client) }
        }
        Err(errors) => return page(&portal, &me, Some(&client), &form, errors),
    };
    let (act, catalogue, owner, id) = (me.act(&portal), portal.catalogue.clone(), me.owner, client.id);
    let saved = portal.store.write(move |tx| clients::edit(tx, &act, &catalogue, owner, id, change)).await;
    match saved {
        Ok(_) => portal.redirect_with_flash(&me, &format!("/apps/{id}"), FlashKind::Ok, "Changes saved."),
        Err(error) => page(&portal, &me, Some(&client), &form, field_errors(error)?),
    }
}

/// What the person can mend, beside the field where they can; the rest is a page of its own.
fn field_errors(error: ClientError) -> Result<FieldErrors, PageError> {
    let text = error.to_string();
    let field = match error {
        ClientError::Name => "name",
        ClientError::RedirectUris | ClientError::NeedlessRedirectUris => "redirect_uris",
        ClientError::NoScopes | ClientError::UnknownScope(_) => "scope",
        ClientError::Mismatch(_) => "grant",
        ClientError::PostLogoutRedirectUris => "post_logout_redirect_uris",
        ClientError::BackchannelLogoutUri => "backchannel_logout_uri",
        ClientError::Website => "website",
        ClientError::NoKeys => "jwks",
        ClientError::TooMany | ClientError::TooManySecrets | ClientError::UnknownAudience(_) => "form",
        ClientError::NotFound => return Err(PageError::NotFound),
        ClientError::Store(error) => return Err(error.into()),
    };
    let mut letters = text.chars();
    let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
    Ok(FieldErrors::of(field, sentence.unwrap_or_default() + "."))
}
