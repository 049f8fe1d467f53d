//! The budget that all credentials of an owner share: how much of it is used, and when it is full again.

use keyway_core::Timestamp;
use keyway_core::facts::LimitDefaults;
use keyway_core::ids::OwnerId;
use keyway_core::owner::Environment;
use keyway_core::quota::{Day, Window};
use keyway_core::rate::Limit;
use keyway_store::tables::{counted_calls, owners};
use keyway_store::{Conn, StoreError};

/// A quota and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Of the day, or of the month, in UTC.
    pub window: Window,
    /// Live calls that counted.
    pub used: u64,
    /// The most that there may be.
    pub limit: u64,
    /// When it begins again.
    pub resets_at: Timestamp,
}

/// What all live credentials of an owner may do together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// By the minute or second, with bursts.
    pub rate: Limit,
    /// The quotas that are set.
    pub quotas: Vec<Used>,
}

/// The shared budget of `owner`.
///
/// # Errors
/// When the database cannot answer.
pub fn of(
    conn: &mut Conn,
    owner: OwnerId,
    limits: &LimitDefaults,
    now: Timestamp,
) -> Result<Budget, StoreError> {
    let own = owners::find(conn, owner)?.and_then(|owner| owner.rate);
    let today = Day::of(now);
    let counted = counted_calls::of(conn, &[(owner.entity(), Environment::Live, today)])?;
    let (in_day, in_month) = counted.first().map_or((0, 0), |counted| (counted.in_day, counted.in_month));
    let windows = [(Window::Day, in_day, today.end()), (Window::Month, in_month, today.month().end())];
    let quotas = windows
        .into_iter()
        .filter_map(|(window, used, resets_at)| {
            let limit = limits.owner_quotas.of(window).calls()?.get();
            Some(Used { window, used, limit, resets_at })
        })
        .collect();
    Ok(Budget { rate: own.map_or(limits.owner, Limit::At), quotas })
}
