use crate::harness::process::{keyway, run_json, run_refused};

#[test]
fn migrating_twice_runs_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = run_json(keyway(folder.path()).args(["migrate", "--json"]));
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite")).unwrap();
    assert_eq!(first["migrations"].as_array().unwrap().len(), folders.count());
    let second = run_json(keyway(folder.path()).args(["migrate", "--json"]));
    assert_eq!(second["migrations"].as_array().unwrap().len(), 0);
}

#[test]
fn a_backup_needs_a_database_and_a_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let line = run_refused(keyway(folder.path()).arg("backup").arg(&file));
    assert!(line.contains("there is no master key"), "{line}");
    let line =
        run_refused(keyway(folder.path()).arg("backup").arg(&file).env("KEYWAY_DATABASE_URL", "mysql://x"));
    assert!(line.starts_with("keyway: database_url: "), "{line}");
}
