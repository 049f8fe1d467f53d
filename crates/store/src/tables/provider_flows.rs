//! Browsers that were sent to a provider: each comes back once, in the session in which it left.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::change::UnknownName;
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::secret::SecretDigest;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::provider_flows as flows;
use crate::seal::Place;
use crate::types::{Table, text_opt, time};

const TABLE: Table = Table("provider_flows");

/// Why a browser was sent to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowPurpose {
    /// To sign in, or up.
    SignIn,
    /// To connect an account there with the one that is signed in here.
    Connect,
    /// To show again who is there.
    Confirm,
}

impl FlowPurpose {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Connect => "connect",
            Self::Confirm => "confirm",
        }
    }
}

impl std::str::FromStr for FlowPurpose {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "sign_in" => Ok(Self::SignIn),
            "connect" => Ok(Self::Connect),
            "confirm" => Ok(Self::Confirm),
            _ => Err(UnknownName),
        }
    }
}

/// A browser on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFlow {
    /// Of the `state` that it brings back.
    pub state: SecretDigest,
    /// The browser session that it left from.
    pub session: SessionId,
    /// The provider's name in the settings.
    pub provider: String,
    /// Why.
    pub purpose: FlowPurpose,
    /// Who was signed in, where that matters.
    pub owner: Option<OwnerId>,
    /// Nonce and code verifier, sealed for [`secrets_place`].
    pub secrets: Vec<u8>,
    /// Where it wants to go in the end.
    pub return_to: String,
    /// When it left.
    pub created_at: Timestamp,
    /// Until when it may come back.
    pub expires_at: Timestamp,
}

/// Where the secrets of a flow are sealed; `session` is the session's id.
pub const fn secrets_place(session: &str) -> Place<'_> {
    Place { table: "provider_flows", column: "secrets", row: session }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = flows)]
struct Row {
    state: Vec<u8>,
    session_id: String,
    provider: String,
    purpose: String,
    owner_id: Option<String>,
    secrets: Vec<u8>,
    return_to: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<Row> for ProviderFlow {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            state: TABLE.digest("state", &row.state)?,
            session: TABLE.parse("session_id", &row.session_id)?,
            provider: row.provider,
            purpose: TABLE.parse("purpose", &row.purpose)?,
            owner: TABLE.parse_opt("owner_id", row.owner_id.as_deref())?,
            secrets: row.secrets,
            return_to: row.return_to,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Adds one.
///
/// # Errors
/// When the statement fails.
pub fn insert(conn: &mut Conn, flow: &ProviderFlow) -> Result<(), StoreError> {
    let row = Row {
        state: flow.state.as_bytes().to_vec(),
        session_id: flow.session.to_string(),
        provider: flow.provider.clone(),
        purpose: flow.purpose.as_str().to_owned(),
        owner_id: text_opt(flow.owner.as_ref()),
        secrets: flow.secrets.clone(),
        return_to: flow.return_to.clone(),
        created_at: flow.created_at.as_micros(),
        expires_at: flow.expires_at.as_micros(),
    };
    diesel::insert_into(flows::table).values(row).execute(conn)?;
    Ok(())
}

/// Takes the flow of a `state` that comes back to `provider` in `session`: once, in time, and nowhere else. A call that
/// does not fit changes nothing.
///
/// # Errors
/// When a statement fails or the row cannot be read.
pub fn take(
    conn: &mut Conn,
    state: &SecretDigest,
    session: SessionId,
    provider: &str,
    now: Timestamp,
) -> Result<Option<ProviderFlow>, StoreError> {
    let usable = flows::table
        .find(state.as_bytes().as_slice())
        .filter(flows::session_id.eq(session.to_string()).and(flows::provider.eq(provider)))
        .filter(flows::consumed_at.is_null().and(flows::expires_at.gt(now.as_micros())));
    if diesel::update(usable).set(flows::consumed_at.eq(now.as_micros())).execute(conn)? != 1 {
        return Ok(None);
    }
    let row: Row =
        flows::table.find(state.as_bytes().as_slice()).select(Row::as_select()).get_result(conn)?;
    row.try_into().map(Some)
}

/// How many of a session are on their way.
///
/// # Errors
/// When the statement fails.
pub fn count_open(conn: &mut Conn, session: SessionId, now: Timestamp) -> Result<u64, StoreError> {
    let open = flows::table
        .filter(flows::session_id.eq(session.to_string()).and(flows::consumed_at.is_null()))
        .filter(flows::expires_at.gt(now.as_micros()));
    TABLE.count("session_id", open.count().get_result(conn)?)
}

#[cfg(test)]
mod tests {
    use keyway_core::Duration;
    use keyway_core::random::SeededRandom;

    use super::*;
    use crate::conn::Role;
    use crate::testing::{Backend, START, TestDatabase};

    #[test]
    fn a_browser_comes_back_once_in_time_and_only_as_it_left() {
        for backend in Backend::ALL {
            let database = TestDatabase::new(backend);
            let conn = &mut database.url().connect(Role::Writer).unwrap();
            let random = SeededRandom::new(1);
            let (here, elsewhere) = (SessionId::new(START, &random), SessionId::new(START, &random));
            let (state, end) = (SecretDigest::of(b"state"), START + Duration::minutes(10));
            let flow = ProviderFlow {
                state,
                session: here,
                provider: "there".into(),
                purpose: FlowPurpose::SignIn,
                owner: None,
                secrets: vec![1, 2],
                return_to: "/keys".into(),
                created_at: START,
                expires_at: end,
            };
            insert(conn, &flow).unwrap();
            assert_eq!(count_open(conn, here, START).unwrap(), 1);
            assert_eq!(take(conn, &SecretDigest::of(b"guess"), here, "there", START).unwrap(), None);
            assert_eq!(take(conn, &state, elsewhere, "there", START).unwrap(), None, "{backend:?}");
            assert_eq!(take(conn, &state, here, "another", START).unwrap(), None, "{backend:?}");
            assert_eq!(take(conn, &state, here, "there", end).unwrap(), None, "{backend:?}");
            assert_eq!(take(conn, &state, here, "there", START).unwrap(), Some(flow), "{backend:?}");
            assert_eq!(take(conn, &state, here, "there", START).unwrap(), None, "{backend:?}");
        }
    }
}
