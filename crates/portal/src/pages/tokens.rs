//! The owner's JWTs and the families that they grow in: `/tokens`.

mod debugger;
mod detail;
mod form;
mod list;
mod refresh;
mod revoke;
mod shown;
#[cfg(test)]
mod tests;

use actix_web::web::{self, ServiceConfig};
use keyway_core::ids::{FamilyId, OwnerId};
use keyway_store::StoreError;
use keyway_store::tables::families::{self, Family};

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::tokens::TokenError;
use crate::state::Portal;

/// Everything under `/tokens`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/tokens").route(web::get().to(list::show)).route(web::post().to(form::mint)))
        .service(
            web::resource("/tokens/debugger")
                .route(web::get().to(debugger::show))
                .route(web::post().to(debugger::ask)),
        )
        .service(web::resource("/tokens/{id}/shown").route(web::get().to(shown::show)))
        .service(web::resource("/tokens/{id}/refresh").route(web::post().to(refresh::refresh)))
        .service(
            web::resource("/tokens/{id}/revoke")
                .route(web::get().to(revoke::confirm))
                .route(web::post().to(revoke::revoke)),
        )
        // After what has a name of its own.
        .service(web::resource("/tokens/{id}").route(web::get().to(detail::show)));
}

/// Why this person can mint nothing yet.
fn refusal(portal: &Portal, me: &SignedIn) -> Option<&'static str> {
    (!me.may_go_live(portal)).then_some("Verify your e-mail address first: then you can mint JWTs.")
}

/// A family of this person, or 404: others' are not there.
async fn own_family(portal: &Portal, owner: OwnerId, id: &str) -> Result<Family, PageError> {
    let id: FamilyId = id.parse().map_err(|_| PageError::NotFound)?;
    let found: Result<_, StoreError> = portal.store.read(move |conn| families::find(conn, id)).await;
    found?.filter(|family| family.owner == owner).ok_or(PageError::NotFound)
}

/// No token, and nothing that the person at the form could change about it.
fn failed(error: TokenError) -> PageError {
    match error {
        TokenError::Oauth(_) => PageError::Forbidden("This account cannot hold tokens: it is suspended."),
        TokenError::Store(error) => error.into(),
        TokenError::Key(error) => PageError::Internal(error.to_string()),
    }
}
