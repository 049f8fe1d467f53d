//! What was called with some credentials: what stops when they are taken away. Credentials are named by what guards
//! count their calls under, which includes the tokens that descend from them.

use std::cmp::Reverse;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, EntityId, OwnerId};
use keyway_core::record::Outcome;
use keyway_core::usage::Tally;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{grants, usage_counts};
use crate::types::Table;

const TABLE: Table = Table("usage_counts");

/// Whose calls.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'w> {
    /// Those of some credentials of one owner.
    Credentials(OwnerId, &'w [EntityId]),
    /// Those of a client, for whomever.
    Client(ClientId),
}

/// The calls in the hours from `since` on, by route; the most called first.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn routes(
    conn: &mut Conn,
    whose: Whose<'_>,
    since: Timestamp,
) -> Result<Vec<(String, Tally)>, StoreError> {
    let mut query = usage_counts::table
        .filter(usage_counts::bucket.ge(since.as_micros()))
        .group_by((usage_counts::route, usage_counts::outcome))
        .order((usage_counts::route, usage_counts::outcome))
        .select((usage_counts::route, usage_counts::outcome, sql::<BigInt>("CAST(SUM(count) AS BIGINT)")))
        .into_boxed();
    query = match whose {
        Whose::Credentials(owner, ids) => query
            .filter(usage_counts::owner_id.eq(owner.to_string()))
            .filter(usage_counts::credential_id.eq_any(ids.iter().map(ToString::to_string))),
        Whose::Client(client) => {
            let client = client.entity().to_string();
            let consents = grants::table.filter(grants::client_id.eq(client.clone())).select(grants::id);
            query.filter(
                usage_counts::credential_id.eq(client).or(usage_counts::credential_id.eq_any(consents)),
            )
        }
    };
    let rows: Vec<(String, String, i64)> = query.load(conn)?;
    let mut routes: Vec<(String, Tally)> = Vec::new();
    for (route, outcome, calls) in rows {
        let (outcome, calls): (Outcome, _) =
            (TABLE.parse("outcome", &outcome)?, TABLE.count("count", calls)?);
        match routes.last_mut().filter(|(last, _)| *last == route) {
            Some((_, tally)) => tally.add(outcome, calls, 0),
            None => {
                let mut tally = Tally::default();
                tally.add(outcome, calls, 0);
                routes.push((route, tally));
            }
        }
    }
    routes.sort_by_key(|(_, tally)| Reverse(tally.total()));
    Ok(routes)
}
