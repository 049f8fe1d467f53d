//! How people sign in: e-mail address, password, whether they administer.

use std::fmt;

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::ids::OwnerId;
use keyway_core::owner::Owner;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{accounts, owners};
use crate::tables::owners as owner_rows;
use crate::types::{Table, micros_opt, time, time_opt};

const TABLE: Table = Table("accounts");

/// A password as stored: argon2id's text with salt and settings (the PHC format). Shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword(String);

impl StoredPassword {
    /// Takes what the hashing gave.
    pub const fn new(text: String) -> Self {
        Self(text)
    }
    /// For the hashing to verify against.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub owner_id: OwnerId,
    /// In lower case.
    pub email: String,
    /// When the address was shown to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// None for who signs in through a provider alone.
    pub password: Option<StoredPassword>,
    /// When the password was set.
    pub password_changed_at: Option<Timestamp>,
    /// Whether they administer the portal.
    pub is_admin: bool,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
}

#[derive(Queryable)]
struct Row {
    owner_id: String,
    email: String,
    email_verified_at: Option<i64>,
    password_hash: Option<String>,
    password_changed_at: Option<i64>,
    is_admin: bool,
    last_sign_in_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for Account {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            owner_id: TABLE.parse("owner_id", &row.owner_id)?,
            email: row.email,
            email_verified_at: time_opt(row.email_verified_at),
            password: row.password_hash.map(StoredPassword),
            password_changed_at: time_opt(row.password_changed_at),
            is_admin: row.is_admin,
            last_sign_in_at: time_opt(row.last_sign_in_at),
            created_at: time(row.created_at),
        })
    }
}

/// Adds an account to an owner that exists.
///
/// # Errors
/// [`StoreError::Conflict`] when the address has an account.
pub fn insert(conn: &mut Conn, account: &Account) -> Result<(), StoreError> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::owner_id.eq(account.owner_id.to_string()),
            accounts::email.eq(&account.email),
            accounts::email_verified_at.eq(micros_opt(account.email_verified_at)),
            accounts::password_hash.eq(account.password.as_ref().map(StoredPassword::as_str)),
            accounts::password_changed_at.eq(micros_opt(account.password_changed_at)),
            accounts::is_admin.eq(account.is_admin),
            accounts::last_sign_in_at.eq(micros_opt(account.last_sign_in_at)),
            accounts::created_at.eq(account.created_at.as_micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The account of an owner.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find(conn: &mut Conn, owner: OwnerId) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> = accounts::table.find(owner.to_string()).get_result(conn).optional()?;
    row.map(Account::try_from).transpose()
}

/// The account of an address, given in lower case.
///
/// # Errors
/// When the statement fails or the row cannot be read.
pub fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> = accounts::table.filter(accounts::email.eq(email)).get_result(conn).optional()?;
    row.map(Account::try_from).transpose()
}

/// Accounts with their owners by address, those after `after_email`, at most `limit`. Deleted ones are left out.
///
/// # Errors
/// When a statement fails or a row cannot be read.
pub fn list(conn: &mut Conn, after_email: &str, limit: u32) -> Result<Vec<(Account, Owner)>, StoreError> {
    let rows: Vec<Row> = accounts::table
        .inner_join(owners::table)
        .filter(owners::deleted_at.is_null().and(accounts::email.gt(after_email)))
        .order(accounts::email)
        .limit(i64::from(limit))
        .select(accounts::all_columns)
        .load(conn)?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let account = Account::try_from(row)?;
        if let Some(owner) = owner_rows::find(conn, account.owner_id)? {
            list.push((account, owner));
        }
    }
    Ok(list)
}

/// Sets the password.
///
/// # Errors
/// When the statement fails.
pub fn update_password(
    conn: &mut Conn,
    owner: OwnerId,
    password: &StoredPassword,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.find(owner.to_string()))
        .set((
            accounts::password_hash.eq(password.as_str()),
            accounts::password_changed_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Takes the password away: nobody signs in by it.
///
/// # Errors
/// When the statement fails.
pub fn clear_password(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.find(owner.to_string()))
        .set((accounts::password_hash.eq(None::<String>), accounts::password_changed_at.eq(now.as_micros())))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Takes an account away that never showed its address to be theirs. `false` when it has.
///
/// # Errors
/// When the statement fails.
pub fn delete_unverified(conn: &mut Conn, owner: OwnerId) -> Result<bool, StoreError> {
    let unverified = accounts::table.find(owner.to_string()).filter(accounts::email_verified_at.is_null());
    Ok(diesel::delete(unverified).execute(conn)? == 1)
}

/// Replaces the stored form of the same password, after the settings of the hashing have changed. Does nothing when
/// the password has been changed meanwhile.
///
/// # Errors
/// When the statement fails.
pub fn rehash_password(
    conn: &mut Conn,
    owner: OwnerId,
    old: &StoredPassword,
    new: &StoredPassword,
) -> Result<bool, StoreError> {
    let same = accounts::table.find(owner.to_string()).filter(accounts::password_hash.eq(old.as_str()));
    Ok(diesel::update(same).set(accounts::password_hash.eq(new.as_str())).execute(conn)? == 1)
}

/// Marks the address as verified, if it still is `email`. `false` when it is another, or was verified before.
///
/// # Errors
/// When the statement fails.
pub fn verify_email(
    conn: &mut Conn,
    owner: OwnerId,
    email: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let unverified = accounts::table
        .find(owner.to_string())
        .filter(accounts::email.eq(email).and(accounts::email_verified_at.is_null()));
    Ok(diesel::update(unverified).set(accounts::email_verified_at.eq(now.as_micros())).execute(conn)? == 1)
}

/// Gives another address, which has just been shown to be theirs.
///
/// # Errors
/// [`StoreError::Conflict`] when it has an account.
pub fn update_email(
    conn: &mut Conn,
    owner: OwnerId,
    email: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.find(owner.to_string()))
        .set((accounts::email.eq(email), accounts::email_verified_at.eq(now.as_micros())))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Makes an administrator, or no longer. The rule that one must remain begins with [`count_admins`] under
/// [`lock_admins`].
///
/// # Errors
/// When the statement fails.
pub fn update_admin(conn: &mut Conn, owner: OwnerId, is_admin: bool) -> Result<bool, StoreError> {
    let changed =
        diesel::update(accounts::table.find(owner.to_string()).filter(accounts::is_admin.ne(is_admin)))
            .set(accounts::is_admin.eq(is_admin))
            .execute(conn)?;
    Ok(changed == 1)
}

/// Notes a sign-in.
///
/// # Errors
/// When the statement fails.
pub fn signed_in(conn: &mut Conn, owner: OwnerId, now: Timestamp) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.find(owner.to_string()))
        .set(accounts::last_sign_in_at.eq(now.as_micros()))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Locks all administrators' owner rows, so that two at once cannot remove each other. In one order, so that they
/// cannot deadlock either.
///
/// # Errors
/// When a statement fails.
pub fn lock_admins(conn: &mut Conn) -> Result<(), StoreError> {
    let ids: Vec<String> = accounts::table
        .filter(accounts::is_admin.eq(true))
        .order(accounts::owner_id)
        .select(accounts::owner_id)
        .load(conn)?;
    for id in ids {
        owner_rows::lock(conn, TABLE.parse("owner_id", &id)?)?;
    }
    Ok(())
}

/// How many administrators are neither suspended nor deleted.
///
/// # Errors
/// When the statement fails.
pub fn count_admins(conn: &mut Conn) -> Result<u64, StoreError> {
    let count: i64 = accounts::table
        .inner_join(owners::table)
        .filter(
            accounts::is_admin.eq(true).and(owners::suspended_at.is_null()).and(owners::deleted_at.is_null()),
        )
        .count()
        .get_result(conn)?;
    TABLE.count("is_admin", count)
}
