use std::net::TcpListener;

use crate::harness::process::{Dev, free_port, keyway, run_refused};

#[tokio::test]
async fn sigterm_ends_dev_cleanly() {
    let dev = Dev::start().await;
    let status = dev.process.terminate().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_taken_port_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = run_refused(keyway(folder.path()).arg("dev").env("KEYWAY_PORTAL_ADDR", &address));
    assert_eq!(
        line,
        format!(
            "keyway: {address} is taken by another program; stop it, or set KEYWAY_PORTAL_ADDR to another address"
        )
    );
    let line = run_refused(keyway(folder.path()).arg("dev").env("KEYWAY_PORTAL_ADDR", "0.0.0.0:1"));
    assert!(line.contains("listens on this machine only"), "{line}");
}

#[tokio::test]
async fn a_portal_refuses_an_old_schema_and_a_missing_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let line = run_refused(
        keyway(folder.path()).arg("portal").env("KEYWAY_PORTAL_ADDR", format!("127.0.0.1:{}", free_port())),
    );
    assert!(line.contains("there is no master key"), "{line}");
    std::fs::create_dir_all(folder.path().join("var")).unwrap();
    std::fs::write(folder.path().join("var/master.key"), "0".repeat(64)).unwrap();
    let line = run_refused(
        keyway(folder.path()).arg("portal").env("KEYWAY_PORTAL_ADDR", format!("127.0.0.1:{}", free_port())),
    );
    assert!(line.contains("run keyway migrate"), "{line}");
}
