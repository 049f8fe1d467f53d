//! Pushed authorization requests (RFC 9126): each is answered once.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::ClientId;
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::pushed_requests;
use crate::types::{Table, time};

const TABLE: Table = Table("pushed_requests");

/// A request that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    /// Of the random part of its `request_uri`.
    pub digest: SecretDigest,
    /// Who pushed it, authenticated.
    pub client: ClientId,
    /// Its parameters, form-encoded, without what the client authenticated with.
    pub params: String,
    /// When it was pushed.
    pub created_at: Timestamp,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// Keeps a request.
///
/// # Errors
/// When the database cannot take it.
pub fn insert(conn: &mut Conn, request: &PushedRequest) -> Result<(), StoreError> {
    diesel::insert_into(pushed_requests::table)
        .values((
            pushed_requests::digest.eq(request.digest.as_bytes().to_vec()),
            pushed_requests::client_id.eq(request.client.entity().to_string()),
            pushed_requests::params.eq(&request.params),
            pushed_requests::created_at.eq(request.created_at.as_micros()),
            pushed_requests::expires_at.eq(request.expires_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The request with this digest, if it can still be answered.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(
    conn: &mut Conn,
    digest: SecretDigest,
    now: Timestamp,
) -> Result<Option<PushedRequest>, StoreError> {
    let row: Option<(String, String, i64, i64)> = pushed_requests::table
        .find(digest.as_bytes().to_vec())
        .filter(pushed_requests::consumed_at.is_null())
        .filter(pushed_requests::expires_at.gt(now.as_micros()))
        .select((
            pushed_requests::client_id,
            pushed_requests::params,
            pushed_requests::created_at,
            pushed_requests::expires_at,
        ))
        .get_result(conn)
        .optional()?;
    let Some((client, params, created_at, expires_at)) = row else { return Ok(None) };
    let client = ClientId::from_entity(TABLE.parse("client_id", &client)?);
    Ok(Some(PushedRequest {
        digest,
        client,
        params,
        created_at: time(created_at),
        expires_at: time(expires_at),
    }))
}

/// Takes a request as answered: of any number at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn consume(conn: &mut Conn, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let open = pushed_requests::table
        .find(digest.as_bytes().to_vec())
        .filter(pushed_requests::consumed_at.is_null())
        .filter(pushed_requests::expires_at.gt(now.as_micros()));
    let consumed = pushed_requests::consumed_at.eq(now.as_micros());
    Ok(diesel::update(open).set(consumed).execute(conn)? == 1)
}
