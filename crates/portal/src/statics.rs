//! Styles, scripts and icons: kept for a year under their fingerprinted names.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use actix_web::middleware::Compress;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::PageError;
use crate::state::Portal;

/// Without a session.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/favicon.ico").route(web::get().to(favicon)))
        .service(web::resource("/static/{file}").wrap(Compress::default()).route(web::get().to(file)));
}

async fn file(
    portal: web::Data<Portal>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    send(&portal, &name, &request)
}

/// Browsers ask for it where a page cannot say otherwise.
async fn favicon(portal: web::Data<Portal>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    send(&portal, "favicon.svg", &request)
}

/// A picture that is opened as a page of its own runs and loads nothing: a logo is the operator's file.
const PICTURE_POLICY: &str = "default-src 'none'; sandbox";

fn send(portal: &Portal, name: &str, request: &HttpRequest) -> Result<HttpResponse, PageError> {
    let file = portal.renderer.static_file(name).ok_or(PageError::NotFound)?;
    let tag = format!("\"{}\"", file.fingerprint);
    let kept = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.contains(&tag));
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CACHE_CONTROL, kept)).insert_header((ETAG, tag));
    if file.content_type == "image/svg+xml" {
        answer.insert_header((CONTENT_SECURITY_POLICY, PICTURE_POLICY));
    }
    if unchanged {
        return Ok(answer.finish());
    }
    let bytes = match file.bytes {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Ok(answer.content_type(file.content_type).body(bytes))
}
