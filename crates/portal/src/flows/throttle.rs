//! Guessing passwords is slow: per address, per account and address, and, gently, per account.
//!
//! A try is counted before the password is looked at, and given back when it was right: so many at once do not pass
//! together. Known and unknown accounts are counted alike. A browser in which the account was signed in to before is
//! counted for itself, so that strangers' guesses do not hold its owner up.

use std::net::IpAddr;

use keyway_core::address::counted;
use keyway_core::ids::OwnerId;
use keyway_core::rate::Limit;
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::attempts;
use keyway_store::{Conn, StoreError};

use super::inputs::Email;

/// Failures older than this are forgotten.
const WINDOW: Duration = Duration::hours(1);
/// Tries of one account from one address that are free.
const FREE: u64 = 3;
/// The first wait after those; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::seconds(5);
/// Wrong short codes that are free.
const FREE_CODES: u64 = 5;
const LONGEST_WAIT: Duration = Duration::minutes(15);
/// Tries of one account from anywhere after which each answer takes longer.
const SLOW_AFTER: u64 = 20;
const SLOWER_BY: i64 = 250;
const SLOWEST: i64 = 5_000;
/// Between two mails to one account that anybody can ask for.
const MAIL_EVERY: Duration = Duration::minutes(5);
/// Between two mails of keys that an owner's credentials make.
const KEY_MAIL_EVERY: Duration = Duration::hours(1);

/// Who tries.
#[derive(Clone, Debug)]
pub struct Guesser {
    /// The account, whether or not there is one.
    pub email: Email,
    /// From where.
    pub address: IpAddr,
    /// The mark of a browser in which this account was signed in to before.
    pub known_browser: Option<String>,
}

impl Guesser {
    fn pair(&self) -> String {
        let from = self.known_browser.clone().unwrap_or_else(|| counted(self.address).to_string());
        format!("sign-in {} from {from}", self.email.counted())
    }
    fn account(&self) -> String {
        format!("sign-in {}", self.email.counted())
    }
}

/// Whether a try may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// After so long.
    Try(Duration),
    /// Not before so many seconds; nothing was counted.
    Wait(u64),
}

/// Counts a try, and says whether it may be made. In a transaction of its own, before the password is looked at.
///
/// # Errors
/// When the database fails.
pub fn begin(conn: &mut Conn, limit: Limit, who: &Guesser, now: Timestamp) -> Result<Decision, StoreError> {
    if limit == Limit::Off {
        return Ok(Decision::Try(Duration::ZERO));
    }
    let pair = who.pair();
    let locked = attempts::find(conn, &pair)?.and_then(|seen| seen.locked_until).filter(|until| *until > now);
    if let Some(until) = locked {
        return Ok(Decision::Wait(until.since(now).as_seconds_ceil()));
    }
    if who.known_browser.is_none()
        && let Err(seconds) = spend(conn, limit, "sign-in", who.address, now)?
    {
        return Ok(Decision::Wait(seconds));
    }
    let tries = attempts::record_failure(conn, &pair, now, WINDOW)?.failures;
    if tries >= FREE {
        attempts::lock_until(conn, &pair, Some(now + wait_after(tries - FREE)))?;
    }
    if who.known_browser.is_some() {
        return Ok(Decision::Try(Duration::ZERO));
    }
    let all = attempts::record_failure(conn, &who.account(), now, WINDOW)?.failures;
    let over = i64::try_from(all.saturating_sub(SLOW_AFTER)).unwrap_or(i64::MAX);
    Ok(Decision::Try(Duration::millis(over.saturating_mul(SLOWER_BY).min(SLOWEST))))
}

/// Forgets what was counted against who has just shown who they are.
///
/// # Errors
/// When the database fails.
pub fn succeeded(conn: &mut Conn, limit: Limit, who: &Guesser, now: Timestamp) -> Result<(), StoreError> {
    attempts::clear(conn, &who.pair())?;
    attempts::clear(conn, &who.account())?;
    if let (Limit::At(rate), None) = (limit, &who.known_browser) {
        let bucket = by_address("sign-in", who.address);
        let full = attempts::find(conn, &bucket)?.and_then(|seen| seen.locked_until);
        let back = Duration::micros(i64::try_from(rate.interval_nanos() / 1_000).unwrap_or(i64::MAX));
        attempts::lock_until(conn, &bucket, full.map(|at| at - back).filter(|at| *at > now))?;
    }
    Ok(())
}

/// Takes one of what an address may do; else the seconds until it may again.
///
/// GCRA over the row: `locked_until` holds the moment at which the limit is full again.
///
/// # Errors
/// When the database fails.
pub fn spend(
    conn: &mut Conn,
    limit: Limit,
    what: &str,
    address: IpAddr,
    now: Timestamp,
) -> Result<Result<(), u64>, StoreError> {
    let Limit::At(rate) = limit else { return Ok(Ok(())) };
    let bucket = by_address(what, address);
    let seen = attempts::record_failure(conn, &bucket, now, WINDOW)?;
    let interval = i64::try_from(rate.interval_nanos() / 1_000).unwrap_or(i64::MAX);
    let allowance = interval.saturating_mul(i64::from(rate.burst.get()) - 1);
    let full = seen.locked_until.filter(|at| *at > now).unwrap_or(now);
    let over = full.since(now).as_micros() - allowance;
    if over > 0 {
        return Ok(Err(Duration::micros(over).as_seconds_ceil()));
    }
    attempts::lock_until(conn, &bucket, Some(full + Duration::micros(interval)))?;
    Ok(Ok(()))
}

/// Takes one of the mails that may be sent to an account: one in five minutes, whether or not there is one.
///
/// # Errors
/// When the database fails.
pub fn spend_mail(conn: &mut Conn, email: &Email, now: Timestamp) -> Result<bool, StoreError> {
    let bucket = format!("mail to {}", email.counted());
    let seen = attempts::record_failure(conn, &bucket, now, WINDOW)?;
    if seen.locked_until.is_some_and(|until| until > now) {
        return Ok(false);
    }
    attempts::lock_until(conn, &bucket, Some(now + MAIL_EVERY))?;
    Ok(true)
}

/// Takes the one mail an hour that tells an owner of keys which credentials of theirs make; `false` if it was sent. It
/// stands in the way of every such key: mostly it is one look by a primary key.
///
/// # Errors
/// When the database fails.
pub fn spend_key_mail(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<bool, StoreError> {
    let bucket = format!("mail of keys to {owner}");
    let until = attempts::find(conn, &bucket)?.and_then(|seen| seen.locked_until);
    if until.is_some_and(|until| until > now) {
        return Ok(false);
    }
    attempts::record_failure(conn, &bucket, now, WINDOW)?;
    attempts::lock_until(conn, &bucket, Some(now + KEY_MAIL_EVERY))?;
    Ok(true)
}

/// The wait after so many tries more than are free: each is twice as long as the one before.
fn wait_after(over: u64) -> Duration {
    let doubled = FIRST_WAIT.as_micros().saturating_mul(1 << over.min(20));
    Duration::micros(doubled.min(LONGEST_WAIT.as_micros()))
}

/// Who types a short code.
#[derive(Clone, Copy, Debug)]
pub struct CodeGuesser {
    /// The account that is signed in.
    pub owner: OwnerId,
    /// From where.
    pub address: Option<IpAddr>,
}

impl CodeGuesser {
    fn buckets(&self) -> impl Iterator<Item = String> {
        let address = self.address.map(|address| by_address("short code", address));
        std::iter::once(format!("short code by {}", self.owner)).chain(address)
    }
}

/// The seconds for which `who` may try no code, after too many wrong ones of the account or from the address.
///
/// # Errors
/// When the database fails.
pub fn code_wait(conn: &mut Conn, who: &CodeGuesser, now: Timestamp) -> Result<Option<u64>, StoreError> {
    let mut longest = None;
    for bucket in who.buckets() {
        let locked = attempts::find(conn, &bucket)?.and_then(|seen| seen.locked_until);
        longest = longest.max(locked.filter(|until| *until > now));
    }
    Ok(longest.map(|until| until.since(now).as_seconds_ceil()))
}

/// Counts a wrong code. A right one takes nothing back: everybody can get themselves a right one.
///
/// # Errors
/// When the database fails.
pub fn code_missed(conn: &mut Conn, who: &CodeGuesser, now: Timestamp) -> Result<(), StoreError> {
    for bucket in who.buckets() {
        let tries = attempts::record_failure(conn, &bucket, now, WINDOW)?.failures;
        if tries >= FREE_CODES {
            attempts::lock_until(conn, &bucket, Some(now + wait_after(tries - FREE_CODES)))?;
        }
    }
    Ok(())
}

fn by_address(what: &str, address: IpAddr) -> String {
    format!("{what} from {}", counted(address))
}

#[cfg(test)]
mod tests;
