use crate::harness::process::{keyway, run, run_json, run_refused};

#[test]
fn the_printed_example_is_a_settings_file_that_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let example = run(keyway(folder.path()).args(["config", "example"]));
    assert!(example.status.success());
    std::fs::write(folder.path().join("keyway.toml"), &example.stdout).unwrap();
    let checked = run_json(keyway(folder.path()).args(["config", "check", "--json"]));
    assert_eq!(checked["public_url"], "http://localhost:8080");
    assert_eq!(checked["apis"][0], "http://localhost:8081");
}

#[test]
fn a_setting_that_does_not_exist_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let line = run_refused(keyway(folder.path()).args(["config", "check"]).env("KEYWAY_PUBLIK_URL", "x"));
    assert_eq!(line, "keyway: KEYWAY_PUBLIK_URL: there is no such setting (see `keyway config example`)");
    std::fs::write(folder.path().join("keyway.toml"), "[limits]\nsign_inn = \"off\"\n").unwrap();
    let line = run_refused(keyway(folder.path()).args(["config", "check"]));
    assert_eq!(line, "keyway: limits.sign_inn: there is no such setting; perhaps sign_in is meant");
    std::fs::write(folder.path().join("keyway.toml"), "[limits\n").unwrap();
    assert!(run_refused(keyway(folder.path()).args(["config", "check"])).starts_with("keyway: "));
}

#[test]
fn the_demo_providers_address_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["off", "127.0.0.1:8082"] {
        run_json(keyway(folder.path()).args(["config", "check", "--json"]).env("KEYWAY_DEMO_ADDR", address));
    }
}
