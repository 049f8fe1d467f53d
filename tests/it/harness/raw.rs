//! Requests byte by byte, for what no HTTP library would send.

use std::time::Duration;

use keyway_core::Random;
use keyway_core::random::SeededRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer may take so long before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Raw {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct RawReply {
    /// 0 if the connection was closed without an answer.
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl RawReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Raw {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
    pub fn form(mut self, body: &str) -> Self {
        self.body = body.into();
        self.header("content-type", "application/x-www-form-urlencoded")
    }
    pub fn json(mut self, body: &str) -> Self {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            [&self.method[..], b" ", &self.target[..], b" HTTP/1.1\r\nhost: localhost\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len()).bytes());
        bytes.extend(&self.body);
        bytes
    }

    /// For a failed test: the beginning of it.
    pub fn shown(&self) -> String {
        let bytes = self.bytes();
        String::from_utf8_lossy(bytes.get(..bytes.len().min(1_500)).unwrap_or_default()).into_owned()
    }

    /// Sends it on a connection of its own, and reads the whole answer.
    pub async fn send(&self, port: u16) -> RawReply {
        let talk = async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
            let (mut from, mut to) = stream.into_split();
            // An answer may come before all was read: what cannot be sent any more does not matter then.
            let bytes = self.bytes();
            let send = async move { drop(to.write_all(&bytes).await.map(|()| to)) };
            let receive = async {
                let mut answer = Vec::new();
                let _ = from.read_to_end(&mut answer).await;
                answer
            };
            tokio::join!(receive, send).0
        };
        let answer = tokio::time::timeout(PATIENCE, talk).await;
        let answer = answer.unwrap_or_else(|_| panic!("no end of the answer to\n{}", self.shown()));
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
        let headers = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        RawReply { status, headers, body: answer.get(end + 4..).unwrap_or_default().to_vec() }
    }
}

/// Chooses the same for the same seed.
pub struct Dice(SeededRandom);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }
    /// Less than `end`.
    pub fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % end.max(1) as u64).expect("less than end")
    }
    pub fn one_of<'t, T>(&self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}
