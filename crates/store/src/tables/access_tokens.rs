//! Opaque access tokens. JWTs have no rows: they carry what is here.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::address::AddressList;
use keyway_core::audience::Audience;
use keyway_core::change::Position;
use keyway_core::facts::{Ancestors, Subject};
use keyway_core::ids::{ClientId, EntityId, FamilyId, GrantId, OwnerId, TokenId};
use keyway_core::jwt::Thumbprint;
use keyway_core::owner::Environment;
use keyway_core::rate::Rate;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::feed;
use crate::schema::access_tokens;
use crate::types::{Table, micros_opt, stored_count, text_list, text_opt, time, time_opt};

const TABLE: Table = Table("access_tokens");

/// An opaque access token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// Of the whole token.
    pub digest: SecretDigest,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// Who acts with it.
    pub subject: Subject,
    /// The client that holds it.
    pub client: ClientId,
    /// The family that it belongs to.
    pub family: Option<FamilyId>,
    /// The consent that it rests on.
    pub grant: Option<GrantId>,
    /// The API that it is for.
    pub audience: Audience,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Live or test.
    pub environment: Environment,
    /// The id on whose limit it draws; that of [`Self::grant`] for an app that a user authorised.
    pub root: EntityId,
    /// The ids of everything whose end is its end; itself not included.
    pub ancestors: Ancestors,
    /// The root's own limit, where it is not the setting's; before the environment's share.
    pub rate: Option<Rate>,
    /// From where it may be used.
    pub addresses: AddressList,
    /// The key that it is bound to (RFC 9449 §6).
    pub bound_to: Option<Thumbprint>,
    /// The feed's position when it was issued: whatever an ancestor loses after it ends the token.
    pub position: Position,
    /// When it was issued.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// When it was itself taken back.
    pub revoked_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = access_tokens)]
struct Row {
    id: String,
    digest: Vec<u8>,
    owner_id: String,
    subject: String,
    client_id: String,
    family_id: Option<String>,
    grant_id: Option<String>,
    audience: String,
    scopes: String,
    environment: String,
    root: String,
    ancestors: String,
    rate: Option<String>,
    addresses: String,
    position: i64,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    jkt: Option<String>,
}

impl TryFrom<Row> for AccessToken {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let client = ClientId::from_entity(TABLE.parse("client_id", &row.client_id)?);
        let subject: EntityId = TABLE.parse("subject", &row.subject)?;
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            digest: TABLE.digest("digest", &row.digest)?,
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            subject: if subject == client.entity() {
                Subject::Client(client)
            } else {
                Subject::Owner(OwnerId::from_entity(subject))
            },
            client,
            family: TABLE.parse_opt("family_id", row.family_id.as_deref())?,
            grant: TABLE.parse_opt("grant_id", row.grant_id.as_deref())?,
            audience: TABLE.parse("audience", &row.audience)?,
            scopes: TABLE.parse("scopes", &row.scopes)?,
            environment: TABLE.parse("environment", &row.environment)?,
            root: TABLE.parse("root", &row.root)?,
            ancestors: TABLE.parse_list("ancestors", &row.ancestors)?.into(),
            rate: TABLE.parse_opt("rate", row.rate.as_deref())?,
            addresses: TABLE.parse("addresses", &row.addresses)?,
            bound_to: TABLE.parse_opt("jkt", row.jkt.as_deref())?,
            position: Position(TABLE.count("position", row.position)?),
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
            revoked_at: time_opt(row.revoked_at),
        })
    }
}

/// Adds a token.
///
/// # Errors
/// [`StoreError::Constraint`] when owner, client, family or consent do not exist.
pub fn insert(conn: &mut Conn, token: &AccessToken) -> Result<(), StoreError> {
    let row = Row {
        id: token.id.to_string(),
        digest: token.digest.as_bytes().to_vec(),
        owner_id: token.owner.to_string(),
        subject: token.subject.entity().to_string(),
        client_id: token.client.entity().to_string(),
        family_id: text_opt(token.family.as_ref()),
        grant_id: text_opt(token.grant.as_ref()),
        audience: token.audience.to_string(),
        scopes: token.scopes.to_string(),
        environment: token.environment.to_string(),
        root: token.root.to_string(),
        ancestors: text_list(&token.ancestors),
        rate: text_opt(token.rate.as_ref()),
        addresses: token.addresses.to_string(),
        position: stored_count(token.position.0),
        created_at: token.created_at.as_micros(),
        expires_at: token.expires_at.as_micros(),
        revoked_at: micros_opt(token.revoked_at),
        jkt: text_opt(token.bound_to.as_ref()),
    };
    diesel::insert_into(access_tokens::table).values(row).execute(conn)?;
    Ok(())
}

/// The token with this digest, whatever its state.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, digest: SecretDigest) -> Result<Option<AccessToken>, StoreError> {
    access_tokens::table
        .filter(access_tokens::digest.eq(digest.as_bytes().as_slice()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(AccessToken::try_from)
        .transpose()
}

/// Those of `ids` that are tokens with a row: whose each is, and for which API.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn owners_of(
    conn: &mut Conn,
    ids: &[EntityId],
) -> Result<Vec<(EntityId, OwnerId, Audience)>, StoreError> {
    let rows: Vec<(String, String, String)> = access_tokens::table
        .filter(access_tokens::id.eq_any(ids.iter().map(ToString::to_string)))
        .select((access_tokens::id, access_tokens::owner_id, access_tokens::audience))
        .load(conn)?;
    let read = |(id, owner, audience): (String, String, String)| {
        Ok((TABLE.parse("id", &id)?, TABLE.parse("owner_id", &owner)?, TABLE.parse("audience", &audience)?))
    };
    rows.into_iter().map(read).collect()
}

/// How many living tokens a client was given for itself: they belong to no family.
///
/// # Errors
/// When the statement fails.
pub fn count_of_client_itself(conn: &mut Conn, client: ClientId, now: Timestamp) -> Result<u64, StoreError> {
    let count: i64 = access_tokens::table
        .filter(
            access_tokens::client_id.eq(client.entity().to_string()).and(access_tokens::family_id.is_null()),
        )
        .filter(access_tokens::revoked_at.is_null().and(access_tokens::expires_at.gt(now.as_micros())))
        .count()
        .get_result(conn)?;
    TABLE.count("id", count)
}

/// Takes a token back; `false` if there is none or it was taken back already.
///
/// # Errors
/// When the statement fails.
pub fn revoke(conn: &mut Conn, id: TokenId, now: Timestamp) -> Result<bool, StoreError> {
    let living = access_tokens::table.find(id.to_string()).filter(access_tokens::revoked_at.is_null());
    Ok(diesel::update(living).set(access_tokens::revoked_at.eq(now.as_micros())).execute(conn)? == 1)
}

/// Whether a token is over, by its own row or because an ancestor lost something after it was issued. Read the row
/// first: what is published afterwards is seen here.
///
/// # Errors
/// When the statement fails.
pub fn is_ended(conn: &mut Conn, token: &AccessToken) -> Result<bool, StoreError> {
    Ok(token.revoked_at.is_some() || feed::ended_after(conn, &token.ancestors, token.position)?)
}
