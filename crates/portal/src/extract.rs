//! What handlers ask for: who is there, from where, and what they typed.

use std::net::IpAddr;
use std::ops::Deref;

use actix_session::{Session, SessionExt as _};
use actix_web::http::Method;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use keyway_core::ids::{EntityId, OwnerId, SessionId};
use keyway_guard::extract::client_address;
use keyway_store::StoreError;
use keyway_store::tables::audit::{Actor, ActorKind};
use keyway_store::tables::{accounts, owners};

use crate::error::PageError;
use crate::flows::Act;
use crate::render::ChromeUser;
use crate::session::{self, Origin, SessionView};
use crate::state::Portal;

pub use crate::form::CsrfForm;

/// The signed-in person, as the database has them now.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their owner.
    pub owner: OwnerId,
    /// Their address.
    pub email: String,
    /// Whether it was shown to be theirs.
    pub email_verified: bool,
    /// Their name.
    pub name: String,
    /// Whether they administer the portal.
    pub is_admin: bool,
}

impl Person {
    pub(crate) fn chrome(&self) -> ChromeUser {
        ChromeUser { name: self.name.clone(), email: self.email.clone(), is_admin: self.is_admin }
    }
}

/// Whoever looks at a page, signed in or not.
#[derive(Clone)]
pub struct Visitor {
    /// The session itself, for [`crate::session`].
    pub session: Session,
    /// What it says.
    pub view: SessionView,
    /// Who is signed in.
    pub person: Option<Person>,
    /// The request's path.
    pub path: String,
    /// From where.
    pub origin: Origin,
    /// Whether a page that follows along fetches itself again.
    pub is_part: bool,
}

impl Visitor {
    /// The session's id.
    pub const fn session_id(&self) -> SessionId {
        self.view.id
    }
    /// An act of theirs, now.
    pub fn act(&self, portal: &Portal) -> Act {
        let actor = match &self.person {
            Some(person) => Actor::person(person.owner, &person.email),
            None => Actor { kind: ActorKind::Person, id: None, label: "nobody signed in".to_owned() },
        };
        self.act_as(portal, actor)
    }
    /// An act of `actor`, now, from where the visitor is.
    pub fn act_as(&self, portal: &Portal, actor: Actor) -> Act {
        portal.act(actor, self.origin.address)
    }
}

fn portal(request: &HttpRequest) -> Result<web::Data<Portal>, PageError> {
    let missing = || PageError::Internal("the portal is not among the application's data".into());
    request.app_data::<web::Data<Portal>>().cloned().ok_or_else(missing)
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (session, path, portal) = (request.get_session(), request.path().to_owned(), portal(request));
        let user_agent = request.headers().get(USER_AGENT).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let is_part = request.headers().contains_key("keyway-part");
        let address = ClientAddress::of(request);
        Box::pin(async move {
            let (portal, ClientAddress(address)) = (portal?, address?);
            let mut view = SessionView::of(&session, portal.now(), &*portal.random)?;
            let mut person = None;
            if let Some(owner) = view.owner {
                person = portal.store.read(move |conn| find_person(conn, owner)).await?;
                if person.is_none() {
                    view = session::sign_out(&session, portal.now(), &*portal.random)?;
                }
            }
            Ok(Self { session, view, person, path, origin: Origin { address, user_agent }, is_part })
        })
    }
}

fn find_person(conn: &mut keyway_store::Conn, owner: OwnerId) -> Result<Option<Person>, StoreError> {
    let Some(row) = owners::find(conn, owner)?.filter(|row| row.suspended_at.is_none()) else {
        return Ok(None);
    };
    Ok(accounts::find(conn, owner)?.map(|account| Person {
        owner,
        email: account.email,
        email_verified: account.email_verified_at.is_some(),
        name: row.name,
        is_admin: account.is_admin,
    }))
}

/// Somebody who is signed in; others are sent to `/sign-in` and brought back.
#[derive(Clone)]
pub struct SignedIn {
    /// Their owner.
    pub owner: OwnerId,
    /// Their address.
    pub email: String,
    /// Whether it was shown to be theirs.
    pub email_verified: bool,
    /// Their name.
    pub name: String,
    /// Whether they administer the portal.
    pub is_admin: bool,
    /// The session's id.
    pub session_id: SessionId,
    visitor: Visitor,
}

impl SignedIn {
    /// Whether they may hold live credentials, and register and authorise apps.
    pub fn may_go_live(&self, portal: &Portal) -> bool {
        portal.settings.verify_email.allows_live(self.email_verified)
    }
}

impl Deref for SignedIn {
    type Target = Visitor;
    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (visitor, return_to) = (Visitor::from_request(request, payload), return_to(request));
        Box::pin(async move {
            let visitor = visitor.await?;
            let person = visitor.person.clone().ok_or(PageError::SignIn { return_to })?;
            Ok(Self {
                owner: person.owner,
                email: person.email,
                email_verified: person.email_verified,
                name: person.name,
                is_admin: person.is_admin,
                session_id: visitor.session_id(),
                visitor,
            })
        })
    }
}

/// Somebody who has shown within ten minutes who they are; others are sent to `/fresh` and brought back.
#[derive(Clone)]
pub struct Fresh(SignedIn);

impl Deref for Fresh {
    type Target = SignedIn;
    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequest for Fresh {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (me, portal, return_to) =
            (SignedIn::from_request(request, payload), portal(request), return_to(request));
        Box::pin(async move {
            let (me, portal) = (me.await?, portal?);
            if me.view.is_fresh(portal.now()) { Ok(Self(me)) } else { Err(PageError::Confirm { return_to }) }
        })
    }
}

/// An administrator who has shown within ten minutes who they are.
#[derive(Clone)]
pub struct Admin(Fresh);

impl Deref for Admin {
    type Target = Fresh;
    fn deref(&self) -> &Fresh {
        &self.0
    }
}

impl FromRequest for Admin {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (me, fresh) = (SignedIn::from_request(request, payload), Fresh::from_request(request, payload));
        Box::pin(async move {
            if !me.await?.is_admin {
                return Err(PageError::Forbidden("This page is for administrators."));
            }
            fresh.await.map(Self)
        })
    }
}

/// Where to come back to: the page itself, or the page whose form was sent.
fn return_to(request: &HttpRequest) -> String {
    if request.method() == Method::GET {
        return request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
    }
    page_of_form(request.path()).to_owned()
}

/// The form of `/keys/<id>/revoke` stands on `/keys/<id>`, that of `/settings/password` on itself.
fn page_of_form(path: &str) -> &str {
    let mut end = 0;
    for segment in path.split_inclusive('/') {
        end += segment.len();
        if segment.trim_end_matches('/').parse::<EntityId>().is_ok() {
            return path.get(..end).unwrap_or(path).trim_end_matches('/');
        }
    }
    path
}

/// The longest path that is come back to, in bytes: an authorization request with the longest `state` and `nonce`.
const MAX_PATH: usize = 16_000;

/// A path of ours to come back to, or none: never another host, never a scheme.
pub fn own_path(text: &str) -> Option<&str> {
    let plain = text.len() <= MAX_PATH && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let own = text.starts_with('/') && !text.starts_with("//");
    // However a browser reads it, it must stay here.
    let base = url::Url::parse("https://portal.invalid").ok()?;
    let stays = base.join(text).is_ok_and(|url| url.origin() == base.origin());
    (plain && own && stays).then_some(text)
}

/// The client's address: the connection's, or what a trusted proxy says (the nearest that is not one itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Of a request.
    ///
    /// # Errors
    /// When the application has no portal among its data.
    pub fn of(request: &HttpRequest) -> Result<Self, PageError> {
        let portal = portal(request)?;
        let lines = request.headers().get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
        let forwarded: Vec<&str> = lines.collect();
        let peer = request.peer_addr().map(|peer| peer.ip());
        let address = client_address(peer, forwarded.into_iter(), &portal.settings.trusted_proxies);
        Ok(Self(address.unwrap_or(IpAddr::from([0, 0, 0, 0]))))
    }
}

impl FromRequest for ClientAddress {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_come_back_to() {
        for good in ["/", "/keys?page=2", "/oauth/authorize?redirect_uri=http%3A%2F%2Fa"] {
            assert_eq!(own_path(good), Some(good));
        }
        let bad =
            ["", "keys", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"];
        for bad in bad.into_iter().chain(["/ä", "\\/evil.example", "javascript:alert(1)", "/a b"]) {
            assert_eq!(own_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_form_leads_back_to_the_page_it_stands_on() {
        let id = "01a20c86-acdc-7453-98eb-30947a507866";
        assert_eq!(page_of_form(&format!("/keys/{id}/revoke")), format!("/keys/{id}"));
        assert_eq!(page_of_form(&format!("/apps/{id}/secrets/{id}/revoke")), format!("/apps/{id}"));
        assert_eq!(page_of_form(&format!("/apps/{id}")), format!("/apps/{id}"));
        assert_eq!(page_of_form("/settings/password"), "/settings/password");
    }
}
