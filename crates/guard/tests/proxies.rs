//! The configurations under `scripts/deploy` in real proxies, in front of an API that tells what reached it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail, and says why"
)]

#[expect(dead_code, reason = "calls go through a proxy here")]
mod memory;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::random::SeededRandom;
use keyway_guard::forward_auth::{self, ForwardAuth};
use memory::{API, House};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program, and how it is started with its shipped configuration, in which [`Places::put`] has changed addresses.
struct Proxy {
    program: &'static str,
    package: &'static str,
    start: fn(&Places, &Path) -> Command,
}

/// Where everything listens.
struct Places {
    proxy: SocketAddr,
    guard: SocketAddr,
    api: SocketAddr,
}

impl Places {
    /// The shipped file with these addresses.
    fn put(&self, file: &str) -> String {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/deploy").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let changes = [
            (":8000", format!(":{}", self.proxy.port())),
            ("127.0.0.1:8083", self.guard.to_string()),
            ("127.0.0.1:9000", self.api.to_string()),
            ("http://localhost:8081", API.to_owned()),
        ];
        changes.iter().fold(text, |text, (shipped, here)| {
            assert!(text.contains(shipped), "{file} names {shipped}");
            text.replace(shipped, here)
        })
    }
}

const NGINX: Proxy = Proxy {
    program: "nginx",
    package: "nginx-light",
    start: |places, folder| {
        std::fs::write(folder.join("keyway.conf"), places.put("nginx/keyway.conf")).unwrap();
        let text = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/log; worker_processes 1; events {{}}\nhttp {{ access_log off; \
             client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f; \
             uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; include {0}/keyway.conf; }}",
            folder.display()
        );
        std::fs::write(folder.join("nginx.conf"), text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.join("log")).arg("-c").arg(folder.join("nginx.conf"));
        command
    },
};

const HAPROXY: Proxy = Proxy {
    program: "haproxy",
    package: "haproxy",
    start: |places, folder| {
        let script = folder.join("keyway.lua");
        let lua = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/deploy/haproxy/keyway.lua");
        std::fs::copy(lua, &script).unwrap();
        let text = places.put("haproxy/haproxy.cfg");
        std::fs::write(
            folder.join("haproxy.cfg"),
            text.replace("/etc/haproxy/keyway.lua", &script.display().to_string()),
        )
        .unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
        command
    },
};

const CADDY: Proxy = Proxy {
    program: "caddy",
    package: "caddy",
    start: |places, folder| {
        let text = places.put("caddy/Caddyfile");
        std::fs::write(folder.join("Caddyfile"), format!("{{\n\tadmin off\n}}\n{text}")).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        command
    },
};

/// A proxy in front of an API, with its guard.
struct Setup {
    child: Child,
    at: SocketAddr,
    house: House,
    reached: Arc<AtomicUsize>,
    guard: ServerHandle,
    api: ServerHandle,
    folder: TempDir,
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Setup {
    async fn start(proxy: &Proxy) -> Self {
        let house = House::new(|_| {});
        let reached = Arc::new(AtomicUsize::new(0));
        let (guards, sockets) = (vec![house.guard.clone()], [listener(), listener()]);
        let [for_guard, for_api] = sockets;
        let places = Places {
            // Free a moment ago.
            proxy: listener().local_addr().unwrap(),
            guard: for_guard.local_addr().unwrap(),
            api: for_api.local_addr().unwrap(),
        };
        let forward = web::Data::new(ForwardAuth::on_loopback(guards));
        let guard = HttpServer::new(move || {
            let forward = forward.clone();
            App::new().configure(|config| forward_auth::configure(config, forward))
        });
        // Each question on a connection of its own, so that none outlives the listener.
        let guard = guard.keep_alive(KeepAlive::Disabled);
        let guard = guard.workers(1).disable_signals().listen(for_guard).unwrap().run();
        let seen = web::Data::from(Arc::clone(&reached));
        let api = HttpServer::new(move || App::new().app_data(seen.clone()).default_service(web::to(tell)));
        let api = api.workers(1).disable_signals().listen(for_api).unwrap().run();
        let handles = [guard.handle(), api.handle()];
        tokio::spawn(guard);
        tokio::spawn(api);
        let [guard, api] = handles;
        let folder = tempfile::tempdir().unwrap();
        let output = std::fs::File::create(folder.path().join("output")).unwrap();
        let mut command = (proxy.start)(&places, folder.path());
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{}: {error}; install the Debian package {}", proxy.program, proxy.package)
        });
        let mut setup = Self { child, at: places.proxy, house, reached, guard, api, folder };
        setup.wait().await;
        setup
    }

    async fn wait(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(self.at).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let read = |file| std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
                panic!("it does not start: {}{}", read("output"), read("log"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends exactly these lines.
    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut text =
            format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            text.push_str("Content-Length: 2\r\n");
        }
        text.push_str(if method == "POST" { "\r\n{}" } else { "\r\n" });
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::read(&String::from_utf8(answer).unwrap())
    }

    async fn get(&self, target: &str, credential: &str) -> Answer {
        self.send("GET", target, &[("Authorization", &format!("Bearer {credential}"))]).await
    }

    async fn stop(self) {
        self.guard.stop(false).await;
        self.api.stop(false).await;
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// What reached the API: method, target and headers.
async fn tell(request: HttpRequest, reached: web::Data<AtomicUsize>) -> HttpResponse {
    reached.fetch_add(1, Ordering::SeqCst);
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap();
        let all = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.to_owned(),
        };
        headers.insert(name.to_string(), all.into());
    }
    HttpResponse::Ok().json(serde_json::json!({ "target": request.uri().to_string(), "headers": headers }))
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        // Of a chunked body these are all one chunk.
        let body = match (body.find('{'), body.rfind('}')) {
            (Some(start), Some(end)) => &body[start..=end],
            _ => body,
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        let (status, headers) = (status.unwrap_or(0), lines.filter_map(header).collect());
        Self { status, headers, body: body.to_owned() }
    }
    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }
    /// What the API saw of a header.
    fn saw(&self, name: &str) -> Option<String> {
        let seen: Value = serde_json::from_str(&self.body).unwrap();
        seen["headers"][name].as_str().map(str::to_owned)
    }
}

async fn lets_through_what_the_guard_accepts(setup: &Setup) {
    for credential in [&setup.house.key, &setup.house.token, &setup.house.jwt] {
        let answer = setup.get("/v1/notes?page=2", credential).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.saw("x-keyway-scopes").as_deref(), Some("notes:read"), "{answer:?}");
        assert_eq!(answer.saw("authorization"), None, "the API has no use for it");
    }
    let answer = setup.send("GET", "/v1/notes", &[("X-API-Key", &setup.house.key)]).await;
    assert_eq!((answer.status, answer.saw("x-api-key")), (200, None));
    assert_eq!(answer.saw("x-keyway-method").as_deref(), Some("api_key"));
}

async fn hands_on_nothing_that_a_client_made_up(setup: &Setup) {
    let made_up = [
        ("X-API-Key", setup.house.key.as_str()),
        ("X-Keyway-Subject", "evil"),
        ("x-keyway-client", "evil"),
        ("X-Keyway-Scopes", "admin"),
        ("X_Keyway_Subject", "evil"),
        ("X-Keyway-Code", "evil"),
        ("X-Forwarded-For", "evil"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/evil"),
    ];
    let answer = setup.send("GET", "/v1/notes", &made_up).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for name in forward_auth::HEADERS {
        assert!(!answer.saw(name).unwrap_or_default().contains("evil"), "{name}: {answer:?}");
    }
    assert_eq!(answer.saw("x-keyway-scopes").as_deref(), Some("notes:read"));
    assert_eq!(answer.saw("x_keyway_subject"), None);
    // What a call needs is not the client's to say.
    for target in ["/v1/notes?scope=&audience=x", "/v1/notes?scope=notes:read&codes=http"] {
        assert_eq!(setup.send("POST", target, &made_up).await.status, 403, "{target}");
    }
}

async fn refuses_with_the_guards_reasons(setup: &Setup) {
    let nobody = setup.send("GET", "/v1/notes", &[]).await;
    assert_eq!(nobody.status, 401);
    let challenges = nobody.all("www-authenticate");
    // The one for DPoP may come with it; nginx 1.22 hands on the first alone.
    let (bearer, other): (Vec<&str>, Vec<&str>) =
        challenges.iter().partition(|c| c.starts_with("Bearer realm="));
    assert!(bearer.len() == 1 && other.iter().all(|c| c.starts_with("DPoP ")), "{challenges:?}");
    assert!(nobody.body.contains("missing_credential"), "{nobody:?}");

    let scope = setup.send("POST", "/v1/notes", &[("X-API-Key", &setup.house.key)]).await;
    assert_eq!(scope.status, 403);
    assert!(scope.body.contains("insufficient_scope"), "{scope:?}");

    assert_eq!(setup.get("/v1/notes", &setup.house.spent).await.status, 200);
    let spent = setup.get("/v1/notes", &setup.house.spent).await;
    assert_eq!((spent.status, spent.all("retry-after")), (429, vec!["3600"]), "{spent:?}");
    assert_eq!(spent.all("ratelimit"), ["\"credential\";r=0;t=3600"]);
}

async fn takes_no_other_spelling_of_a_path(setup: &Setup) {
    let before = setup.reached.load(Ordering::SeqCst);
    for target in [
        "/v1/../admin",
        "/open/../v1/notes",
        "/v1/%2e%2e/admin",
        "/%2e%2e/v1/notes",
        "/v1/..%2fadmin",
        "//v1/notes",
        "/v1/./notes",
        "/v1/..",
        "/v1\\..\\admin",
        "/_keyway",
        "/guard/check?audience=http://api.example&scope=",
    ] {
        let answer = setup.get(target, &setup.house.key).await;
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
    }
    assert_eq!(setup.reached.load(Ordering::SeqCst), before, "none of them reached the API");
    // What is not a path may look like one.
    assert_eq!(setup.get("/v1/notes?at=//..%2f", &setup.house.key).await.status, 200);
}

async fn lets_nobody_through_when_nothing_can_be_told(setup: &Setup) {
    setup.house.failing.store(true, Ordering::SeqCst);
    let unknown = generate(&Brand::default(), Kind::LiveKey, &SeededRandom::new(7));
    let answer = setup.get("/v1/notes", unknown.expose()).await;
    assert_eq!((answer.status, answer.all("retry-after")), (503, vec!["1"]), "{answer:?}");
    assert_eq!(setup.get("/v1/notes", &setup.house.key).await.status, 200, "known and fresh");
    let before = setup.reached.load(Ordering::SeqCst);
    setup.guard.stop(false).await;
    let answer = setup.get("/v1/notes", &setup.house.key).await;
    assert_eq!((answer.status, answer.all("retry-after")), (503, vec!["1"]), "{answer:?}");
    assert_eq!(setup.reached.load(Ordering::SeqCst), before);
}

async fn everything(proxy: &Proxy) {
    let setup = Setup::start(proxy).await;
    lets_through_what_the_guard_accepts(&setup).await;
    hands_on_nothing_that_a_client_made_up(&setup).await;
    refuses_with_the_guards_reasons(&setup).await;
    takes_no_other_spelling_of_a_path(&setup).await;
    lets_nobody_through_when_nothing_can_be_told(&setup).await;
    setup.stop().await;
}

#[actix_web::test]
async fn nginx_asks_the_guard_and_does_as_it_says() {
    everything(&NGINX).await;
}

#[actix_web::test]
async fn haproxy_asks_the_guard_and_does_as_it_says() {
    everything(&HAPROXY).await;
}

#[actix_web::test]
async fn caddy_asks_the_guard_and_does_as_it_says() {
    everything(&CADDY).await;
}
