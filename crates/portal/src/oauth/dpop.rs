//! The header `DPoP` at the authorization server's endpoints (RFC 9449 §5).

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::dpop::{PROOF_HEADER, Proof, ProofError, ProvenRequest, one_proof, verify_proof};
use keyway_core::oauth::{Client, ErrorCode};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::StoreError;
use keyway_store::tables::spent_proofs::{self, ProofKind};

use super::error::EndpointError;
use crate::state::Portal;

/// The key that `request` proves to hold, if it has the header. The proof works once, at all processes of the portal.
///
/// # Errors
/// `invalid_dpop_proof`; also without the header if `client` binds all its tokens (RFC 9449 §5.2).
pub async fn proven_key(
    portal: &Portal,
    request: &HttpRequest,
    client: Option<&Client>,
) -> Result<Option<Thumbprint>, EndpointError> {
    let proof = match proof(portal, request, None) {
        Err(ProofError::Missing) if client.is_none_or(|client| !client.dpop_bound) => return Ok(None),
        proof => proof.map_err(refused)?,
    };
    let key = proof.key;
    if spend(portal, proof).await? { Ok(Some(key)) } else { Err(refused(ProofError::Spent)) }
}

/// The key that `request`, which carries the access token `token`, proves to hold (RFC 9449 §7).
///
/// # Errors
/// [`EndpointError::InvalidProof`].
pub async fn proven_key_for(
    portal: &Portal,
    request: &HttpRequest,
    token: &PlainSecret,
) -> Result<Thumbprint, EndpointError> {
    let proof = proof(portal, request, Some(token.digest())).map_err(EndpointError::InvalidProof)?;
    let key = proof.key;
    if spend(portal, proof).await? { Ok(key) } else { Err(EndpointError::InvalidProof(ProofError::Spent)) }
}

fn proof(
    portal: &Portal,
    request: &HttpRequest,
    access_token: Option<SecretDigest>,
) -> Result<Proof, ProofError> {
    let text = one_proof(request.headers().get_all(PROOF_HEADER).map(HeaderValue::as_bytes))?;
    // The public URL, never `Host`.
    let url = format!("{}{}", portal.settings.public_url, request.path());
    let asked = ProvenRequest { method: request.method().as_str(), url: &url, access_token };
    verify_proof(text, &asked, portal.clock.now())
}

async fn spend(portal: &Portal, proof: Proof) -> Result<bool, StoreError> {
    portal
        .store
        .write(move |tx| {
            let maker = proof.key.to_string();
            let row = spent_proofs::Proof {
                kind: ProofKind::Dpop,
                maker: &maker,
                jti: &proof.jti,
                expires_at: proof.expires_at,
            };
            spent_proofs::spend(tx.conn(), &row)
        })
        .await
}

fn refused(error: ProofError) -> EndpointError {
    EndpointError::oauth(ErrorCode::InvalidDpopProof, error.to_string())
}
