//! Browser sessions: `actix-session` over the store's table, so that any can be ended at once.
//!
//! A session begins anonymous, when a form is first shown. Signing in, confirming who one is and signing out each
//! give it a new cookie; its id, to which grants and lists refer, changes only when another person may be behind it.

use std::collections::HashMap;
use std::net::IpAddr;

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::secret::SecretDigest;
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::sessions::{self, Session as Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::csrf::CsrfToken;
use crate::settings::PublicUrl;
use crate::state::Portal;

/// A session that is not used for so long has ended.
pub const IDLE: Duration = Duration::days(7);
/// A session ends after so long, however much it is used.
pub const LIFETIME: Duration = Duration::days(30);
/// The session of an anonymous form.
const ANONYMOUS_LIFETIME: Duration = Duration::days(1);
/// How long who has just shown who they are need not show it again.
pub const FRESH: Duration = Duration::minutes(10);
/// Use is noted at most so often.
const TOUCH: Duration = Duration::minutes(1);
const MAX_USER_AGENT: usize = 256;

tokio::task_local! {
    /// Set while a request is answered that nobody made: see [`unattended`].
    static UNATTENDED: ();
}

/// Around [`middleware`]: what an open page asks for by itself does not keep its session from being idle.
///
/// # Errors
/// Those of what it wraps.
pub async fn unattended<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if request.path() == "/live" || request.headers().contains_key("keyway-part") {
        UNATTENDED.scope((), next.call(request)).await
    } else {
        next.call(request).await
    }
}

type State = HashMap<String, String>;

const ID: &str = "id";
const OWNER: &str = "owner";
const CSRF: &str = "csrf";
const SINCE: &str = "since";
const CONFIRMED: &str = "confirmed";
const SIGNED_IN: &str = "signed_in";
const BY: &str = "by";
const ADDRESS: &str = "address";
const USER_AGENT: &str = "user_agent";

/// The middleware for everything that shows pages.
pub fn middleware(portal: web::Data<Portal>) -> SessionMiddleware<Rows> {
    let public = &portal.settings.public_url;
    let (name, https) = (cookie_name("session", public), public.is_https());
    let key = Key::from(&portal.secrets.cookie_key);
    SessionMiddleware::builder(Rows { portal }, key)
        .cookie_name(name)
        .cookie_secure(https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(
            PersistentSession::default().session_ttl(CookieDuration::seconds(LIFETIME.as_seconds())),
        )
        .build()
}

/// A cookie's name: bound to the host under https, else telling apart issuers on one host.
pub fn cookie_name(what: &str, public: &PublicUrl) -> String {
    if public.is_https() {
        format!("__Host-keyway_{what}")
    } else {
        format!("keyway_{what}_{}", public.short_hash())
    }
}

/// What a session says, read once.
#[derive(Clone)]
pub struct SessionView {
    /// Its id in lists and grants.
    pub id: SessionId,
    /// Who is signed in.
    pub owner: Option<OwnerId>,
    /// Its form token.
    pub csrf: CsrfToken,
    /// When the person last showed who they are, as far as the portal knows for sure.
    pub confirmed_at: Option<Timestamp>,
    /// When the person last signed in (the `auth_time` of OpenID Connect Core §2).
    pub signed_in_at: Option<Timestamp>,
    /// By what.
    pub signed_in_by: SignedInBy,
}

/// By what somebody signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedInBy {
    /// A password, or a link sent to the account's address.
    #[default]
    Password,
    /// An account elsewhere.
    Provider,
}

impl SignedInBy {
    /// The methods as RFC 8176 names them, with single spaces between: it has no name for another provider's word.
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Provider => "",
        }
    }
}

/// What somebody has just shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When they signed in.
    pub signed_in_at: Timestamp,
    /// When they showed who they are; none where a provider vouched for them and did not say.
    pub confirmed_at: Option<Timestamp>,
    /// By what.
    pub by: SignedInBy,
}

impl Proof {
    /// A password, or a link sent by mail, at this moment.
    pub const fn here(now: Timestamp) -> Self {
        Self { signed_in_at: now, confirmed_at: Some(now), by: SignedInBy::Password }
    }

    /// A provider's word, and when it says that the person signed in there (`auth_time`).
    pub fn elsewhere(auth_time: Option<Timestamp>, now: Timestamp) -> Self {
        let at = auth_time.map(|at| at.min(now));
        Self { signed_in_at: at.unwrap_or(now), confirmed_at: at, by: SignedInBy::Provider }
    }
}

impl SessionView {
    /// Reads the session; one without a form token begins now, anonymous.
    ///
    /// # Errors
    /// When its state cannot be written, which is a fault of the program.
    pub fn of(session: &Session, now: Timestamp, random: &dyn Random) -> Result<Self, StateError> {
        if let Some(view) = Self::read(session) {
            return Ok(view);
        }
        session.clear();
        begin(session, now, random)
    }

    /// Reads the session, if it has begun.
    pub fn read(session: &Session) -> Option<Self> {
        Some(Self {
            id: get::<SessionId>(session, ID)?,
            owner: get::<OwnerId>(session, OWNER),
            csrf: CsrfToken::from_text(&get::<String>(session, CSRF)?)?,
            confirmed_at: get::<Timestamp>(session, CONFIRMED),
            signed_in_at: get::<Timestamp>(session, SIGNED_IN),
            signed_in_by: get::<SignedInBy>(session, BY).unwrap_or_default(),
        })
    }

    /// Whether the person showed who they are within the last ten minutes.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.confirmed_at.is_some_and(|at| now.since(at) <= FRESH)
    }
}

/// The state of a session could not be read or written: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the session's state cannot be written")]
pub struct StateError;

fn get<T: DeserializeOwned>(session: &Session, key: &str) -> Option<T> {
    session.get(key).ok().flatten()
}

fn put(session: &Session, key: &str, value: impl Serialize) -> Result<(), StateError> {
    session.insert(key, value).map_err(|_| StateError)
}

fn begin(session: &Session, now: Timestamp, random: &dyn Random) -> Result<SessionView, StateError> {
    let view = SessionView {
        id: SessionId::new(now, random),
        owner: None,
        csrf: CsrfToken::new(random),
        confirmed_at: None,
        signed_in_at: None,
        signed_in_by: SignedInBy::default(),
    };
    put(session, ID, view.id)?;
    put(session, CSRF, view.csrf.to_text())?;
    put(session, SINCE, now)?;
    Ok(view)
}

/// From where a session is used, for the list that its person sees.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

/// Signs a person in: another cookie, another id, another form token. What the session held before is gone.
///
/// # Errors
/// When its state cannot be written.
pub fn sign_in(
    session: &Session,
    owner: OwnerId,
    from: &Origin,
    proof: &Proof,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SessionId, StateError> {
    session.clear();
    session.renew();
    let view = begin(session, now, random)?;
    put(session, OWNER, owner)?;
    note(session, proof)?;
    put(session, ADDRESS, from.address)?;
    if let Some(agent) = &from.user_agent {
        put(session, USER_AGENT, agent.chars().take(MAX_USER_AGENT).collect::<String>())?;
    }
    Ok(view.id)
}

/// Notes that the person has just shown who they are, and gives another cookie.
///
/// # Errors
/// When its state cannot be written.
pub fn confirm(session: &Session, proof: &Proof) -> Result<(), StateError> {
    session.renew();
    note(session, proof)
}

fn note(session: &Session, proof: &Proof) -> Result<(), StateError> {
    if let Some(at) = proof.confirmed_at {
        put(session, CONFIRMED, at)?;
    }
    put(session, SIGNED_IN, proof.signed_in_at)?;
    put(session, BY, proof.by)
}

/// Signs out: another cookie, and an anonymous session.
///
/// # Errors
/// When its state cannot be written.
pub fn sign_out(session: &Session, now: Timestamp, random: &dyn Random) -> Result<SessionView, StateError> {
    session.clear();
    session.renew();
    begin(session, now, random)
}

/// Keeps a value in the session.
///
/// # Errors
/// When its state cannot be written.
pub fn keep(session: &Session, key: &'static str, value: impl Serialize) -> Result<(), StateError> {
    put(session, key, value)
}

/// Takes a value that was kept out of the session.
pub fn take<T: DeserializeOwned>(session: &Session, key: &'static str) -> Option<T> {
    session.remove_as(key)?.ok()
}

/// Sessions as rows of the store.
pub struct Rows {
    portal: web::Data<Portal>,
}

impl Rows {
    async fn put_in(&self, state: &State) -> Result<SessionKey, SaveError> {
        let mut bytes = [0_u8; 32];
        self.portal.random.fill(&mut bytes);
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let row = row(state, SecretDigest::of(value.as_bytes()), self.portal.clock.now())
            .map_err(|error| SaveError::Serialization(error.into()))?;
        self.portal
            .store
            .write(move |tx| sessions::insert(tx.conn(), &row))
            .await
            .map_err(|error: StoreError| SaveError::Other(error.into()))?;
        value.try_into().map_err(|_| SaveError::Serialization(StateError.into()))
    }
}

fn row(state: &State, digest: SecretDigest, now: Timestamp) -> Result<Row, StateError> {
    fn read<T: DeserializeOwned>(state: &State, key: &str) -> Option<T> {
        serde_json::from_str(state.get(key)?).ok()
    }
    let owner_id = read::<OwnerId>(state, OWNER);
    let created_at = read::<Timestamp>(state, SINCE).ok_or(StateError)?;
    let lifetime = if owner_id.is_some() { LIFETIME } else { ANONYMOUS_LIFETIME };
    Ok(Row {
        digest,
        id: read(state, ID).ok_or(StateError)?,
        owner_id,
        state: serde_json::to_string(state).map_err(|_| StateError)?,
        created_at,
        last_seen_at: now,
        expires_at: created_at + lifetime,
        address: read(state, ADDRESS),
        user_agent: read(state, USER_AGENT),
    })
}

impl SessionStore for Rows {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let digest = SecretDigest::of(key.as_ref().as_bytes());
        let failed = |error: StoreError| LoadError::Other(error.into());
        let found =
            self.portal.store.read(move |conn| sessions::find(conn, &digest)).await.map_err(failed)?;
        let now = self.portal.clock.now();
        let Some(row) = found.filter(|row| row.expires_at > now && now.since(row.last_seen_at) < IDLE) else {
            return Ok(None);
        };
        if now.since(row.last_seen_at) >= TOUCH && UNATTENDED.try_with(|()| ()).is_err() {
            self.portal
                .store
                .write(move |tx| sessions::touch(tx.conn(), &digest, now))
                .await
                .map_err(failed)?;
        }
        serde_json::from_str(&row.state).map(Some).map_err(|error| LoadError::Deserialization(error.into()))
    }

    async fn save(&self, state: State, _ttl: &CookieDuration) -> Result<SessionKey, SaveError> {
        self.put_in(&state).await
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        let digest = SecretDigest::of(key.as_ref().as_bytes());
        let text = serde_json::to_string(&state).map_err(|error| UpdateError::Serialization(error.into()))?;
        let now = self.portal.clock.now();
        // One that was ended meanwhile stays ended.
        self.portal
            .store
            .write(move |tx| sessions::update_state(tx.conn(), &digest, &text, now))
            .await
            .map_err(|error: StoreError| UpdateError::Other(error.into()))?;
        Ok(key)
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &CookieDuration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        let digest = SecretDigest::of(key.as_ref().as_bytes());
        self.portal
            .store
            .write(move |tx| sessions::delete(tx.conn(), &digest))
            .await
            .map_err(|e: StoreError| e.into())
            .map(|_gone| ())
    }
}
