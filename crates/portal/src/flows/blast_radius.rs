//! What stops when credentials are taken away: told before every revocation, every switching off and every cut of
//! scopes.

use keyway_core::ids::{ClientId, EntityId, OwnerId};
use keyway_core::ledger::{Entry, Handle, Kind};
use keyway_core::usage::Tally;
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::api_keys::{self, KeyFilter};
use keyway_store::tables::called::{self, Whose};
use keyway_store::tables::callers::{self, Caller, CallerFilter};
use keyway_store::tables::ledger::{self, MAX_OF_KIND, Which};
use keyway_store::tables::{family_counts, grants};
use keyway_store::{Conn, StoreError};

/// How far back callers are looked for.
pub const LOOKED_BACK: Duration = Duration::hours(24);
/// Callers and routes that are named; the rest is counted.
pub const MAX_NAMED: usize = 8;

/// What stops.
#[derive(Clone, Debug, Default)]
pub struct BlastRadius {
    /// Calls of the last 24 hours.
    pub calls: Tally,
    /// Their routes, the most called first.
    pub routes: Vec<(String, u64)>,
    /// Whence they came, as far as it was written down, the last caller first; at most [`MAX_NAMED`].
    pub callers: Vec<Caller>,
    /// The names of the working keys that were made with them, and with those.
    pub keys: Vec<String>,
    /// Pairs of tokens that apps hold.
    pub families: u64,
    /// People who authorised the app.
    pub users: u64,
}

impl BlastRadius {
    /// Whether anything was called with them in the last 24 hours.
    pub const fn is_in_use(&self) -> bool {
        self.calls.total() > 0
    }
}

/// Those of `handles` that are credentials of `owner`, over or not, in the order of `handles`.
///
/// # Errors
/// When the database cannot answer.
pub fn entries(
    conn: &mut Conn,
    owner: OwnerId,
    handles: &[Handle],
    now: Timestamp,
) -> Result<Vec<Entry>, StoreError> {
    let ids: Vec<EntityId> = handles.iter().map(|handle| handle.id).collect();
    let mut found = ledger::list(conn, owner, Which::These(&ids), now)?;
    found.retain(|entry| handles.contains(&entry.handle));
    found.sort_by_key(|entry| handles.iter().position(|handle| *handle == entry.handle));
    Ok(found)
}

/// What stops with `handles`, which are credentials of `owner`, in as many statements however many there are; two
/// more for each client among them.
///
/// # Errors
/// When the database cannot answer.
pub fn of(
    conn: &mut Conn,
    owner: OwnerId,
    handles: &[Handle],
    now: Timestamp,
) -> Result<BlastRadius, StoreError> {
    let since = now - LOOKED_BACK;
    let mut ids: Vec<EntityId> = handles.iter().map(|handle| handle.id).collect();
    let mut radius = BlastRadius::default();

    let filter = KeyFilter { owner: Some(owner), ..KeyFilter::default() };
    for key in api_keys::list(conn, &filter, now, MAX_OF_KIND)? {
        let made = key.ancestors.iter().any(|maker| handles.iter().any(|handle| handle.id == *maker));
        if made && key.status(now).works() && !ids.contains(&key.id.entity()) {
            ids.push(key.id.entity());
            radius.keys.push(key.name);
        }
    }
    // Whence an app's users call is not for its owner to see: of a client, only where itself calls from.
    radius.callers = callers(conn, owner, &ids, since)?;
    ids.retain(|id| !handles.iter().any(|handle| handle.kind == Kind::Client && handle.id == *id));
    let mut routes = called::routes(conn, Whose::Credentials(owner, &ids), since)?;

    if handles.iter().any(|handle| handle.kind == Kind::Grant) {
        let alive = family_counts::by_grant(conn, owner, now)?;
        let ours = alive.iter().filter(|(grant, _)| ids.contains(&grant.entity()));
        radius.families += ours.map(|(_, count)| count).sum::<u64>();
    }
    for client in handles.iter().filter(|handle| handle.kind == Kind::Client) {
        let client = ClientId::from_entity(client.id);
        radius.users += grants::count_of_client(conn, client)?;
        radius.families += family_counts::of_client(conn, client, now)?;
        routes.extend(called::routes(conn, Whose::Client(client), since)?);
    }
    for (route, tally) in routes {
        radius.calls.merge(&tally);
        match radius.routes.iter_mut().find(|(known, _)| *known == route) {
            Some((_, calls)) => *calls += tally.total(),
            None => radius.routes.push((route, tally.total())),
        }
    }
    radius.routes.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    Ok(radius)
}

/// Whence calls with `ids` came since then, as far as it was written down, the last caller first; at most
/// [`MAX_NAMED`].
///
/// # Errors
/// When the database cannot answer.
pub fn callers(
    conn: &mut Conn,
    owner: OwnerId,
    ids: &[EntityId],
    since: Timestamp,
) -> Result<Vec<Caller>, StoreError> {
    let filter = CallerFilter { owner, credentials: ids.to_vec(), route: None, since };
    let mut found = callers::callers(conn, &filter)?.addresses;
    found.retain(|caller| caller.address.is_some());
    found.sort_by_key(|caller| std::cmp::Reverse(caller.last_at));
    found.truncate(MAX_NAMED);
    Ok(found)
}
