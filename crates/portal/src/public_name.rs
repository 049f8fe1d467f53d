//! Pages asked for under another name of this machine are sent to the public URL: sessions belong to one name.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, LOCATION};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::settings::{PublicUrl, is_loopback_name};
use crate::state::Portal;

/// The middleware; around pages alone, never around OAuth's endpoints or the management API.
///
/// # Errors
/// What the services within could not do.
pub async fn public_name(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let elsewhere = request.app_data::<web::Data<Portal>>().and_then(|portal| {
        let public = &portal.settings.public_url;
        let host = request.headers().get(HOST)?.to_str().ok()?;
        let path = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        // Clients build on these addresses as they are.
        let page = !request.path().starts_with("/oauth/");
        let leave = page && request.method().is_safe() && is_other_loopback(host, public);
        leave.then(|| format!("{public}{path}"))
    });
    match elsewhere {
        None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Some(target) => {
            let answer = HttpResponse::TemporaryRedirect().insert_header((LOCATION, target)).finish();
            Ok(request.into_response(answer))
        }
    }
}

fn is_other_loopback(host: &str, public: &PublicUrl) -> bool {
    // An IPv6 address has its own colons, within brackets.
    let end = host.rfind(']').map_or_else(|| host.rfind(':').unwrap_or(host.len()), |at| at + 1);
    let name = host.get(..end).unwrap_or(host);
    public.is_loopback() && is_loopback_name(name) && host != public.host()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_names_of_this_machine_are_sent_away() {
        let public: PublicUrl = "http://localhost:8080".parse().unwrap();
        for other in ["127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:9999"] {
            assert!(is_other_loopback(other, &public), "{other}");
        }
        for kept in ["localhost:8080", "keys.example.com", "192.0.2.1:8080", ""] {
            assert!(!is_other_loopback(kept, &public), "{kept}");
        }
        let public: PublicUrl = "https://keys.example.com".parse().unwrap();
        assert!(!is_other_loopback("localhost:8080", &public), "behind a proxy on the same machine");
    }
}
