//! The real program as a process: for `kill -9`, signals, several processes on one database, and commands.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program, with nothing of this process's own settings.
pub fn keyway(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.current_dir(folder).env_clear().env("KEYWAY_DATA_DIR", folder.join("var"));
    for kept in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

/// A process that listens; killed when dropped.
pub struct Process {
    child: Child,
    pub what: String,
}

impl Process {
    /// Starts it; what it prints goes to the test's output.
    pub fn start(mut command: Command) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let id = child.id();
        if let Some(out) = out {
            std::thread::spawn(move || {
                BufReader::new(out).lines().map_while(Result::ok).for_each(|l| println!("[{id}] {l}"));
            });
        }
        if let Some(err) = err {
            std::thread::spawn(move || {
                BufReader::new(err).lines().map_while(Result::ok).for_each(|l| println!("[{id}] {l}"));
            });
        }
        Self { child, what }
    }

    /// Waits until `url` answers 200.
    pub async fn ready(&mut self, url: &str) {
        let http = super::actors::http();
        let end = Instant::now() + Duration::from_secs(60);
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        while Instant::now() < end {
            turn.tick().await;
            if let Some(status) = self.child.try_wait().expect("the process") {
                panic!("{}: ended with {status} before it was ready", self.what);
            }
            if http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
        panic!("{}: {url} did not answer in a minute", self.what);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Asks it to end, and waits.
    pub async fn terminate(mut self) -> ExitStatus {
        let asked =
            Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().expect("kill");
        assert!(asked.success());
        let end = Instant::now() + Duration::from_secs(30);
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        while Instant::now() < end {
            turn.tick().await;
            if let Some(status) = self.child.try_wait().expect("the process") {
                return status;
            }
        }
        panic!("{}: did not end within 30 seconds of SIGTERM", self.what);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `keyway dev` on free ports with a data folder of its own.
pub struct Dev {
    pub folder: tempfile::TempDir,
    pub portal: String,
    pub api: String,
    pub process: Process,
    settings: Vec<(String, String)>,
}

impl Dev {
    /// Starts it and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }
    /// The same with further settings.
    pub async fn start_with(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (portal, api) = (free_port(), free_port());
        let mut settings = vec![
            ("KEYWAY_PORTAL_ADDR".to_owned(), format!("127.0.0.1:{portal}")),
            ("KEYWAY_API_ADDR".to_owned(), format!("127.0.0.1:{api}")),
            ("KEYWAY_PUBLIC_URL".to_owned(), format!("http://localhost:{portal}")),
            ("KEYWAY_DEMO_ADDR".to_owned(), "off".to_owned()),
        ];
        settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let process = Process::start(Self::command_in(folder.path(), &settings, &["dev"]));
        let (portal, api) = (format!("http://localhost:{portal}"), format!("http://localhost:{api}"));
        let mut dev = Self { folder, portal, api, process, settings };
        dev.ready().await;
        dev
    }
    /// Starts it again after it was killed, on the same data.
    pub async fn start_again(&mut self) {
        self.process = Process::start(Self::command_in(self.folder.path(), &self.settings, &["dev"]));
        self.ready().await;
    }
    /// A command beside it, with its settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        Self::command_in(self.folder.path(), &self.settings, arguments)
    }
    async fn ready(&mut self) {
        let url = format!("{}/readyz", self.portal);
        self.process.ready(&url).await;
    }
    fn command_in(folder: &Path, settings: &[(String, String)], arguments: &[&str]) -> Command {
        let mut command = keyway(folder);
        command.args(arguments).envs(settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    let what = format!("{command:?}");
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Runs a command that must succeed, and reads the JSON that it prints.
#[track_caller]
pub fn run_json(command: &mut Command) -> Value {
    let what = format!("{command:?}");
    let output = run(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{what}: no JSON ({error}):\n{out}\n{err}"))
}

/// Runs a command that must fail, and gives its one line.
#[track_caller]
pub fn run_refused(command: &mut Command) -> String {
    let what = format!("{command:?}");
    let output = run(command);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{what}: {err}");
    assert_eq!(err.lines().count(), 1, "{what}: {err}");
    err.trim_end().to_owned()
}
