//! The race of calls against what is taken away: two servers under load, one of which follows over HTTP. Short here;
//! `scripts/soak` makes 10,000 changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keyway_core::Random;
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::random::{OsRandom, SeededRandom};
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::two::Pair;
use crate::harness::actors::{Actor, KeyClient, http};
use crate::harness::process::run_json;

/// What a guard that follows remotely may lag behind.
const REMOTELY: Duration = Duration::from_secs(1);
/// And whatever breaks.
const MAX_STALENESS: Duration = Duration::from_secs(3);
const OFF: [(&str, &str); 3] = [
    ("KEYWAY_LIMITS__CREDENTIAL", "off"),
    ("KEYWAY_LIMITS__OWNER", "off"),
    ("KEYWAY_LIMITS__UNKNOWN_CREDENTIALS", "off"),
];

/// A key, and since when it is known to be worth nothing at `/v1/notes`.
struct Subject {
    id: String,
    key: String,
    taken_at: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    late: Mutex<Vec<Duration>>,
}

async fn subjects(pair: &Pair, maker: &KeyClient, count: usize) -> Vec<Subject> {
    let random = OsRandom;
    let keys: Vec<_> = (0..count).map(|_| generate(&Brand::default(), Kind::LiveKey, &random)).collect();
    let line = |(at, key): (usize, &keyway_core::secret::PlainSecret)| {
        let digest = key.digest();
        let digits: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "sha256": digits, "user": "ada@example.com", "name": format!("k{at}"), "scopes": ["notes:read", "notes:write"] })
    };
    let lines: Vec<String> = keys.iter().enumerate().map(line).map(|line| line.to_string()).collect();
    let file = pair.dev.folder.path().join("keys.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("the file");
    run_json(&mut pair.dev.command(&["key", "import", &file.display().to_string(), "--json"]));
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut before = String::new();
    loop {
        let url = format!("{}/api/v1/keys?limit=100{before}", pair.dev.portal);
        let page = maker.get(&url).await.expect(200).json();
        let text = |key: &Value, name: &str| key[name].as_str().expect("a text").to_owned();
        ids.extend(
            page["keys"].as_array().expect("keys").iter().map(|key| (text(key, "name"), text(key, "id"))),
        );
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    let subject = |(at, key): (usize, &keyway_core::secret::PlainSecret)| Subject {
        id: ids[&format!("k{at}")].clone(),
        key: key.expose().to_owned(),
        taken_at: Mutex::new(None),
    };
    keys.iter().enumerate().map(subject).collect()
}

/// Calls `api` with keys at random until `done`; what is accepted on terms that ended `lag` before it was sent is late.
async fn call(
    api: String,
    subjects: Arc<Vec<Subject>>,
    tally: Arc<Tally>,
    lag: Duration,
    seed: u64,
    done: Arc<AtomicBool>,
) {
    let (http, random) = (Client::new(), SeededRandom::new(seed));
    let url = format!("{api}/v1/notes");
    while !done.load(Ordering::Relaxed) {
        let subject = &subjects[below(&random, subjects.len())];
        let (taken_at, sent) = (*subject.taken_at.lock(), Instant::now());
        let Ok(answer) = http.get(&url).bearer_auth(&subject.key).send().await else { continue };
        let accepted = answer.status().is_success();
        drop(answer.bytes().await);
        let count = if accepted { &tally.accepted } else { &tally.refused };
        count.fetch_add(1, Ordering::Relaxed);
        let since = taken_at.map(|at| sent.duration_since(at));
        if let Some(since) = since.filter(|since| accepted && *since >= lag) {
            tally.late.lock().push(since);
        }
    }
}

fn below(random: &dyn Random, count: usize) -> usize {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % count as u64).expect("an index")
}

/// Revokes a key, disables it, or takes the scope away that it is called with.
async fn take_away(maker: &KeyClient, portal: &str, subject: &Subject, random: &dyn Random) {
    let url = format!("{portal}/api/v1/keys/{}", subject.id);
    let reply = match below(random, 3) {
        0 => maker.delete(&url).await,
        1 => maker.json(Method::PATCH, &url, &json!({ "enabled": false })).await,
        _ => maker.json(Method::PATCH, &url, &json!({ "scopes": ["notes:write"] })).await,
    };
    *subject.taken_at.lock() = Some(Instant::now());
    assert!(reply.status.is_success(), "{} {}", reply.status, reply.body);
}

fn changes() -> usize {
    std::env::var("KEYWAY_SOAK_CHANGES").ok().map_or(60, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_is_accepted_a_second_after_it_was_taken_away() {
    let pair = Pair::start("remote", &OFF).await;
    let maker = pair.maker();
    let made = changes();
    let subjects = Arc::new(subjects(&pair, &maker, made).await);
    let done = Arc::new(AtomicBool::new(false));
    let (here, there) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
    let mut callers = Vec::new();
    for seed in 0..4 {
        let (api, tally, lag) = match seed % 2 {
            0 => (&pair.dev.api, &here, Duration::ZERO),
            _ => (&pair.api, &there, REMOTELY),
        };
        let all = (api.clone(), Arc::clone(&subjects), Arc::clone(tally), Arc::clone(&done));
        callers.push(tokio::spawn(call(all.0, all.1, all.2, lag, seed, all.3)));
    }
    let random = SeededRandom::new(42);
    for subject in subjects.iter() {
        take_away(&maker, &pair.dev.portal, subject, &random).await;
    }
    // The last ones are called after their second too.
    tokio::time::sleep(REMOTELY + Duration::from_millis(500)).await;
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a caller");
    }
    for (name, tally) in [("here", &here), ("remotely", &there)] {
        let (accepted, refused) =
            (tally.accepted.load(Ordering::Relaxed), tally.refused.load(Ordering::Relaxed));
        println!("{name}: {made} taken away, {accepted} calls accepted, {refused} refused");
        assert!(accepted > 0 && refused > 0, "{name}: {accepted} {refused}");
        assert!(tally.late.lock().is_empty(), "{name}: accepted too late: {:?}", tally.late.lock());
    }
}

/// Between a guard and the portal; once told to, it passes nothing on and closes nothing.
struct Relay {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Relay {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (silent, own) =
            (Arc::new(AtomicBool::new(false)), listener.local_addr().expect("its address").port());
        let told = Arc::clone(&silent);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let ((near_read, near_write), (far_read, far_write)) =
                        (near.into_split(), far.into_split());
                    tokio::join!(
                        pass(near_read, far_write, Arc::clone(&told)),
                        pass(far_read, near_write, Arc::clone(&told))
                    );
                });
            }
        });
        Self { port: own, silent }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    silent: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    let mut turn = tokio::time::interval(Duration::from_millis(20));
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        while silent.load(Ordering::Relaxed) {
            turn.tick().await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_guard_that_hears_nothing_accepts_nothing_after_max_staleness() {
    let dev = Pair::start("store", &OFF).await;
    let port = dev.dev.portal.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let relay = Relay::to(port).await;
    let (process, api) = dev.another(&format!("http://localhost:{}", relay.port)).await;
    let maker = dev.maker();
    let subjects = subjects(&dev, &maker, 10).await;
    let http = http();
    let ask = async |subject: &Subject| {
        let request = http.get(format!("{api}/v1/notes")).bearer_auth(&subject.key);
        request.send().await.expect("an answer").status().as_u16()
    };
    for subject in &subjects {
        assert_eq!(ask(subject).await, 200);
    }
    relay.silent.store(true, Ordering::Relaxed);
    for subject in &subjects {
        let reply = maker.delete(&format!("{}/api/v1/keys/{}", dev.dev.portal, subject.id)).await;
        assert!(reply.status.is_success(), "{}", reply.body);
    }
    let taken = Instant::now();
    let mut accepted = 0;
    while taken.elapsed() < MAX_STALENESS + Duration::from_secs(2) {
        for subject in &subjects {
            let since = taken.elapsed();
            let status = ask(subject).await;
            accepted += u32::from(status == 200);
            assert!(since < MAX_STALENESS || status == 503, "{status} {since:?} after it was taken away");
        }
    }
    assert!(accepted > 0, "the silence was noticed at once: nothing was tried");
    relay.silent.store(false, Ordering::Relaxed);
    let heard = Instant::now();
    while ask(&subjects[0]).await != 401 {
        assert!(heard.elapsed() < Duration::from_secs(30), "not heard of again");
    }
    assert_eq!(process.terminate().await.code(), Some(0));
}
