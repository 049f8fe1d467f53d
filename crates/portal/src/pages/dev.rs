//! What only `dev` has: the mails that would have been sent, and every component in every state.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;
use serde_json::json;

use crate::error::PageError;
use crate::extract::Visitor;
use crate::mail::{self, FolderMail};
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/dev/mail").route(web::get().to(list)))
        .service(web::resource("/dev/mail/{id}").route(web::get().to(message)))
        .service(web::resource("/dev/gallery").route(web::get().to(gallery)));
}

const SHOWN: usize = 100;

fn in_dev(portal: &Portal) -> Result<(), PageError> {
    if portal.settings.dev { Ok(()) } else { Err(PageError::NotFound) }
}

fn gone(_: actix_web::error::BlockingError) -> PageError {
    PageError::Internal("the mail folder was not read".into())
}

async fn list(portal: web::Data<Portal>, visitor: Visitor) -> Result<HttpResponse, PageError> {
    in_dev(&portal)?;
    let folder = portal.settings.data_dir.clone();
    let mails = web::block(move || mail::list_folder(&folder, SHOWN)).await.map_err(gone)?;
    portal.page(&visitor, "pages/dev_mail.html", json!({ "mails": mails }))
}

#[derive(Serialize)]
struct Message {
    links: Vec<String>,
    mail: FolderMail,
}

async fn message(
    portal: web::Data<Portal>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    in_dev(&portal)?;
    let (folder, id) = (portal.settings.data_dir.clone(), id.into_inner());
    let found = web::block(move || mail::read_from_folder(&folder, &id)).await.map_err(gone)?;
    let mail = found.ok_or(PageError::NotFound)?;
    let ours = |word: &&str| word.starts_with(portal.settings.public_url.as_str());
    let links = mail.text.split_whitespace().filter(ours).map(str::to_owned).collect();
    portal.page(&visitor, "pages/dev_mail_message.html", Message { links, mail })
}

async fn gallery(portal: web::Data<Portal>, visitor: Visitor) -> Result<HttpResponse, PageError> {
    in_dev(&portal)?;
    portal.page(&visitor, "gallery.html", json!({}))
}
