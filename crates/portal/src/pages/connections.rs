//! `/connections`: accounts elsewhere to sign in with.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/connections").route(web::get().to(show)));
}

#[derive(Serialize)]
struct Page {
    /// None is set up.
    providers: [(); 0],
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    portal.page(&me, "pages/connections.html", Page { providers: [] })
}
