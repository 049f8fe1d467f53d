//! A copy of the embedded database beside a running server, and its way back. A PostgreSQL server has its own tools.
//!
//! A restore turns time back, so whatever could be used a second time is ended in the copy before it takes the
//! database's place: sessions, links, codes, refresh-token families, access tokens, and the keys that sign. The feed
//! begins another epoch, so that no guard goes on from where it stood.

use std::fs::File;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use keyway_core::change::Epoch;
use keyway_core::ids::ApiKeyId;
use keyway_core::jwt::KeyState;
use keyway_core::{Random, Timestamp};

use crate::conn::{Conn, DatabaseUrl, Role};
use crate::error::StoreError;
use crate::schema::{
    access_tokens, api_keys, authorization_codes, device_codes, families, mail_links, pushed_requests,
    refresh_tokens, sessions, shown_secrets, signing_keys,
};
use crate::seal::{self, MasterKey};
use crate::types::Table;
use crate::{feed, migrate};

const KEYS: Table = Table("api_keys");

/// Why a backup was not written, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is PostgreSQL's.
    #[error("the database is a PostgreSQL server's: use pg_dump and pg_restore")]
    NotEmbedded,
    /// The file to write is there already.
    #[error("{0} exists")]
    Exists(PathBuf),
    /// The file to read is no backup, or damaged.
    #[error("{file} is no backup of Keyway: {why}")]
    Unfit {
        /// Which file.
        file: PathBuf,
        /// In a few words.
        why: String,
    },
    /// A process has the database open.
    #[error("the database is in use: stop the server first")]
    InUse,
    /// A file cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that works again after a restore, although it had been taken away since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revived {
    /// Which.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// What lists show of it.
    pub prefix: String,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// API keys that work.
    pub working_keys: u64,
    /// Those among them that the replaced database had revoked or disabled; `None` if there was none to compare.
    pub revived: Option<Vec<Revived>>,
    /// Refresh-token families that were ended.
    pub ended_families: u64,
    /// Signing keys that were revoked.
    pub revoked_signing_keys: u64,
}

/// Writes a copy of the database at `url` to `file`, as it is at this moment. Other processes may go on. Blocks.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(url: &DatabaseUrl, file: &Path) -> Result<(), BackupError> {
    let DatabaseUrl::Sqlite(_) = url else { return Err(BackupError::NotEmbedded) };
    let text = file.to_str().filter(|t| !t.contains('\0'));
    let text = text.ok_or_else(|| StoreError::Address("the file's path is not UTF-8".into()))?;
    migrate::pending(url)?;
    create_private(file)?;
    let mut conn = url.connect(Role::Writer)?;
    // SQLite writes into an existing file only if it is empty, as this one is.
    let copied = conn.batch_execute(&format!("VACUUM INTO '{}'", text.replace('\'', "''")));
    if let Err(error) = copied {
        drop(std::fs::remove_file(file));
        return Err(StoreError::from(error).into());
    }
    sync(file)
}

/// Puts the backup `file` in the place of the database at `url`. Blocks.
///
/// # Errors
/// See [`BackupError`]; the database is as it was then.
pub fn restore(
    file: &Path,
    url: &DatabaseUrl,
    key: &MasterKey,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Restored, BackupError> {
    let DatabaseUrl::Sqlite(target) = url else { return Err(BackupError::NotEmbedded) };
    let copy = target.with_extension("restoring");
    discard(&copy);
    let restored = put_back(file, &copy, target, key, now, random);
    if restored.is_err() {
        discard(&copy);
    }
    restored
}

fn put_back(
    file: &Path,
    copy: &Path,
    target: &Path,
    key: &MasterKey,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Restored, BackupError> {
    create_private(copy)?;
    std::fs::copy(file, copy).map_err(|error| BackupError::File(file.to_owned(), error))?;
    let restored = prepare(file, copy, target, key, now, random)?;
    if target.exists() {
        close_down(target)?;
    }
    std::fs::rename(copy, target).map_err(|error| BackupError::File(target.to_owned(), error))?;
    sync_folder(target)?;
    Ok(restored)
}

/// Makes the copy fit to take the database's place.
fn prepare(
    file: &Path,
    copy: &Path,
    target: &Path,
    key: &MasterKey,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Restored, BackupError> {
    let unfit = |why: &str| BackupError::Unfit { file: file.to_owned(), why: why.to_owned() };
    let url = DatabaseUrl::Sqlite(copy.to_owned());
    let mut conn = url.connect(Role::Writer).map_err(|_| unfit("it is no SQLite database"))?;
    if !is_sound(&mut conn) {
        return Err(unfit("it is damaged"));
    }
    match migrate::pending(&url) {
        Ok(missing) if missing.len() == migrate::count()? => {
            return Err(unfit("it has none of Keyway's tables"));
        }
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    migrate::migrate(&url, random)?;
    if !seal::verify(&mut conn, key)? {
        return Err(unfit("it belongs to no master key"));
    }
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    let epoch = Epoch(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    let mut restored = conn.transaction(|conn| end_what_could_return(conn, now, &epoch))?;
    if target.exists() {
        let mut old = DatabaseUrl::Sqlite(target.to_owned()).connect(Role::Reader)?;
        restored.revived = Some(revived(&mut conn, &mut old, now)?);
    }
    // Everything into the one file, which is all that is renamed.
    conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
        .map_err(StoreError::from)?;
    drop(conn);
    sync(copy)?;
    Ok(restored)
}

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = diesel::sql_types::Text)]
    quick_check: String,
}

fn is_sound(conn: &mut Conn) -> bool {
    let Conn::Sqlite(conn) = conn else { return false };
    let lines: Result<Vec<Check>, _> = diesel::sql_query("PRAGMA quick_check(1)").load(conn);
    lines.is_ok_and(|lines| lines.iter().all(|line| line.quick_check == "ok"))
}

fn end_what_could_return(conn: &mut Conn, now: Timestamp, epoch: &Epoch) -> Result<Restored, StoreError> {
    diesel::delete(sessions::table).execute(conn)?;
    diesel::delete(mail_links::table).execute(conn)?;
    diesel::delete(shown_secrets::table).execute(conn)?;
    diesel::delete(authorization_codes::table).execute(conn)?;
    diesel::delete(device_codes::table).execute(conn)?;
    diesel::delete(pushed_requests::table).execute(conn)?;
    diesel::delete(access_tokens::table).execute(conn)?;
    diesel::delete(refresh_tokens::table).execute(conn)?;
    let families = diesel::update(families::table.filter(families::ended_at.is_null()))
        .set((families::ended_at.eq(now.as_micros()), families::ended_reason.eq("restored")))
        .execute(conn)?;
    let revoked = KeyState::Revoked.as_str();
    let signing = diesel::update(signing_keys::table.filter(signing_keys::state.ne(revoked)))
        .set((signing_keys::state.eq(revoked), signing_keys::revoked_at.eq(now.as_micros())))
        .execute(conn)?;
    feed::begin_epoch(conn, epoch)?;
    let working: i64 = working(now).count().get_result(conn)?;
    Ok(Restored {
        working_keys: KEYS.count("id", working)?,
        revived: None,
        ended_families: families as u64,
        revoked_signing_keys: signing as u64,
    })
}

#[diesel::dsl::auto_type(no_type_alias)]
fn working(now: Timestamp) -> _ {
    let now: i64 = now.as_micros();
    let in_time = api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now).assume_not_null());
    let in_grace = api_keys::grace_ends_at.is_null().or(api_keys::grace_ends_at.gt(now).assume_not_null());
    let kept = api_keys::revoked_at.is_null().and(api_keys::disabled_at.is_null());
    api_keys::table.filter(kept.and(in_time).and(in_grace))
}

/// Keys that work in `new` and had been taken away in `old`.
fn revived(new: &mut Conn, old: &mut Conn, now: Timestamp) -> Result<Vec<Revived>, StoreError> {
    let rows: Vec<(String, String, String)> = working(now)
        .select((api_keys::id, api_keys::name, api_keys::prefix))
        .order(api_keys::id)
        .load(new)?;
    let mut list = Vec::new();
    for (id, name, prefix) in rows {
        let still: i64 = working(now).filter(api_keys::id.eq(&id)).count().get_result(old)?;
        let known: i64 = api_keys::table.filter(api_keys::id.eq(&id)).count().get_result(old)?;
        if known > 0 && still == 0 {
            list.push(Revived { id: KEYS.parse("id", &id)?, name, prefix });
        }
    }
    Ok(list)
}

/// Takes the database out of its write-ahead log: only possible if nobody else has it open, and leaves one file.
fn close_down(target: &Path) -> Result<(), BackupError> {
    let mut conn = DatabaseUrl::Sqlite(target.to_owned()).connect(Role::Writer)?;
    let closed = conn.batch_execute("PRAGMA busy_timeout = 200; PRAGMA journal_mode = DELETE;");
    closed.map_err(|_| BackupError::InUse)
}

fn create_private(file: &Path) -> Result<(), BackupError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists(file.to_owned()))
        }
        Err(error) => Err(BackupError::File(file.to_owned(), error)),
    }
}

/// Removes a half-made copy and what SQLite keeps beside it.
fn discard(copy: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = copy.as_os_str().to_owned();
        name.push(suffix);
        drop(std::fs::remove_file(name));
    }
}

fn sync(file: &Path) -> Result<(), BackupError> {
    File::open(file).and_then(|f| f.sync_all()).map_err(|error| BackupError::File(file.to_owned(), error))?;
    sync_folder(file)
}

/// A name is durable once its folder is.
fn sync_folder(file: &Path) -> Result<(), BackupError> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(|error| BackupError::File(folder.to_owned(), error))
}

#[cfg(test)]
mod tests;
