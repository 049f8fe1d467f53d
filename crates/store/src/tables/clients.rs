//! OAuth clients.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::oauth::{Client, GrantType, RedirectUri};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::clients;
use crate::types::{Table, micros_opt, text_list, text_opt, time, time_opt};

const TABLE: Table = Table("clients");

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = clients)]
struct ClientRow {
    id: String,
    owner_id: String,
    kind: String,
    name: String,
    auth_method: String,
    redirect_uris: String,
    post_logout_redirect_uris: String,
    grant_types: String,
    scopes: String,
    token_format: String,
    audience: Option<String>,
    jwks: Option<String>,
    origin: String,
    website: Option<String>,
    created_at: i64,
    suspended_at: Option<i64>,
    deleted_at: Option<i64>,
    version: i64,
    id_token_algorithm: String,
    dpop_bound: bool,
    backchannel_logout_uri: Option<String>,
    registration_digest: Option<Vec<u8>>,
    last_used_at: Option<i64>,
}

impl TryFrom<ClientRow> for Client {
    type Error = StoreError;
    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ClientId::from_entity(TABLE.parse("id", &row.id)?),
            owner: TABLE.parse("owner_id", &row.owner_id)?,
            kind: TABLE.parse("kind", &row.kind)?,
            name: row.name,
            auth_method: TABLE.parse("auth_method", &row.auth_method)?,
            redirect_uris: uris("redirect_uris", &row.redirect_uris)?,
            post_logout_redirect_uris: uris("post_logout_redirect_uris", &row.post_logout_redirect_uris)?,
            grant_types: TABLE.parse_list("grant_types", &row.grant_types)?,
            scopes: TABLE.parse("scopes", &row.scopes)?,
            token_format: TABLE.parse("token_format", &row.token_format)?,
            audience: TABLE.parse_opt("audience", row.audience.as_deref())?,
            jwks: TABLE.parse_opt("jwks", row.jwks.as_deref())?,
            id_token_algorithm: TABLE.parse("id_token_algorithm", &row.id_token_algorithm)?,
            dpop_bound: row.dpop_bound,
            backchannel_logout_uri: row.backchannel_logout_uri,
            website: row.website,
            origin: TABLE.parse("origin", &row.origin)?,
            created_at: time(row.created_at),
            suspended_at: time_opt(row.suspended_at),
            last_used_at: time_opt(row.last_used_at),
        })
    }
}

fn uris(column: &'static str, json: &str) -> Result<Vec<RedirectUri>, StoreError> {
    let list: Vec<String> = serde_json::from_str(json).map_err(|_| TABLE.inconsistent(column))?;
    list.iter().map(|uri| TABLE.parse(column, uri)).collect()
}

fn uris_json(uris: &[RedirectUri]) -> String {
    serde_json::Value::from_iter(uris.iter().map(RedirectUri::as_str)).to_string()
}

fn grant_types_text(grants: &[GrantType]) -> String {
    let mut names: Vec<_> = grants.iter().map(|g| g.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    text_list(names)
}

/// Keeps a new client; `registration` is the digest of its registration access token (RFC 7592).
///
/// # Errors
/// [`StoreError::Conflict`] if the id is taken.
pub fn insert(
    conn: &mut Conn,
    client: &Client,
    registration: Option<SecretDigest>,
) -> Result<(), StoreError> {
    let row = ClientRow {
        id: client.id.entity().to_string(),
        owner_id: client.owner.to_string(),
        kind: client.kind.as_str().to_owned(),
        name: client.name.clone(),
        auth_method: client.auth_method.as_str().to_owned(),
        redirect_uris: uris_json(&client.redirect_uris),
        post_logout_redirect_uris: uris_json(&client.post_logout_redirect_uris),
        grant_types: grant_types_text(&client.grant_types),
        scopes: client.scopes.to_string(),
        token_format: client.token_format.as_str().to_owned(),
        audience: text_opt(client.audience.as_ref()),
        jwks: text_opt(client.jwks.as_ref()),
        origin: client.origin.as_str().to_owned(),
        website: client.website.clone(),
        created_at: client.created_at.as_micros(),
        suspended_at: micros_opt(client.suspended_at),
        deleted_at: None,
        version: 0,
        id_token_algorithm: client.id_token_algorithm.as_str().to_owned(),
        dpop_bound: client.dpop_bound,
        backchannel_logout_uri: client.backchannel_logout_uri.clone(),
        registration_digest: registration.map(|digest| digest.as_bytes().to_vec()),
        last_used_at: micros_opt(client.last_used_at),
    };
    diesel::insert_into(clients::table).values(row).execute(conn)?;
    Ok(())
}

/// A client that has not been deleted; a suspended one too.
///
/// # Errors
/// When the database cannot answer.
pub fn find(conn: &mut Conn, id: ClientId) -> Result<Option<Client>, StoreError> {
    clients::table
        .filter(clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null()))
        .select(ClientRow::as_select())
        .get_result(conn)
        .optional()?
        .map(Client::try_from)
        .transpose()
}

/// The clients that `owner` registered, newest first; at most `limit`.
///
/// # Errors
/// When the database cannot answer.
pub fn list_by_owner(conn: &mut Conn, owner: OwnerId, limit: u32) -> Result<Vec<Client>, StoreError> {
    clients::table
        .filter(clients::owner_id.eq(owner.to_string()).and(clients::deleted_at.is_null()))
        .order(clients::id.desc())
        .limit(i64::from(limit))
        .select(ClientRow::as_select())
        .load(conn)?
        .into_iter()
        .map(Client::try_from)
        .collect()
}

/// All clients, newest first; at most `limit`.
///
/// # Errors
/// When the database cannot answer.
pub fn list(conn: &mut Conn, limit: u32) -> Result<Vec<Client>, StoreError> {
    clients::table
        .filter(clients::deleted_at.is_null())
        .order(clients::id.desc())
        .limit(i64::from(limit))
        .select(ClientRow::as_select())
        .load(conn)?
        .into_iter()
        .map(Client::try_from)
        .collect()
}

/// Writes what may change of a client; `false` if it was deleted meanwhile. Owner, origin, audience and times stay.
///
/// # Errors
/// When the database cannot answer.
pub fn update(conn: &mut Conn, client: &Client) -> Result<bool, StoreError> {
    let rows = diesel::update(clients::table)
        .filter(clients::id.eq(client.id.entity().to_string()).and(clients::deleted_at.is_null()))
        .set((
            clients::kind.eq(client.kind.as_str()),
            clients::name.eq(&client.name),
            clients::auth_method.eq(client.auth_method.as_str()),
            clients::redirect_uris.eq(uris_json(&client.redirect_uris)),
            clients::post_logout_redirect_uris.eq(uris_json(&client.post_logout_redirect_uris)),
            clients::grant_types.eq(grant_types_text(&client.grant_types)),
            clients::scopes.eq(client.scopes.to_string()),
            clients::token_format.eq(client.token_format.as_str()),
            clients::jwks.eq(text_opt(client.jwks.as_ref())),
            clients::website.eq(&client.website),
            clients::id_token_algorithm.eq(client.id_token_algorithm.as_str()),
            clients::dpop_bound.eq(client.dpop_bound),
            clients::backchannel_logout_uri.eq(&client.backchannel_logout_uri),
            clients::version.eq(clients::version + 1),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// The digest of the registration access token of a client that registered itself (RFC 7592).
///
/// # Errors
/// When the database cannot answer.
pub fn registration(conn: &mut Conn, id: ClientId) -> Result<Option<SecretDigest>, StoreError> {
    let digest: Option<Option<Vec<u8>>> = clients::table
        .filter(clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null()))
        .select(clients::registration_digest)
        .get_result(conn)
        .optional()?;
    digest.flatten().map(|bytes| TABLE.digest("registration_digest", &bytes)).transpose()
}

/// Puts another registration access token in the place of `before`; `false` if it is not the one any more.
///
/// # Errors
/// When the database cannot answer.
pub fn rotate_registration(
    conn: &mut Conn,
    id: ClientId,
    before: SecretDigest,
    after: SecretDigest,
) -> Result<bool, StoreError> {
    let rows = diesel::update(clients::table)
        .filter(clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null()))
        .filter(clients::registration_digest.eq(before.as_bytes().to_vec()))
        .set(clients::registration_digest.eq(after.as_bytes().to_vec()))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Remembers that a client authenticated.
///
/// # Errors
/// When the database cannot answer.
pub fn touch(conn: &mut Conn, id: ClientId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(clients::table)
        .filter(clients::id.eq(id.entity().to_string()))
        .set(clients::last_used_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(())
}

/// Holds the client's row until the transaction ends, for rules over several rows; `false` if it was deleted.
///
/// # Errors
/// When the database cannot answer.
pub fn lock(conn: &mut Conn, id: ClientId) -> Result<bool, StoreError> {
    let rows = diesel::update(clients::table)
        .filter(clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null()))
        .set(clients::version.eq(clients::version + 1))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Suspends a client, or lets it work again; `false` if it was so already.
///
/// # Errors
/// When the database cannot answer.
pub fn set_suspended(conn: &mut Conn, id: ClientId, since: Option<Timestamp>) -> Result<bool, StoreError> {
    let one = clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null());
    let set = clients::suspended_at.eq(since.map(Timestamp::as_micros));
    let rows = match since {
        Some(_) => diesel::update(clients::table)
            .filter(one.and(clients::suspended_at.is_null()))
            .set(set)
            .execute(conn),
        None => diesel::update(clients::table)
            .filter(one.and(clients::suspended_at.is_not_null()))
            .set(set)
            .execute(conn),
    }?;
    Ok(rows == 1)
}

/// Deletes a client for good; its row stays, so that its id is never used again. `false` if it was deleted already.
///
/// # Errors
/// When the database cannot answer.
pub fn delete(conn: &mut Conn, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(clients::table)
        .filter(clients::id.eq(id.entity().to_string()).and(clients::deleted_at.is_null()))
        .set(clients::deleted_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(rows == 1)
}
