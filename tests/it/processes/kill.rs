//! `kill -9` at random moments while keys are created and revoked: whatever was answered holds afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyway_core::Random;
use keyway_core::random::SeededRandom;
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::json;

use crate::harness::actors::{Actor, KeyClient, http};
use crate::harness::process::{Dev, run_json};

/// Rounds, unless `KEYWAY_SOAK_ROUNDS` says otherwise.
const ROUNDS: u64 = 3;
/// Who create and revoke at once.
const WRITERS: usize = 8;

/// What is known of a key from the answers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Its creation was answered.
    Created,
    /// Its revocation was asked for; the answer never came.
    MayBeRevoked,
    /// Its revocation was answered.
    Revoked,
}

/// Keys by id: their secret and what is known.
type Ledger = Arc<Mutex<HashMap<String, (String, Known)>>>;

fn pick(random: &dyn Random, below: u32) -> u32 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    u32::from_le_bytes(bytes) % below
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_answered() {
    let rounds = std::env::var("KEYWAY_SOAK_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let off = [("KEYWAY_LIMITS__CREDENTIAL", "off"), ("KEYWAY_LIMITS__OWNER", "off")];
    let mut dev = Dev::start_with(&off).await;
    for round in 0..rounds {
        one_round(&mut dev, round).await;
    }
}

async fn one_round(dev: &mut Dev, round: u64) {
    let random = SeededRandom::new(round);
    let ledger = Ledger::default();
    // A person per writer and round: nobody comes near the most keys that one may have.
    let makers: Vec<KeyClient> =
        (0..WRITERS).map(|writer| maker(dev, &format!("p{round}-{writer}@example.com"))).collect();
    let url = format!("{}/api/v1/keys", dev.portal);
    let writers: Vec<_> = makers
        .into_iter()
        .enumerate()
        .map(|(n, maker)| {
            tokio::spawn(write(maker, url.clone(), Arc::clone(&ledger), round * 100 + n as u64))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(u64::from(pick(&random, 400)) + 30)).await;
    dev.process.kill();
    for writer in writers {
        writer.await.expect("a writer");
    }
    dev.start_again().await;
    let ledger = Arc::into_inner(ledger).expect("all writers are done").into_inner();
    let (http, whoami) = (http(), format!("{}/v1/whoami", dev.api));
    for (id, (key, known)) in &ledger {
        let reply = KeyClient { http: http.clone(), id: id.clone(), key: key.clone() }.get(&whoami).await;
        let (status, code) = reply.refusal();
        let fits = match known {
            Known::Created => status == 200,
            Known::MayBeRevoked => status == 200 || code == "revoked",
            Known::Revoked => status == 401 && code == "revoked",
        };
        assert!(fits, "round {round}: {id} was {known:?}, and now: {status} {}", reply.body);
    }
    println!("round {round}: {} keys as they were answered", ledger.len());
    let found = run_json(&mut dev.command(&["doctor", "--json"]));
    assert!(found.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{found:#}");
    // Every row can be read whole.
    run_json(&mut dev.command(&["key", "list", "--json"]));
}

/// A person with a key that may make and revoke keys. It is of the test environment's twin: live, for both APIs.
fn maker(dev: &Dev, email: &str) -> KeyClient {
    run_json(&mut dev.command(&["user", "create", "--email", email, "--json"]));
    let made = run_json(&mut dev.command(&[
        "key",
        "create",
        "--user",
        email,
        "--name",
        "maker",
        "--scope",
        "keys:read keys:write notes:read",
        "--json",
    ]));
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    KeyClient { http: http(), id: text("id"), key: text("key") }
}

/// Creates and revokes until the server is gone.
async fn write(maker: KeyClient, url: String, ledger: Ledger, seed: u64) {
    let random = SeededRandom::new(seed);
    let body = json!({ "name": "made", "scopes": ["notes:read"] });
    // At most as many as one person may have.
    for _ in 0..40 {
        let Some((status, created)) = send(&maker, maker.http.request(Method::POST, &url).json(&body)).await
        else {
            return;
        };
        assert_eq!(status, 201, "{created}");
        let text = |name: &str| created[name].as_str().expect("a text").to_owned();
        let (id, key) = (text("id"), text("key"));
        ledger.lock().insert(id.clone(), (key, Known::Created));
        if pick(&random, 2) == 0 {
            ledger.lock().get_mut(&id).expect("it").1 = Known::MayBeRevoked;
            let Some((status, answer)) = send(&maker, maker.http.delete(format!("{url}/{id}"))).await else {
                return;
            };
            assert!((200..300).contains(&status), "{status} {answer}");
            ledger.lock().get_mut(&id).expect("it").1 = Known::Revoked;
        }
    }
}

/// The answer, if it came whole.
async fn send(maker: &KeyClient, request: reqwest::RequestBuilder) -> Option<(u16, serde_json::Value)> {
    let client: &Client = maker.http();
    let answer = client.execute(maker.sign(request).build().expect("the request")).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}
