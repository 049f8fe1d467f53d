//! What happens when a provider has said who it is: sign in, sign up, connect, confirm.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::OwnerId;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::connections::Connection;

use super::refused::{Refusal, refuse};
use crate::error::PageError;
use crate::extract::{Visitor, own_path};
use crate::flows::accounts::{Candidate, NewAccount, SignInError, find_candidate};
use crate::flows::connections::{
    self as flow, ConfirmError, ConnectError, Connected, Found, Keeping, SignUpThereError, SignedInThere,
};
use crate::flows::{inputs, throttle};
use crate::known;
use crate::pages::letters::{self, Addressee};
use crate::pages::sign_in::{end_session, verify_first, welcome};
use crate::pages::sign_up::check_mail;
use crate::providers::{Identity, Provider};
use crate::render::FlashKind;
use crate::session::{self, Proof};
use crate::settings::VerifyEmail;
use crate::state::{Portal, see_other};

/// Somebody whom a provider vouches for.
pub(super) struct Arrival {
    pub(super) provider: Arc<Provider>,
    pub(super) identity: Identity,
    /// Where they want to go.
    pub(super) return_to: String,
}

impl Arrival {
    fn keeping(&self, portal: &Portal) -> Keeping {
        Keeping {
            provider: Arc::clone(&self.provider),
            identity: self.identity.clone(),
            master_key: portal.master_key.as_ref().clone(),
        }
    }

    fn name(&self) -> &str {
        self.provider.definition().label()
    }

    /// Signs in who is connected; makes an account for who is not known.
    pub(super) async fn sign_in(
        self,
        portal: &Portal,
        visitor: &Visitor,
        request: &HttpRequest,
    ) -> Result<HttpResponse, PageError> {
        let (provider, identity) = (Arc::clone(&self.provider), self.identity.clone());
        let policy = portal.settings.verify_email;
        let found: Result<_, StoreError> =
            portal.store.read(move |conn| flow::find(conn, provider.definition(), policy, &identity)).await;
        match found? {
            Found::Connected(found) => {
                let (connection, holder) = *found;
                self.let_in(portal, visitor, request, &connection, holder).await
            }
            Found::Clash => refuse(portal, visitor, &self.provider, &Refusal::Clash),
            Found::Nobody => self.sign_up(portal, visitor).await,
        }
    }

    async fn let_in(
        self,
        portal: &Portal,
        visitor: &Visitor,
        request: &HttpRequest,
        connection: &Connection,
        holder: Candidate,
    ) -> Result<HttpResponse, PageError> {
        let Candidate { account, owner } = holder;
        let known = account.last_sign_in_at.is_none() || known::mark(portal, request, owner.id).is_some();
        let notice = match known {
            true => None,
            false => Some(letters::new_sign_in(portal, &owner.name, &visitor.origin)?),
        };
        let who = SignedInThere { connection: connection.id, keeping: self.keeping(portal), notice };
        let act = visitor.act_as(portal, Actor::person(owner.id, &account.email));
        let policy = portal.settings.verify_email;
        match portal.store.write(move |tx| flow::sign_in(tx, &act, policy, &who)).await {
            Ok(()) => {}
            Err(SignInError::Changed) => {
                return refuse(portal, visitor, &self.provider, &Refusal::NotBegunHere);
            }
            Err(SignInError::Suspended) => {
                return refuse(portal, visitor, &self.provider, &Refusal::Suspended);
            }
            Err(SignInError::Unverified) => {
                let to = Addressee { owner: owner.id, name: &owner.name, email: &account.email };
                return verify_first(portal, visitor, &to).await;
            }
            Err(SignInError::Store(error)) => return Err(error.into()),
        }
        portal.mail_bell.ring();
        if let Some(before) = visitor.person.as_ref().filter(|person| person.owner != owner.id) {
            end_session(portal, visitor, before.owner).await?;
        }
        self.welcome(portal, visitor, owner.id)
    }

    fn welcome(&self, portal: &Portal, visitor: &Visitor, owner: OwnerId) -> Result<HttpResponse, PageError> {
        let proof = Proof::elsewhere(self.identity.auth_time, portal.now());
        welcome(portal, visitor, owner, &proof, self.provider.definition().id.as_str(), &self.return_to)
    }

    async fn sign_up(self, portal: &Portal, visitor: &Visitor) -> Result<HttpResponse, PageError> {
        let definition = self.provider.definition();
        if !definition.sign_up {
            return refuse(portal, visitor, &self.provider, &Refusal::NoSignUp);
        }
        if !definition.admits(self.identity.email.as_ref()) {
            return refuse(portal, visitor, &self.provider, &Refusal::Domain);
        }
        let Some(email) = self.identity.email.clone() else {
            return refuse(portal, visitor, &self.provider, &Refusal::NoAddress);
        };
        let (limit, from, now) = (portal.settings.limits.sign_in, visitor.origin.address, portal.now());
        let spent: Result<_, StoreError> =
            portal.store.write(move |tx| throttle::spend(tx.conn(), limit, "sign-up", from, now)).await;
        if let Err(retry_after) = spent? {
            return Err(PageError::TooMany { retry_after });
        }
        let id = OwnerId::new(now, &*portal.random);
        let given = self.identity.name.as_deref().unwrap_or(&self.identity.account);
        let new = NewAccount {
            id,
            name: inputs::name(given).unwrap_or_else(|_| email.address.to_string()),
            email: email.address,
            password: None,
            verified: email.verified,
            is_admin: false,
        };
        if !email.verified && portal.settings.verify_email != VerifyEmail::Never {
            return self.sign_up_to_verify(portal, visitor, new).await;
        }
        let act = visitor.act_as(portal, Actor::person(id, new.email.as_str()));
        let (policy, keeping) = (portal.settings.verify_email, self.keeping(portal));
        match portal.store.write(move |tx| flow::sign_up(tx, &act, policy, &new, &keeping)).await {
            Ok(()) => self.welcome(portal, visitor, id),
            Err(SignUpThereError::Taken) => refuse(portal, visitor, &self.provider, &Refusal::Clash),
            Err(SignUpThereError::Store(error)) => Err(error.into()),
        }
    }

    /// From here on the answer is the same for every address: the provider has not verified it.
    async fn sign_up_to_verify(
        self,
        portal: &Portal,
        visitor: &Visitor,
        new: NewAccount,
    ) -> Result<HttpResponse, PageError> {
        let to = Addressee { owner: new.id, name: &new.name, email: new.email.as_str() };
        let (link, verification) = letters::verification(portal, &to, Some(visitor.session_id()))?;
        let email = new.email.clone();
        let asked = email.clone();
        let holder: Result<_, StoreError> =
            portal.store.read(move |conn| find_candidate(conn, asked.as_str())).await;
        let holder_name = holder?.map_or_else(|| new.name.clone(), |holder| holder.owner.name);
        let already = letters::already_registered(portal, &holder_name)?;
        let act = visitor.act_as(portal, Actor::person(new.id, new.email.as_str()));
        let keeping = self.keeping(portal);
        let made = portal
            .store
            .write(move |tx| {
                flow::sign_up_to_verify(tx, &act, &new, &keeping, &link, &verification, &already)
            })
            .await;
        match made {
            Ok(()) | Err(SignUpThereError::Taken) => {}
            Err(SignUpThereError::Store(error)) => return Err(error.into()),
        }
        portal.mail_bell.ring();
        check_mail(portal, visitor, &email, "verify")
    }

    /// Connects it with the account that is signed in.
    pub(super) async fn connect(
        self,
        portal: &Portal,
        visitor: &Visitor,
        owner: OwnerId,
    ) -> Result<HttpResponse, PageError> {
        let name = visitor.person.as_ref().map(|person| person.name.clone()).unwrap_or_default();
        let letter = letters::connection(portal, &name, self.name(), &self.identity.account, true)?;
        let (act, keeping) = (visitor.act(portal), self.keeping(portal));
        let why = match portal.store.write(move |tx| flow::connect(tx, &act, owner, &keeping, &letter)).await
        {
            Ok(connected) => {
                portal.mail_bell.ring();
                let text = match connected {
                    Connected::Now => format!("{} is connected: you can sign in with it.", self.name()),
                    Connected::Again => format!("{} is connected again.", self.name()),
                };
                return portal.redirect_with_flash(visitor, "/connections", FlashKind::Ok, text);
            }
            Err(ConnectError::Elsewhere) => Refusal::Elsewhere,
            Err(ConnectError::Another) => Refusal::Another,
            Err(ConnectError::Gone) => Refusal::NotBegunHere,
            Err(ConnectError::Store(error)) => return Err(error.into()),
        };
        refuse(portal, visitor, &self.provider, &why)
    }

    /// Notes that who is signed in has just signed in there.
    pub(super) async fn confirm(
        self,
        portal: &Portal,
        visitor: &Visitor,
        owner: OwnerId,
    ) -> Result<HttpResponse, PageError> {
        let Some(auth_time) = self.identity.auth_time else {
            return refuse(portal, visitor, &self.provider, &Refusal::Unproven);
        };
        let (act, provider, identity) =
            (visitor.act(portal), Arc::clone(&self.provider), self.identity.clone());
        let done = portal
            .store
            .write(move |tx| flow::confirm(tx, &act, owner, provider.definition(), &identity))
            .await;
        match done {
            Ok(()) => {
                session::confirm(&visitor.session, &Proof::elsewhere(Some(auth_time), portal.now()))?;
                Ok(see_other(own_path(&self.return_to).unwrap_or("/")))
            }
            Err(ConfirmError::Another) => refuse(portal, visitor, &self.provider, &Refusal::NotYou),
            Err(ConfirmError::Store(error)) => Err(error.into()),
        }
    }
}
