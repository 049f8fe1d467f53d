//! `keyway doctor`: looks whether everything is as it must be, and names what is not.

use std::path::Path;
use std::sync::Arc;

use keyway_core::clock::SystemClock;
use keyway_core::jwt::KeyState;
use keyway_core::random::OsRandom;
use keyway_core::{Clock, Duration, Timestamp};
use keyway_store::seal::{self, MasterKey, Place};
use keyway_store::tables::connections;
use keyway_store::tables::signing_keys::{self, SEALED_IN, StoredKey};
use keyway_store::{Store, StoreConfig, StoreError, feed, housekeeping};
use serde::Serialize;

use crate::config::Config;
use crate::home;
use crate::output::Output;

/// Before this a clock is wrong: nothing of Keyway is older.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// How far apart two machines' clocks may be.
const LEEWAY: Duration = Duration::seconds(60);
/// Signing keys that are looked at.
const MAX_KEYS: u32 = 1_000;

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    detail: String,
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, ok: true, detail: detail.into() });
    }
    fn bad(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, ok: false, detail: detail.into() });
    }
    fn note(&mut self, check: &'static str, result: Result<String, String>) {
        match result {
            Ok(detail) => self.good(check, detail),
            Err(detail) => self.bad(check, detail),
        }
    }
}

/// Looks at everything, also after something was found.
///
/// # Errors
/// When anything is not as it must be.
pub async fn run(config: &Config, output: Output) -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock::new());
    let mut found = Findings::default();
    found.good("settings", format!("public URL {}", config.public_url));
    found.note("data folder", private(&config.data_dir));
    let key = match home::master_key(config, false, &OsRandom) {
        Ok(key) => {
            found.note("master key file", private(&config.master_key_file));
            Some(key)
        }
        Err(error) => {
            found.bad("master key file", format!("{error:#}"));
            None
        }
    };
    found.note("clock", check_clock(clock.now()));
    match Store::open(StoreConfig::new(config.database.clone()), Arc::<SystemClock>::clone(&clock)) {
        Err(error) => found.bad("database", error.to_string()),
        Ok(store) => {
            found.good("database", format!("{}, schema up to date", config.database));
            inside(&store, key.as_ref(), clock.now(), &mut found).await;
            store.close().await;
        }
    }
    let bad = found.0.iter().filter(|finding| !finding.ok).count();
    output.print(&found.0, |list| {
        let line =
            |f: &Finding| format!("{}  {:17}  {}\n", if f.ok { "ok " } else { "BAD" }, f.check, f.detail);
        list.iter().map(line).collect()
    })?;
    match bad {
        0 => Ok(()),
        1 => anyhow::bail!("1 check failed"),
        _ => anyhow::bail!("{bad} checks failed"),
    }
}

async fn inside(store: &Store, key: Option<&MasterKey>, now: Timestamp, found: &mut Findings) {
    if let Some(key) = key {
        let given = key.clone();
        let fits = store.read(move |conn| seal::verify(conn, &given)).await;
        found.note(
            "master key",
            match fits {
                Ok(true) => Ok(format!("{} fits", key.key_id())),
                Ok(false) => Ok(format!("{}; the database is bound to none yet", key.key_id())),
                Err(error) => Err(error.to_string()),
            },
        );
    }
    let keys = store.read(|conn| signing_keys::list(conn, MAX_KEYS)).await;
    found.note(
        "signing keys",
        keys.map_err(|error| error.to_string()).and_then(|keys| check_keys(&keys, key)),
    );
    found.note("change feed", check_feed(store).await);
    let demo = store.read(connections::count_demo).await;
    found.note("demo identities", demo.map(demo_identities).map_err(|error| error.to_string()));
    let last = store.read(housekeeping::last_run).await;
    found.note(
        "housekeeping",
        match last {
            Err(error) => Err(error.to_string()),
            Ok(None) => Ok("has not run yet".to_owned()),
            Ok(Some(last)) if last.at > now + LEEWAY => {
                Err(format!("last ran at {}, which is in the future: a clock is wrong", last.at))
            }
            Ok(Some(last)) => Ok(format!("last ran at {}", last.at)),
        },
    );
}

fn demo_identities(count: u64) -> String {
    match count {
        0 => "none".to_owned(),
        1 => {
            "1 account is connected with the demo provider; only `keyway dev` lets it in that way".to_owned()
        }
        _ => format!(
            "{count} accounts are connected with the demo provider; only `keyway dev` lets them in that way"
        ),
    }
}

fn check_clock(now: Timestamp) -> Result<String, String> {
    if now < EARLIEST {
        Err(format!("{now} cannot be: set the machine's clock"))
    } else {
        Ok(now.to_string())
    }
}

/// Every private half opens under the key, and there is one that signs and one that will.
fn check_keys(keys: &[StoredKey], master: Option<&MasterKey>) -> Result<String, String> {
    if let Some(master) = master {
        for key in keys {
            let row = key.id.to_string();
            let (table, column) = SEALED_IN;
            master
                .open(&Place { table, column, row: &row }, &key.sealed)
                .map_err(|error| format!("{}: {error}", key.kid()))?;
        }
    }
    let has = |state| keys.iter().any(|key| key.state == state);
    match (has(KeyState::Current), has(KeyState::Next)) {
        _ if keys.is_empty() => Ok("none yet: the portal makes them when it starts".to_owned()),
        (true, true) => Ok(format!("{} readable, one signs, one is next", keys.len())),
        (false, _) => Err("none signs: restart the portal".to_owned()),
        (true, false) => Err("none is next: restart the portal".to_owned()),
    }
}

/// All rows between tail and head are there.
async fn check_feed(store: &Store) -> Result<String, String> {
    let walked: Result<_, StoreError> = store
        .read(|conn| {
            let start = feed::head(conn)?;
            let mut at = start.tail;
            while at < start.head {
                let page = feed::page_after(conn, &start.epoch, at, feed::MAX_PAGE)?;
                match page.changes.last() {
                    Some(last) => at = last.position,
                    None => return Ok((start, Some(at))),
                }
            }
            Ok((start, None))
        })
        .await;
    match walked {
        Err(error) => Err(error.to_string()),
        Ok((_, Some(gap))) => Err(format!("there is a gap after position {gap}")),
        Ok((start, None)) => Ok(format!("positions {} to {} without a gap", start.tail, start.head)),
    }
}

/// Nobody but its owner can read it.
#[cfg(unix)]
fn private(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(format!("{} (mode {mode:o})", path.display()))
    } else {
        Err(format!("{} has mode {mode:o}: others can read it; run chmod go-rwx", path.display()))
    }
}

#[cfg(not(unix))]
fn private(path: &Path) -> Result<String, String> {
    Ok(path.display().to_string())
}
