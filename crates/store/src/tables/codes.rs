//! Authorization codes (RFC 6749 §4.1): each is redeemed once.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::audience::Audience;
use keyway_core::ids::{ClientId, FamilyId, GrantId, OwnerId, SessionId};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::MAX_CODE_FAILURES;
use keyway_core::oauth::pkce::Challenge;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::authorization_codes as codes;
use crate::types::{Table, micros_opt, text_opt, time, time_opt};

const TABLE: Table = Table("authorization_codes");

/// A code as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// Of the whole code.
    pub digest: SecretDigest,
    /// Whom it was given to.
    pub client: ClientId,
    /// Who authorised.
    pub owner: OwnerId,
    /// The consent that it rests on.
    pub grant: GrantId,
    /// The browser session that what it gives ends with; none for offline access.
    pub session: Option<SessionId>,
    /// Exactly as asked; to be named again. Empty if the request named none.
    pub redirect_uri: String,
    /// What was authorised.
    pub scopes: ScopeSet,
    /// The API that it is for.
    pub audience: Audience,
    /// What the verifier must meet (RFC 7636).
    pub challenge: Challenge,
    /// As asked (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<String>,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// The browser session that the user signed in with (`sid`).
    pub sid: Option<SessionId>,
    /// How the user signed in: values of RFC 8176, with single spaces between.
    pub amr: String,
    /// The thumbprint of the key that what it gives is bound to (RFC 9449 §10).
    pub bound_to: Option<Thumbprint>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// How often its redemption failed.
    pub failures: i64,
    /// When it was redeemed.
    pub consumed_at: Option<Timestamp>,
    /// What its redemption gave.
    pub family: Option<FamilyId>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = codes)]
struct Row {
    digest: Vec<u8>,
    client_id: String,
    owner_id: String,
    grant_id: String,
    session_id: Option<String>,
    redirect_uri: String,
    scopes: String,
    audience: String,
    code_challenge: String,
    nonce: Option<String>,
    auth_time: i64,
    created_at: i64,
    expires_at: i64,
    failures: i64,
    consumed_at: Option<i64>,
    family_id: Option<String>,
    sid: Option<String>,
    amr: String,
    jkt: Option<String>,
}

impl TryFrom<Row> for AuthorizationCode {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            digest: TABLE.digest("digest", &row.digest)?,
            client: ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?),
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            grant: TABLE.parse("grant_id", &row.grant_id)?,
            session: TABLE.parse_opt("session_id", row.session_id.as_deref())?,
            redirect_uri: row.redirect_uri,
            scopes: TABLE.parse("scopes", &row.scopes)?,
            audience: TABLE.parse("audience", &row.audience)?,
            challenge: Challenge::parse(&row.code_challenge)
                .map_err(|_| TABLE.inconsistent("code_challenge"))?,
            nonce: row.nonce,
            auth_time: time(row.auth_time),
            sid: TABLE.parse_opt("sid", row.sid.as_deref())?,
            amr: row.amr,
            bound_to: TABLE.parse_opt("jkt", row.jkt.as_deref())?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            failures: row.failures,
            consumed_at: time_opt(row.consumed_at),
            family: TABLE.parse_opt("family_id", row.family_id.as_deref())?,
        })
    }
}

/// Adds a code.
///
/// # Errors
/// [`StoreError::Constraint`] when client, owner or consent do not exist.
pub fn insert(conn: &mut Conn, code: &AuthorizationCode) -> Result<(), StoreError> {
    let row = Row {
        digest: code.digest.as_bytes().to_vec(),
        client_id: code.client.entity().to_string(),
        owner_id: code.owner.to_string(),
        grant_id: code.grant.to_string(),
        session_id: text_opt(code.session.as_ref()),
        redirect_uri: code.redirect_uri.clone(),
        scopes: code.scopes.to_string(),
        audience: code.audience.to_string(),
        code_challenge: code.challenge.as_str().to_owned(),
        nonce: code.nonce.clone(),
        auth_time: code.auth_time.as_micros(),
        created_at: code.created_at.as_micros(),
        expires_at: code.expires_at.as_micros(),
        failures: code.failures,
        consumed_at: micros_opt(code.consumed_at),
        family_id: text_opt(code.family.as_ref()),
        sid: text_opt(code.sid.as_ref()),
        amr: code.amr.clone(),
        jkt: text_opt(code.bound_to.as_ref()),
    };
    diesel::insert_into(codes::table).values(row).execute(conn)?;
    Ok(())
}

/// The code with this digest, redeemed or not.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, digest: SecretDigest) -> Result<Option<AuthorizationCode>, StoreError> {
    codes::table
        .find(digest.as_bytes().as_slice())
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(AuthorizationCode::try_from)
        .transpose()
}

/// Counts a failed redemption. After [`MAX_CODE_FAILURES`] the code is of no use.
///
/// # Errors
/// When the statement fails.
pub fn count_failure(conn: &mut Conn, digest: SecretDigest) -> Result<(), StoreError> {
    diesel::update(codes::table.find(digest.as_bytes().as_slice()))
        .set(codes::failures.eq(codes::failures + 1))
        .execute(conn)?;
    Ok(())
}

/// Redeems a code whose client, redirect URI and verifier are right: `false` if it was redeemed already, is too old
/// or failed too often. Of any number at once, one gets `true`.
///
/// # Errors
/// When the statement fails.
pub fn redeem(conn: &mut Conn, digest: SecretDigest, now: Timestamp) -> Result<bool, StoreError> {
    let unspent = codes::table
        .find(digest.as_bytes().as_slice())
        .filter(codes::consumed_at.is_null())
        .filter(codes::expires_at.gt(now.as_micros()))
        .filter(codes::failures.lt(MAX_CODE_FAILURES));
    let rows = diesel::update(unspent).set(codes::consumed_at.eq(now.as_micros())).execute(conn)?;
    Ok(rows == 1)
}

/// Ends the codes that were given for a browser session and not redeemed: it is over.
///
/// # Errors
/// When the statement fails.
pub fn end_of_session(conn: &mut Conn, session: SessionId, now: Timestamp) -> Result<usize, StoreError> {
    let unspent = codes::table
        .filter(codes::session_id.eq(session.to_string()))
        .filter(codes::consumed_at.is_null())
        .filter(codes::expires_at.gt(now.as_micros()));
    Ok(diesel::update(unspent).set(codes::expires_at.eq(now.as_micros())).execute(conn)?)
}

/// Remembers what the redemption of a code gave, in the transaction that redeemed it.
///
/// # Errors
/// When the statement fails or there is no such family.
pub fn set_family(conn: &mut Conn, digest: SecretDigest, family: FamilyId) -> Result<(), StoreError> {
    diesel::update(codes::table.find(digest.as_bytes().as_slice()))
        .set(codes::family_id.eq(family.to_string()))
        .execute(conn)?;
    Ok(())
}
