//! Who did what, to what, from where. Rows are only ever added; they outlive their target.

use std::net::IpAddr;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::change::UnknownName;
use keyway_core::ids::{AuditId, ClientId, OwnerId};

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::audit;
use crate::types::{Table, text_opt, time};

const TABLE: Table = Table("audit");

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person, in the browser or with a credential of theirs.
    Person,
    /// An OAuth client for itself.
    Client,
    /// A command on the server.
    Command,
    /// The portal by itself.
    System,
}

impl ActorKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Client => "client",
            Self::Command => "command",
            Self::System => "system",
        }
    }
}

impl std::str::FromStr for ActorKind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "person" => Ok(Self::Person),
            "client" => Ok(Self::Client),
            "command" => Ok(Self::Command),
            "system" => Ok(Self::System),
            _ => Err(UnknownName),
        }
    }
}

/// Who acts, with the name they had then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind.
    pub kind: ActorKind,
    /// The owner's or the client's id.
    pub id: Option<String>,
    /// An e-mail address, a name, a command; with the credential's name where one was used.
    pub label: String,
}

impl Actor {
    /// A person.
    pub fn person(id: OwnerId, label: impl Into<String>) -> Self {
        Self { kind: ActorKind::Person, id: Some(id.to_string()), label: label.into() }
    }
    /// An OAuth client for itself.
    pub fn client(id: ClientId, label: impl Into<String>) -> Self {
        Self { kind: ActorKind::Client, id: Some(id.to_string()), label: label.into() }
    }
    /// A command on the server, by its name.
    pub fn command(label: impl Into<String>) -> Self {
        Self { kind: ActorKind::Command, id: None, label: label.into() }
    }
    /// The portal by itself.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: None, label: "keyway".into() }
    }
}

/// One row. `before` and `after` never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Whose thing it was: they may read the row.
    pub owner_id: Option<OwnerId>,
    /// What was done, as `key.revoked`.
    pub action: String,
    /// What kind of thing it was done to, as `api_key`.
    pub target_kind: String,
    /// Which.
    pub target_id: String,
    /// How it was before, as JSON.
    pub before: Option<String>,
    /// How it is now, as JSON.
    pub after: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    at: i64,
    actor_kind: String,
    actor_id: Option<String>,
    actor_label: String,
    owner_id: Option<String>,
    action: String,
    target_kind: String,
    target_id: String,
    before: Option<String>,
    after: Option<String>,
    address: Option<String>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            at: time(row.at),
            actor: Actor {
                kind: TABLE.parse("actor_kind", &row.actor_kind)?,
                id: row.actor_id,
                label: row.actor_label,
            },
            owner_id: TABLE.parse_opt("owner_id", row.owner_id.as_deref())?,
            action: row.action,
            target_kind: row.target_kind,
            target_id: row.target_id,
            before: row.before,
            after: row.after,
            address: TABLE.parse_opt("address", row.address.as_deref())?,
        })
    }
}

/// Adds a row; [`Tx::audit`](crate::Tx::audit) is the way to it.
pub(crate) fn insert(conn: &mut Conn, entry: &AuditEntry) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(entry.id.to_string()),
            audit::at.eq(entry.at.as_micros()),
            audit::actor_kind.eq(entry.actor.kind.as_str()),
            audit::actor_id.eq(&entry.actor.id),
            audit::actor_label.eq(&entry.actor.label),
            audit::owner_id.eq(text_opt(entry.owner_id.as_ref())),
            audit::action.eq(&entry.action),
            audit::target_kind.eq(&entry.target_kind),
            audit::target_id.eq(&entry.target_id),
            audit::before.eq(&entry.before),
            audit::after.eq(&entry.after),
            audit::address.eq(text_opt(entry.address.as_ref())),
        ))
        .execute(conn)?;
    Ok(())
}

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of one owner; of all when absent.
    pub owner: Option<OwnerId>,
    /// About one thing.
    pub target: Option<String>,
    /// What the action's name begins with, before the dot.
    pub area: Option<String>,
    /// By what kind of actor.
    pub actor: Option<ActorKind>,
    /// Older than this row: where the page before ended.
    pub before: Option<(Timestamp, AuditId)>,
}

/// The newest rows first, at most `limit`.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(conn: &mut Conn, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
    let mut query =
        audit::table.order((audit::at.desc(), audit::id.desc())).limit(i64::from(limit)).into_boxed();
    if let Some(owner) = filter.owner {
        query = query.filter(audit::owner_id.eq(owner.to_string()));
    }
    if let Some(target) = &filter.target {
        query = query.filter(audit::target_id.eq(target));
    }
    if let Some(area) = &filter.area {
        query = query.filter(audit::action.like(format!("{area}.%")));
    }
    if let Some(actor) = filter.actor {
        query = query.filter(audit::actor_kind.eq(actor.as_str()));
    }
    if let Some((at, id)) = filter.before {
        let at = at.as_micros();
        query = query.filter(audit::at.lt(at).or(audit::at.eq(at).and(audit::id.lt(id.to_string()))));
    }
    query.load::<Row>(conn)?.into_iter().map(AuditEntry::try_from).collect()
}
