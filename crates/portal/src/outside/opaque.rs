//! Asking a trusted issuer about a token that is no JWT (RFC 7662), with `client_secret_basic`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_core::outside::{OutsideToken, read_introspection};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::Unavailable;
use super::issuer::Issuer;
use crate::outgoing::Outgoing;

impl Issuer {
    /// What the issuer says; `None` if it is not asked about such tokens, or the token is not good for us.
    pub(super) async fn introspect(
        &self,
        token: &str,
        outgoing: &Outgoing,
    ) -> Result<Option<OutsideToken>, Unavailable> {
        let Some(access) = &self.trusted.introspection else { return Ok(None) };
        // RFC 6749 §2.3.1: both are form-encoded first.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let secret = Zeroizing::new(encoded(access.client_secret.expose()));
        let pair = Zeroizing::new(format!("{}:{}", encoded(&access.client_id), *secret));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let headers = [(AUTHORIZATION, basic.as_str()), (ACCEPT, "application/json")];
        let answer = outgoing.post_form_with(&access.endpoint, &headers, &fields).await?;
        match answer.status.as_u16() {
            200 => Ok(read_introspection(&answer.body, &self.trusted)),
            status => Err(Unavailable::Status(status)),
        }
    }
}
