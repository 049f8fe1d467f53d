//! One PostgreSQL cluster per test process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use keyway_core::random::SeededRandom;

use super::must;
use crate::conn::DatabaseUrl;

/// Makes a cluster, says `ready`, and waits for its input to close, which it does however the test process ends.
/// Then it stops the cluster and removes the folder.
const KEEPER: &str = r#"
set -e
cd /
"$BIN/initdb" -D "$DIR/data" -U postgres -A trust --no-sync -E UTF8 --locale=C >"$DIR/log" 2>&1
"$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/log" -w start >/dev/null 2>&1 -o \
  "-c listen_addresses='' -k $DIR -c fsync=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB"
echo ready
cat >/dev/null
"$BIN/pg_ctl" -D "$DIR/data" -m immediate stop >/dev/null 2>&1
rm -rf "$DIR"
"#;

/// The server, and its keeper if it is ours.
struct Cluster {
    /// The query part of its addresses.
    query: String,
    /// Held for its input, which closes when this process ends.
    _keeper: Option<Child>,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| match std::env::var("KEYWAY_TEST_POSTGRES") {
        Ok(url) => {
            let query = url.split_once('?').map(|(_, query)| query.to_owned());
            Cluster { query: must(query.ok_or("no query part"), "KEYWAY_TEST_POSTGRES"), _keeper: None }
        }
        Err(_) => start(),
    })
}

fn start() -> Cluster {
    let bin = binaries();
    let folder = must(tempfile::Builder::new().prefix("keyway-pg-").tempdir(), "a temporary folder").keep();
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.starts_with(b"0\n"));
    let mut command = if root {
        // PostgreSQL refuses to run as root.
        let owned = Command::new("chown").arg("postgres").arg(&folder).status();
        assert!(owned.is_ok_and(|status| status.success()), "chown postgres {}", folder.display());
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c", KEEPER]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]);
        command
    };
    command.env("BIN", bin).env("DIR", &folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    // An interrupt from the terminal must not reach the keeper before it has cleaned up.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut keeper = must(command.spawn(), "PostgreSQL's keeper");
    let mut line = String::new();
    if let Some(stdout) = keeper.stdout.take() {
        must(BufReader::new(stdout).read_line(&mut line), "PostgreSQL's keeper");
    }
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    assert!(line == "ready\n", "PostgreSQL did not start in {}: {}", folder.display(), log());
    Cluster { query: format!("host={}&user=postgres", folder.display()), _keeper: Some(keeper) }
}

/// Where Debian has them, or beside a `pg_ctl` on the path.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    let bin = found.into_iter().rev().find(|folder| has(folder));
    must(bin.ok_or("install PostgreSQL's server (Debian: postgresql)"), "no initdb and pg_ctl")
}

/// The address of a database in the cluster.
pub(super) fn url(database: &str) -> String {
    format!("postgres:///{database}?{}", cluster().query)
}

/// Runs SQL in the cluster's own database.
pub(super) fn execute(sql: &str) {
    must(must(PgConnection::establish(&url("postgres")), "the cluster").batch_execute(sql), sql);
}

/// Ends whoever is connected and drops the database. What fails here is gone with the cluster.
pub(super) fn drop_database(name: &str) {
    if let Ok(mut conn) = PgConnection::establish(&url("postgres")) {
        drop(conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
    }
}

/// A migrated database to copy from.
pub(super) fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("keyway_template_{}", std::process::id());
        execute(&format!("CREATE DATABASE {name}"));
        let url: DatabaseUrl = must(url(&name).parse(), "the cluster's address");
        must(crate::migrate(&url, &SeededRandom::new(1)), "the migrations");
        name
    })
}
