//! Commands beside a running server, on its database.

use crate::harness::process::{Dev, run_json, run_refused};

/// After the first start: one that signs and one that will, for access tokens and for each algorithm of ID tokens.
const SIGNING_KEYS: usize = 8;

#[tokio::test]
async fn people_keys_clients_and_tokens_are_made_beside_a_running_server() {
    let dev = Dev::start().await;
    let ada =
        run_json(&mut dev.command(&["user", "create", "--email", "Ada@Example.com", "--admin", "--json"]));
    assert_eq!(ada["email"], "ada@example.com");
    assert!(ada["password"].as_str().unwrap().len() >= 20);
    let line = run_refused(&mut dev.command(&["user", "create", "--email", "ada@example.com"]));
    assert_eq!(line, "keyway: there is an account with this address");

    let made = run_json(&mut dev.command(&[
        "key",
        "create",
        "--user",
        "ada@example.com",
        "--name",
        "First",
        "--scope",
        "notes:read",
        "--scope",
        "notes:write",
        "--json",
    ]));
    assert!(made["key"].as_str().unwrap().starts_with("keyway_live_"));
    assert_eq!(made["scopes"], serde_json::json!(["notes:read", "notes:write"]));
    let id = made["id"].as_str().unwrap();
    let rotated = run_json(&mut dev.command(&["key", "rotate", id, "--grace", "1h", "--json"]));
    assert_ne!(rotated["id"], made["id"]);
    let revoked = run_json(&mut dev.command(&["key", "revoke", id, "--json"]));
    assert_eq!(revoked["status"], "revoked");
    let keys = run_json(&mut dev.command(&["key", "list", "--user", "ada@example.com", "--json"]));
    assert_eq!(keys.as_array().unwrap().len(), 2);

    let client = run_json(&mut dev.command(&[
        "client",
        "create",
        "--name",
        "Robot",
        "--grant",
        "client_credentials",
        "--scope",
        "notes:read",
        "--json",
    ]));
    assert!(client["client_secret"].as_str().unwrap().starts_with("keyway_cs_"));
    let clients = run_json(&mut dev.command(&["client", "list", "--json"]));
    assert_eq!(clients.as_array().unwrap().len(), 2);
    let id = client["client_id"].as_str().unwrap();
    run_json(&mut dev.command(&["client", "delete", id, "--json"]));

    let pair = run_json(&mut dev.command(&[
        "token",
        "mint",
        "--user",
        "ada@example.com",
        "--scope",
        "notes:read",
        "--json",
    ]));
    assert_eq!(
        (pair["token_type"].as_str(), pair["client_id"].as_str()),
        (Some("Bearer"), Some("keyway-cli"))
    );
    assert!(pair["refresh_token"].as_str().unwrap().starts_with("keyway_rt_"));

    let signing = run_json(&mut dev.command(&["signing-key", "list", "--json"]));
    assert_eq!(signing.as_array().unwrap().len(), SIGNING_KEYS);
    let line = run_refused(&mut dev.command(&["user", "suspend", "ada@example.com"]));
    assert_eq!(line, "keyway: the last administrator cannot be suspended");
    let found = run_json(&mut dev.command(&["doctor", "--json"]));
    assert!(found.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{found:#}");
}

#[tokio::test]
async fn logout_ends_what_login_got() {
    let dev = Dev::start().await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let mint = ["token", "mint", "--user", "ada@example.com", "--scope", "notes:read", "--json"];
    let pair = run_json(&mut dev.command(&mint));
    let mut logout = dev.command(&["logout"]);
    let mut running = logout.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut running.stdin.take().unwrap(), pair.to_string().as_bytes()).unwrap();
    assert!(running.wait().unwrap().success());
    let answer = reqwest::Client::new()
        .get(format!("{}/v1/whoami", dev.api))
        .bearer_auth(pair["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_one_clear_line() {
    let dev = Dev::start().await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let key = |more: &[&str]| {
        let mut arguments = vec!["key", "create", "--user", "ada@example.com", "--name", "k"];
        arguments.extend(more);
        run_refused(&mut dev.command(&arguments))
    };
    insta::assert_snapshot!(key(&["--scope", "nothing:read"]), @"keyway: no API that the key is for has the scope nothing:read");
    insta::assert_snapshot!(key(&["--scope", "notes:read", "--expires", "soon"]), @"keyway: expires: an expiry is written as 90d, 12h, 30min, a date such as 2027-01-31, or never");
    insta::assert_snapshot!(key(&["--scope", "notes:read", "--rate", "often"]), @"keyway: rate: a rate is written as 600/min or 600/min burst=100, per s, min or h, up to 1000000");
    insta::assert_snapshot!(key(&["--scope", "notes:read", "--audience", "http://elsewhere"]), @"keyway: http://elsewhere is not an API of this portal");
    insta::assert_snapshot!(run_refused(&mut dev.command(&["key", "list", "--user", "bob@example.com"])), @"keyway: there is no account bob@example.com");
    insta::assert_snapshot!(run_refused(&mut dev.command(&["user", "create", "--email", "nobody"])), @"keyway: Enter an e-mail address, as you@example.com, of at most 254 characters.");
    insta::assert_snapshot!(run_refused(&mut dev.command(&["key", "revoke", "x"])), @"keyway: the key's id: not an id");
    insta::assert_snapshot!(run_refused(&mut dev.command(&["signing-key", "revoke", "x"])), @"keyway: there is no signing key x");
}

#[tokio::test]
async fn keys_issued_elsewhere_are_imported_and_bad_lines_named() {
    let dev = Dev::start_with(&[("KEYWAY_KEY_FORMATS", r#"[{prefix="sk_live_",min_length=32}]"#)]).await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let file = dev.folder.path().join("keys.jsonl");
    let digest = keyway_core::secret::SecretDigest::of(b"sk_live_0123456789abcdef0123456789abcdef");
    let hex: String = digest.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let good =
        format!(r#"{{"sha256":"{hex}","user":"ada@example.com","name":"Old","scopes":["notes:read"]}}"#);
    std::fs::write(&file, format!("{good}\n\n{good}\n")).unwrap();
    let path = file.to_str().unwrap();
    let report = run_json(&mut dev.command(&["key", "import", path, "--json"]));
    assert_eq!((report["imported"].as_u64(), report["present"].as_u64()), (Some(1), Some(1)));
    std::fs::write(&file, format!("{good}\n{{}}\nnonsense\n")).unwrap();
    let line = run_refused(&mut dev.command(&["key", "import", path]));
    assert_eq!(line, "keyway: 2 of 3 lines were left out");
}

#[tokio::test]
async fn a_backup_is_written_beside_a_running_server_and_restored_without_it() {
    let dev = Dev::start().await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let file = dev.folder.path().join("copy.db");
    let path = file.to_str().unwrap();
    run_json(&mut dev.command(&["backup", path, "--json"]));
    assert!(run_refused(&mut dev.command(&["backup", path])).ends_with("copy.db exists"));
    run_json(&mut dev.command(&["user", "create", "--email", "bob@example.com", "--json"]));
    let line = run_refused(&mut dev.command(&["restore", path]));
    assert!(line.contains("add --replace"), "{line}");
    let line = run_refused(&mut dev.command(&["restore", path, "--replace"]));
    assert_eq!(line, "keyway: the database is in use: stop the server first");

    let Dev { folder, process, .. } = dev;
    assert_eq!(process.terminate().await.code(), Some(0));
    let restored = run_json(crate::harness::process::keyway(folder.path()).args([
        "restore",
        path,
        "--replace",
        "--json",
    ]));
    assert_eq!(restored["revoked_signing_keys"], SIGNING_KEYS);
    let people = run_json(crate::harness::process::keyway(folder.path()).args(["user", "list", "--json"]));
    assert_eq!(people.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_master_key_is_replaced_beside_a_running_server() {
    let mut dev = Dev::start().await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let rotated = run_json(&mut dev.command(&["master-key", "rotate", "--json"]));
    assert_eq!(rotated["resealed"], SIGNING_KEYS);
    let mint = ["token", "mint", "--user", "ada@example.com", "--scope", "notes:read", "--json"];
    let pair = run_json(&mut dev.command(&mint));
    // The running server signs with a key that it unsealed before, or under the new key.
    let answer = reqwest::Client::new()
        .post(format!("{}/oauth/token", dev.portal))
        .form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", pair["refresh_token"].as_str().unwrap()),
            ("client_id", "keyway-cli"),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    dev.process.kill();
    dev.start_again().await;
    let found = run_json(&mut dev.command(&["doctor", "--json"]));
    assert!(found.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{found:#}");
    run_json(&mut dev.command(&mint));
}
