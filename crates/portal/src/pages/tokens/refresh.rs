//! `POST /tokens/{id}/refresh`: the next pair, from the page that shows this one.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::ids::{ClientId, FamilyId};
use keyway_core::secret::PlainSecret;
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::{clients, refresh_tokens};
use keyway_store::{Conn, StoreError, Tx};
use serde::Deserialize;

use super::{failed, own_family, refusal};
use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::shown::{self, Destination, Submission};
use crate::flows::tokens::TokenError;
use crate::flows::tokens::refresh::{self, Presented};
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

#[derive(Deserialize)]
pub(super) struct RefreshForm {
    #[serde(default)]
    refresh_token: String,
}

pub(super) async fn refresh(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    form: CsrfForm<RefreshForm>,
) -> Result<HttpResponse, PageError> {
    if let Some(text) = refusal(&portal, &me) {
        return Err(PageError::Forbidden(text));
    }
    let family = own_family(&portal, me.owner, &id).await?;
    let token = PlainSecret::new(form.0.refresh_token);
    let (of, now, repeat) = (family.id, portal.now(), portal.issuance.refresh_repeat);
    let found: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let usable = is_usable(conn, &token, of, now, repeat)?;
            Ok((clients::find(conn, ClientId::CLI)?.filter(|_| usable), token))
        })
        .await;
    let (Some(client), token) = found? else {
        let text = "That refresh token was used already, or its time is over.";
        return portal.redirect_with_flash(&me, "/tokens", FlashKind::Refused, text);
    };
    let presented = Presented { token, client, scope: None, resource: None, proven: None };
    let act = me.act(&portal);
    let given = refresh::run(&portal.store, &portal.issuance, act.clone(), presented, portal.notices()).await;
    let answer = match given {
        Ok(answer) => answer,
        Err(TokenError::Oauth(error)) => {
            portal.mail_bell.ring();
            return portal.redirect_with_flash(&me, "/tokens", FlashKind::Refused, error.to_string());
        }
        Err(error @ (TokenError::Store(_) | TokenError::Key(_))) => return Err(failed(error)),
    };
    let submission = Submission::new(&*portal.random);
    let to = Destination { owner: me.owner, session: me.session_id, target: family.id.entity() };
    let write = move |tx: &mut Tx<'_>| {
        let pair = PlainSecret::new(answer.expose());
        shown::put(tx, act.now, &*act.random, &submission, to, &pair)
    };
    let key = portal.store.write(write).await?;
    let mut page = see_other(&format!("/tokens/{}/shown", family.id));
    shown_cookie::set(&portal, &mut page, &key)?;
    Ok(page)
}

/// Whether a token of this family gives a pair. One that was spent is not presented again, except by a form that was
/// sent twice: whoever is signed in here is no thief, and a page left open is no theft.
fn is_usable(
    conn: &mut Conn,
    token: &PlainSecret,
    family: FamilyId,
    now: Timestamp,
    repeat: Duration,
) -> Result<bool, StoreError> {
    let found = refresh_tokens::find(conn, token.digest())?.filter(|found| found.family == family);
    let Some(found) = found else { return Ok(false) };
    let Some(at) = found.consumed_at else { return Ok(now < found.expires_at) };
    let next = found.successor.map(|digest| refresh_tokens::find(conn, digest)).transpose()?.flatten();
    Ok(now.since(at) < repeat && next.is_some_and(|next| next.consumed_at.is_none()))
}
