//! All credentials of an owner: listed with what is the trouble with each, and taken away together.

mod order;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use keyway_core::Timestamp;
use keyway_core::ids::{ApiKeyId, ClientId, EntityId, FamilyId, GrantId, OwnerId};
use keyway_core::ledger::{Entry, Handle, Kind, Status, Trouble};
use keyway_core::owner::Environment;
use keyway_core::usage::{Grain, Period, Tally};
use keyway_store::tables::ledger::{self, Which};
use keyway_store::tables::usage::{self, UsageFilter};
use keyway_store::{Conn, StoreError, Tx};

use super::clients::{self, ClientError};
use super::keys::{self, By, KeyError};
use super::tokens::families;
use super::{Act, blast_radius, grants};

pub use order::{Cursor, Order};

/// The most that are taken away at once.
pub const MAX_AT_ONCE: usize = 100;

/// Which credentials a list shows, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of one kind.
    pub kind: Option<Kind>,
    /// In this state.
    pub status: Option<Status>,
    /// Only those that need somebody.
    pub in_trouble: bool,
    /// Of one environment.
    pub environment: Option<Environment>,
    /// Whose name or holder has this in it, whatever the case, or whose secret ends with it.
    pub search: Option<String>,
    /// Those that are over as well.
    pub with_over: bool,
    /// In which order.
    pub order: Order,
    /// After this one: where the page before ended.
    pub after: Option<Cursor>,
}

/// One page of the list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The credentials with the trouble of each.
    pub entries: Vec<(Entry, Option<Trouble>)>,
    /// How many there are on all pages.
    pub total: usize,
    /// How many of them need somebody.
    pub troubled: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A page of the credentials of `owner`, at most `limit`. Reads all of them (of each kind the newest
/// [`MAX_OF_KIND`](ledger::MAX_OF_KIND)), in as many statements however many there are: trouble and order follow from
/// what several tables say.
///
/// # Errors
/// When the database cannot answer.
pub fn page(
    conn: &mut Conn,
    owner: OwnerId,
    query: &Query,
    now: Timestamp,
    limit: usize,
) -> Result<Listed, StoreError> {
    let over = query.with_over || query.status.is_some_and(Status::is_over);
    let found = ledger::list(conn, owner, if over { Which::All } else { Which::Living }, now)?;
    let day = UsageFilter::of(owner, Period::ending(now, Grain::Hour, 24));
    let tallies: HashMap<EntityId, Tally> = usage::by_credential(conn, &day)?.into_iter().collect();
    let mut entries: Vec<(Entry, Option<Trouble>)> = found
        .into_iter()
        .map(|entry| {
            let calls = tallies.get(&entry.handle.id).copied().unwrap_or_default();
            let trouble = entry.trouble(&calls, now);
            (entry, trouble)
        })
        .filter(|(entry, trouble)| query.lets_through(entry, trouble.as_ref()))
        .collect();
    let (total, troubled) = (entries.len(), entries.iter().filter(|(_, trouble)| trouble.is_some()).count());
    entries.sort_by_cached_key(|(entry, trouble)| query.order.cursor(entry, trouble.as_ref()));
    if let Some(after) = &query.after {
        entries.retain(|(entry, trouble)| query.order.cursor(entry, trouble.as_ref()) > *after);
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more);
    let next = next.map(|(entry, trouble)| query.order.cursor(entry, trouble.as_ref()));
    Ok(Listed { entries, total, troubled, next })
}

impl Query {
    fn lets_through(&self, entry: &Entry, trouble: Option<&Trouble>) -> bool {
        let search = self.search.as_ref().is_none_or(|search| {
            let lowered = search.to_lowercase();
            let named = |text: &str| text.to_lowercase().contains(&lowered);
            named(&entry.name) || named(&entry.display)
        });
        search
            && self.kind.is_none_or(|kind| entry.handle.kind == kind)
            && self.status.is_none_or(|status| entry.status == status)
            && self.environment.is_none_or(|environment| entry.environment == environment)
            && (!self.in_trouble || trouble.is_some())
    }
}

/// Takes credentials of `owner` away in one transaction, each with its own audit row, and says how many they were. What
/// is over already stays so. Of a client, its tokens and its users' consents end; the client stays.
///
/// # Errors
/// [`KeyError::NotFound`] if one of them is not this owner's; then none is taken away.
pub fn revoke(
    tx: &mut Tx<'_>,
    act: &Act,
    by: &By,
    owner: OwnerId,
    handles: &[Handle],
) -> Result<usize, KeyError> {
    let mut handles = handles.to_vec();
    handles.sort_unstable();
    handles.dedup();
    if blast_radius::entries(tx.conn(), owner, &handles, act.now)?.len() < handles.len() {
        return Err(KeyError::NotFound);
    }
    for handle in &handles {
        match handle.kind {
            Kind::Key => {
                let id = ApiKeyId::from_entity(handle.id);
                keys::revoke(tx, act, by, owner, id, "revoked by its owner")?;
            }
            Kind::Jwt => {
                families::end(tx, act, owner, FamilyId::from_entity(handle.id))?;
            }
            Kind::Grant => {
                grants::revoke(tx, act, owner, GrantId::from_entity(handle.id))?;
            }
            Kind::Client => {
                let ended = clients::revoke_tokens(tx, act, owner, ClientId::from_entity(handle.id));
                ended.map_err(|error| match error {
                    ClientError::Store(error) => KeyError::Store(error),
                    _ => KeyError::NotFound,
                })?;
            }
        }
    }
    Ok(handles.len())
}
