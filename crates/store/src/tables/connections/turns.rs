//! Turns at refreshing a connection's tokens: one at a time, over all processes, and never twice what another has
//! refreshed meanwhile.

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::ConnectionId;

use super::{Connection, DemoIdentities, Row, SealedTokens};
use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::connections;
use crate::types::micros_opt;

/// A turn that was taken. What is done with it counts as long as nobody else has taken one, and no new grant has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    id: ConnectionId,
    until: Timestamp,
}

/// Takes the turn at a connection until `until`. Nobody gets it while another has it, once the tokens are other than in
/// `seen`, or where there is nothing to refresh.
///
/// # Errors
/// When the statement fails.
pub fn begin(
    conn: &mut Conn,
    seen: &Connection,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Turn>, StoreError> {
    let free = connections::refreshing_until.is_null().or(connections::refreshing_until.le(now.as_micros()));
    let row = connections::table
        .find(seen.id.to_string())
        .filter(connections::refreshable.eq(true).and(connections::broken_at.is_null()))
        .filter(free.assume_not_null());
    let taken = connections::refreshing_until.eq(until.as_micros());
    let changed = match seen.refreshed_at {
        Some(seen) => diesel::update(row.filter(connections::refreshed_at.eq(seen.as_micros())))
            .set(taken)
            .execute(conn),
        None => diesel::update(row.filter(connections::refreshed_at.is_null())).set(taken).execute(conn),
    }?;
    Ok((changed == 1).then_some(Turn { id: seen.id, until }))
}

/// Keeps what the turn brought, and ends it. `false` where it no longer counts.
///
/// # Errors
/// When the statement fails.
pub fn keep(
    conn: &mut Conn,
    turn: Turn,
    tokens: &SealedTokens,
    scopes: &[String],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = connections::table.find(turn.id.to_string());
    let changed = diesel::update(row.filter(connections::refreshing_until.eq(turn.until.as_micros())))
        .set((
            connections::tokens.eq(&tokens.sealed),
            connections::tokens_expire_at.eq(micros_opt(tokens.expires_at)),
            connections::refreshable.eq(tokens.refreshable),
            connections::scopes.eq(scopes.join(" ")),
            connections::refreshed_at.eq(now.as_micros()),
            connections::refreshing_until.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Ends the turn without new tokens; where `until` is given, nobody gets another before.
///
/// # Errors
/// When the statement fails.
pub fn give_back(conn: &mut Conn, turn: Turn, until: Option<Timestamp>) -> Result<bool, StoreError> {
    let row = connections::table.find(turn.id.to_string());
    let changed = diesel::update(row.filter(connections::refreshing_until.eq(turn.until.as_micros())))
        .set(connections::refreshing_until.eq(micros_opt(until)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Ends the turn and notes that the provider calls the grant dead; what it gave is forgotten. `false` where the turn no
/// longer counts.
///
/// # Errors
/// When the statement fails.
pub fn break_off(conn: &mut Conn, turn: Turn, now: Timestamp) -> Result<bool, StoreError> {
    let row = connections::table.find(turn.id.to_string());
    let changed = diesel::update(row.filter(connections::refreshing_until.eq(turn.until.as_micros())))
        .set((
            connections::broken_at.eq(now.as_micros()),
            connections::tokens.eq(None::<Vec<u8>>),
            connections::tokens_expire_at.eq(None::<i64>),
            connections::refreshable.eq(false),
            connections::refreshing_until.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Those whose tokens end before `before`, can be refreshed and wait for somebody to do it, the most urgent first, at
/// most `limit`; identities of the demo provider as `demo` says.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn due(
    conn: &mut Conn,
    now: Timestamp,
    before: Timestamp,
    demo: DemoIdentities,
    limit: u32,
) -> Result<Vec<Connection>, StoreError> {
    let free = connections::refreshing_until.is_null().or(connections::refreshing_until.le(now.as_micros()));
    connections::table
        .filter(connections::refreshable.eq(true).and(connections::broken_at.is_null()))
        .filter(connections::tokens_expire_at.le(before.as_micros()))
        .filter(connections::demo.eq_any(demo.values()))
        .filter(free.assume_not_null())
        .order(connections::tokens_expire_at)
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load::<Row>(conn)?
        .into_iter()
        .map(Connection::try_from)
        .collect()
}

#[cfg(test)]
mod tests {
    use keyway_core::Duration;
    use keyway_core::random::SeededRandom;

    use super::super::tests::{connection, owner};
    use super::super::{find, insert, update_tokens};
    use super::*;
    use crate::conn::Role;
    use crate::testing::{Backend, START, TestDatabase};

    /// A database with one connection whose tokens are due.
    fn due_one(backend: Backend) -> (TestDatabase, Conn, Connection) {
        let database = TestDatabase::new(backend);
        let mut conn = database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let ada = owner(&mut conn, &random);
        let it = connection(ada, "1", &random);
        insert(&mut conn, &it).unwrap();
        (database, conn, it)
    }

    fn tokens(sealed: u8, expires_at: Timestamp) -> SealedTokens {
        SealedTokens { sealed: vec![sealed], expires_at: Some(expires_at), refreshable: true }
    }

    #[test]
    fn one_refreshes_at_a_time_and_nobody_what_was_refreshed() {
        for backend in Backend::ALL {
            let (_database, mut conn, it) = due_one(backend);
            let conn = &mut conn;
            let later = START + Duration::seconds(10);
            let after = later + Duration::seconds(10);
            assert_eq!(
                due(conn, START, START, DemoIdentities::Counted, 10).unwrap(),
                std::slice::from_ref(&it),
                "{backend:?}"
            );
            let first = begin(conn, &it, START, later).unwrap().unwrap();
            assert_eq!(begin(conn, &it, START, later).unwrap(), None, "{backend:?}");
            assert!(due(conn, START, START, DemoIdentities::Counted, 10).unwrap().is_empty(), "{backend:?}");
            // Who had the turn is gone, and comes back too late.
            let second = begin(conn, &it, later, after).unwrap().unwrap();
            assert!(!keep(conn, first, &tokens(1, after), &it.scopes, later).unwrap(), "{backend:?}");
            assert!(!break_off(conn, first, later).unwrap(), "{backend:?}");
            assert!(keep(conn, second, &tokens(2, after), &it.scopes, later).unwrap(), "{backend:?}");
            assert_eq!(begin(conn, &it, later, after).unwrap(), None, "{backend:?}");
            let it = find(conn, it.id).unwrap().unwrap();
            let third = begin(conn, &it, later, after).unwrap().unwrap();
            assert!(break_off(conn, third, later).unwrap(), "{backend:?}");
            assert_eq!(begin(conn, &it, after, after).unwrap(), None, "{backend:?}");
            let found = find(conn, it.id).unwrap().unwrap();
            assert_eq!((found.tokens, found.broken_at), (None, Some(later)), "{backend:?}");
        }
    }

    #[test]
    fn a_new_grant_ends_the_turn_at_the_old_one() {
        for backend in Backend::ALL {
            let (_database, mut conn, it) = due_one(backend);
            let conn = &mut conn;
            let later = START + Duration::seconds(10);
            let turn = begin(conn, &it, START, later).unwrap().unwrap();
            let anew = tokens(9, later);
            assert!(update_tokens(conn, it.id, &anew, &it.scopes, START).unwrap());
            assert!(!keep(conn, turn, &tokens(1, later), &it.scopes, START).unwrap(), "{backend:?}");
            assert!(!break_off(conn, turn, START).unwrap(), "{backend:?}");
            assert!(!give_back(conn, turn, None).unwrap(), "{backend:?}");
            let found = find(conn, it.id).unwrap().unwrap();
            assert_eq!((found.tokens, found.broken_at), (Some(anew), None), "{backend:?}");
        }
    }

    #[test]
    fn a_turn_given_back_may_keep_others_away_for_a_while() {
        for backend in Backend::ALL {
            let (_database, mut conn, it) = due_one(backend);
            let conn = &mut conn;
            let later = START + Duration::seconds(10);
            let after = later + Duration::seconds(10);
            let turn = begin(conn, &it, START, later).unwrap().unwrap();
            assert!(give_back(conn, turn, Some(after)).unwrap());
            assert!(due(conn, later, later, DemoIdentities::Counted, 10).unwrap().is_empty(), "{backend:?}");
            let turn = begin(conn, &it, after, after + Duration::seconds(1)).unwrap().unwrap();
            assert!(give_back(conn, turn, None).unwrap());
            assert_eq!(due(conn, after, later, DemoIdentities::Counted, 10).unwrap().len(), 1, "{backend:?}");
        }
    }
}
