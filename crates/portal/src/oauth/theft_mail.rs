//! The mail about a refresh token that was used again.

use std::sync::Arc;

use serde::Serialize;

use crate::flows::tokens::refresh::{Theft, TheftMail};
use crate::state::Portal;

#[derive(Serialize)]
struct TheftContext<'c> {
    name: &'c str,
    client: &'c str,
    address: &'c str,
    url: String,
    at: i64,
}

/// The mail that tells an owner of a theft; a template that fails is logged, and does not save the thief.
pub(crate) fn theft_mail(portal: &Portal) -> TheftMail {
    let (renderer, url) = (portal.renderer.clone(), format!("{}/tokens", portal.settings.public_url));
    Arc::new(move |theft: &Theft| {
        let context = TheftContext {
            name: &theft.name,
            client: &theft.client,
            address: &theft.address,
            url: url.clone(),
            at: theft.at.as_micros(),
        };
        match renderer.mail("refresh_theft", context, theft.at) {
            Ok(mail) => Some(mail),
            Err(error) => {
                tracing::error!(%error, "the mail about a stolen refresh token cannot be written");
                None
            }
        }
    })
}
