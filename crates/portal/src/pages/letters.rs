//! The mails about accounts, rendered before the transaction that sends them.

use keyway_core::ids::{OwnerId, SessionId};
use keyway_store::tables::mail_links::LinkPurpose;
use serde::Serialize;
use serde_json::json;

use crate::error::PageError;
use crate::flows::links::NewLink;
use crate::render::Mail;
use crate::session::Origin;
use crate::state::Portal;

#[derive(Serialize)]
struct Linked<'a> {
    name: &'a str,
    link: &'a str,
}

/// Whose account a link is for.
pub struct Addressee<'a> {
    pub owner: OwnerId,
    pub name: &'a str,
    pub email: &'a str,
}

/// A link that shows an address to be theirs, and the mail with it.
pub fn verification(
    portal: &Portal,
    to: &Addressee<'_>,
    session: Option<SessionId>,
) -> Result<(NewLink, Mail), PageError> {
    linked(portal, LinkPurpose::Verify, to, session)
}

/// A link that sets a password, and the mail with it.
pub fn reset(portal: &Portal, to: &Addressee<'_>) -> Result<(NewLink, Mail), PageError> {
    linked(portal, LinkPurpose::Reset, to, None)
}

/// A link by which the browser session that asked for it shows that its person reads the account's mail.
pub fn confirmation(
    portal: &Portal,
    to: &Addressee<'_>,
    session: SessionId,
) -> Result<(NewLink, Mail), PageError> {
    linked(portal, LinkPurpose::Confirm, to, Some(session))
}

fn linked(
    portal: &Portal,
    purpose: LinkPurpose,
    to: &Addressee<'_>,
    session: Option<SessionId>,
) -> Result<(NewLink, Mail), PageError> {
    let (now, random) = (portal.now(), &*portal.random);
    let link = NewLink::to_account(purpose, to.owner, to.email, session, now, random, &portal.shapes.brand);
    let (path, template) = match purpose {
        LinkPurpose::Reset => ("/reset", "reset"),
        LinkPurpose::Confirm => ("/fresh/link", "confirm"),
        LinkPurpose::Verify | LinkPurpose::Bootstrap => ("/verify", "verify"),
    };
    let address = portal.link(path, &link.token);
    let mail = portal.renderer.mail(template, Linked { name: to.name, link: &address }, now)?;
    Ok((link, mail))
}

/// To an address that has an account, when somebody signs up with it.
pub fn already_registered(portal: &Portal, name: &str) -> Result<Mail, PageError> {
    let url = &portal.settings.public_url;
    let context = json!({ "name": name, "sign_in_url": format!("{url}/sign-in"), "forgot_url": format!("{url}/forgot") });
    Ok(portal.renderer.mail("already_registered", context, portal.now())?)
}

/// About an account elsewhere that was connected, or is no longer.
pub fn connection(
    portal: &Portal,
    name: &str,
    provider: &str,
    account: &str,
    connected: bool,
) -> Result<Mail, PageError> {
    let context = json!({
        "name": name,
        "provider": provider,
        "account": account,
        "connected": connected,
        "at": portal.now(),
        "url": format!("{}/connections", portal.settings.public_url),
    });
    Ok(portal.renderer.mail("connection", context, portal.now())?)
}

/// About a sign-in from a browser that was not seen before.
pub fn new_sign_in(portal: &Portal, name: &str, from: &Origin) -> Result<Mail, PageError> {
    let context = json!({
        "name": name,
        "at": portal.now(),
        "address": from.address.to_string(),
        "agent": super::words::browser(from.user_agent.as_deref()),
        "url": format!("{}/settings/sessions", portal.settings.public_url),
    });
    Ok(portal.renderer.mail("new_sign_in", context, portal.now())?)
}
