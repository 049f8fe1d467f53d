//! What every handler shares, and the ways to answer with a page.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use keyway_core::audience::Catalogue;
use keyway_core::credential::Shapes;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Random, Timestamp};
use keyway_guard::Guard;
use keyway_store::Store;
use keyway_store::seal::MasterKey;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::connections::DemoIdentities;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::PageError;
use crate::extract::Visitor;
use crate::flows::Act;
use crate::flows::notices::Notices;
use crate::flows::tokens::Issuance;
use crate::live::Listeners;
use crate::mail::MailBell;
use crate::metrics::Metrics;
use crate::oauth::known_clients::KnownClients;
use crate::oauth::limits::EndpointLimits;
use crate::outgoing::Outgoing;
use crate::outside::Outside;
use crate::passwords::PasswordPool;
use crate::providers::Registry;
use crate::render::{Chrome, Flash, FlashKind, Renderer};
use crate::session;
use crate::settings::Settings;

/// What every handler shares; reached as `web::Data<Portal>`.
pub struct Portal {
    /// The database.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Pages, mails and static files.
    pub renderer: Renderer,
    /// The APIs and their scopes.
    pub catalogue: Arc<Catalogue>,
    /// How credentials look.
    pub shapes: Arc<Shapes>,
    /// What the portal was told.
    pub settings: Settings,
    /// Where passwords are hashed.
    pub passwords: PasswordPool,
    /// Seals what must be read back.
    pub master_key: Arc<MasterKey>,
    /// Keys of the portal's own cookies.
    pub secrets: CookieSecrets,
    /// How often OAuth's endpoints may be called.
    pub limits: EndpointLimits,
    /// Protects the management API.
    pub guard: Guard,
    /// The clients that asked for tokens, or about them, lately.
    pub known_clients: KnownClients,
    /// Pages that follow along.
    pub live: Listeners,
    /// Wakes who sends mails.
    pub mail_bell: MailBell,
    /// Speaks to other hosts.
    pub outgoing: Outgoing,
    /// Verifies tokens of trusted issuers.
    pub outside: Arc<Outside>,
    /// Other providers that people sign in with.
    pub providers: Registry,
    /// What is counted.
    pub metrics: Metrics,
    /// Makes access and refresh tokens.
    pub issuance: Issuance,
}

/// Keys derived from the master key, one a purpose.
pub struct CookieSecrets {
    /// Signs the session's cookie.
    pub(crate) cookie_key: Zeroizing<Vec<u8>>,
    /// Marks browsers in which somebody has signed in.
    pub(crate) known_browser: Zeroizing<[u8; 32]>,
}

impl CookieSecrets {
    /// Derives them.
    pub fn derive(master: &MasterKey) -> Self {
        let (a, b) = (master.derive("session cookie 1"), master.derive("session cookie 2"));
        let cookie_key = Zeroizing::new([a.as_slice(), b.as_slice()].concat());
        Self { cookie_key, known_browser: master.derive("known browser") }
    }
}

impl Portal {
    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An act of `actor`, now, from `address`.
    pub fn act(&self, actor: Actor, address: IpAddr) -> Act {
        Act { now: self.now(), random: Arc::clone(&self.random), actor, address: Some(address) }
    }

    /// Tells people by mail what happens to what is theirs.
    pub fn notices(&self) -> Notices {
        Notices::new(&self.renderer, self.settings.public_url.as_str(), self.settings.demo)
    }

    /// Whether identities of the demo provider count here.
    pub const fn demo_identities(&self) -> DemoIdentities {
        if self.settings.dev { DemoIdentities::Counted } else { DemoIdentities::Ignored }
    }

    /// A page for a visitor, with what the last form did, if that has not been shown.
    ///
    /// # Errors
    /// When the template or its context is at fault.
    pub fn page(
        &self,
        visitor: &Visitor,
        template: &str,
        context: impl Serialize,
    ) -> Result<HttpResponse, PageError> {
        self.page_with_status(StatusCode::OK, visitor, template, context)
    }

    /// The page of a form that was not accepted: status 422, what was typed still in it.
    ///
    /// # Errors
    /// When the template or its context is at fault.
    pub fn form_again(
        &self,
        visitor: &Visitor,
        template: &str,
        context: impl Serialize,
    ) -> Result<HttpResponse, PageError> {
        self.page_with_status(StatusCode::UNPROCESSABLE_ENTITY, visitor, template, context)
    }

    /// A page with another status.
    ///
    /// # Errors
    /// When the template or its context is at fault.
    pub fn page_with_status(
        &self,
        status: StatusCode,
        visitor: &Visitor,
        template: &str,
        context: impl Serialize,
    ) -> Result<HttpResponse, PageError> {
        // A page that fetches itself again shows parts alone: what the last form did waits for a whole page.
        let flash = if visitor.is_part { None } else { session::take::<Flash>(&visitor.session, FLASH) };
        let chrome = Chrome {
            csrf: visitor.view.csrf.masked(&*self.random),
            user: visitor.person.as_ref().map(crate::extract::Person::chrome),
            path: visitor.path.clone(),
            flash,
            dev: self.settings.dev,
            now: self.now(),
        };
        let html = self.renderer.render(template, context, &chrome)?;
        Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html))
    }

    /// Sends the browser to a page of ours after a form (303), where `text` is shown once.
    ///
    /// # Errors
    /// When the session cannot keep it.
    pub fn redirect_with_flash(
        &self,
        visitor: &Visitor,
        to: &str,
        kind: FlashKind,
        text: impl Into<String>,
    ) -> Result<HttpResponse, PageError> {
        session::keep(&visitor.session, FLASH, Flash { kind, text: text.into() })?;
        Ok(see_other(to))
    }

    /// The text of a link into the portal that carries a secret.
    pub fn link(&self, path: &str, token: &PlainSecret) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{path}?token={}", self.settings.public_url, token.expose()))
    }
}

const FLASH: &str = "flash";

/// An address with further parameters in its query.
pub fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let glue = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{glue}{}", query.finish())
}

/// Sends the browser to another page, to be fetched with GET (303).
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, to)).insert_header((CACHE_CONTROL, "no-store")).finish()
}
