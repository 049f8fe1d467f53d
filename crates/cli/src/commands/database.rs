//! `keyway migrate`, `backup` and `restore`.

use std::path::Path;

use keyway_core::Clock;
use keyway_core::clock::SystemClock;
use keyway_core::random::OsRandom;
use keyway_store::backup::{self, Restored};
use serde::Serialize;

use crate::config::Config;
use crate::home;
use crate::output::Output;

#[derive(Serialize)]
struct Migrated {
    database: String,
    migrations: Vec<String>,
}

/// Brings the schema up to date.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub fn migrate(config: &Config, output: Output) -> anyhow::Result<()> {
    home::prepare(config)?;
    let migrations = keyway_store::migrate(&config.database, &OsRandom)?;
    let migrated = Migrated { database: config.database.to_string(), migrations };
    output.print(&migrated, |m| match m.migrations.as_slice() {
        [] => format!("The schema of {} is up to date.", m.database),
        run => format!("Ran {} on {}.", run.join(", "), m.database),
    })
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    master_key: String,
}

/// Writes a copy of the database to `file`.
///
/// # Errors
/// See [`backup::BackupError`].
pub fn backup(config: &Config, file: &Path, output: Output) -> anyhow::Result<()> {
    let key = home::master_key(config, false, &OsRandom)?;
    backup::backup(&config.database, file)?;
    output.print(&Written { file, master_key: key.key_id() }, |w| {
        format!(
            "Wrote {}. To use it, the master key {} is needed, which is not in it.",
            w.file.display(),
            w.master_key
        )
    })
}

#[derive(Serialize)]
struct PutBack {
    working_keys: u64,
    revived_keys: Option<Vec<RevivedKey>>,
    ended_families: u64,
    revoked_signing_keys: u64,
}

#[derive(Serialize)]
struct RevivedKey {
    id: String,
    name: String,
    prefix: String,
}

/// Puts the backup `file` in the place of the database.
///
/// # Errors
/// See [`backup::BackupError`]; when there is a database and `replace` does not say that it may go.
pub fn restore(config: &Config, file: &Path, replace: bool, output: Output) -> anyhow::Result<()> {
    if let keyway_store::DatabaseUrl::Sqlite(path) = &config.database
        && path.exists()
        && !replace
    {
        anyhow::bail!(
            "there is a database at {}; add --replace to put the backup in its place",
            path.display()
        );
    }
    home::prepare(config)?;
    let key = home::master_key(config, false, &OsRandom)?;
    let restored = backup::restore(file, &config.database, &key, SystemClock::new().now(), &OsRandom)?;
    output.print(&PutBack::from(restored), PutBack::text)
}

impl From<Restored> for PutBack {
    fn from(restored: Restored) -> Self {
        let keys = |list: Vec<backup::Revived>| {
            list.into_iter()
                .map(|key| RevivedKey { id: key.id.to_string(), name: key.name, prefix: key.prefix })
                .collect()
        };
        Self {
            working_keys: restored.working_keys,
            revived_keys: restored.revived.map(keys),
            ended_families: restored.ended_families,
            revoked_signing_keys: restored.revoked_signing_keys,
        }
    }
}

impl PutBack {
    fn text(&self) -> String {
        let mut text = format!(
            "Restored. Everybody is signed out; {} JWT and OAuth families and {} signing keys were ended.\n{} API keys \
             work.\n",
            self.ended_families, self.revoked_signing_keys, self.working_keys
        );
        match self.revived_keys.as_deref() {
            None => text
                .push_str("What was revoked after the backup works again: look through `keyway key list`.\n"),
            Some([]) => text.push_str("None of them had been taken away since the backup.\n"),
            Some(keys) => {
                text.push_str("These had been taken away since the backup and work again:\n");
                for key in keys {
                    text.push_str(&format!("  {}  {}…  {}\n", key.id, key.prefix, key.name));
                }
                text.push_str("End them with `keyway key revoke ID`.\n");
            }
        }
        text
    }
}
