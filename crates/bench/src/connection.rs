//! One kept HTTP/1.1 connection that never blocks: one request at a time, answers with a `Content-Length`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context as _, bail};
use mio::{Interest, Registry, Token};

/// A connection and what is under way on it.
#[derive(Debug)]
pub struct Connection {
    stream: mio::net::TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer has been read into.
    filled: usize,
    /// Since when the request that is under way has been due.
    due: Option<Instant>,
}

/// An answer, in its connection's buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The status line and the fields.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// What a browser sends back as `Cookie`, if it was given one.
    pub fn cookie(&self) -> Option<String> {
        let values = std::str::from_utf8(self.head).ok()?.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or_default().trim())
        });
        let pairs: Vec<_> = values.collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Connection {
    /// Connects; `token` is what `registry` tells of when an answer comes in.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, buffer: vec![0; 4_096], filled: 0, due: None })
    }

    /// Sends a request that has been due since `due`. Small ones only: they fit into the socket's buffer.
    ///
    /// # Errors
    /// When the connection is gone or the buffer full.
    pub fn send(&mut self, request: &[u8], due: Instant) -> anyhow::Result<()> {
        self.stream.write_all(request).context("the request does not go out")?;
        (self.filled, self.due) = (0, Some(due));
        Ok(())
    }

    /// The answer and since when it has been due, if it has come in whole. To be asked until there is none once the
    /// connection is ready: readiness is told of once.
    ///
    /// # Errors
    /// When the connection is gone, or the answer is none.
    pub fn answer(&mut self) -> anyhow::Result<Option<(Answer<'_>, Instant)>> {
        let Some(due) = self.due else { return Ok(None) };
        let shape = loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            match self.stream.read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(shape) = whole(self.buffer.get(..self.filled).unwrap_or_default())? {
                break shape;
            }
        };
        self.due = None;
        let (head, rest) = self.buffer.split_at(shape.body.start);
        let body = rest.get(..shape.body.len()).unwrap_or_default();
        Ok(Some((Answer { status: shape.status, head, body }, due)))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Shape {
    status: u16,
    body: Range<usize>,
}

const LENGTH: &[u8] = b"content-length:";

/// Where the answer at the beginning of `bytes` ends, if all of it is there.
fn whole(bytes: &[u8]) -> anyhow::Result<Option<Shape>> {
    let (mut at, mut length) = (0, None);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\r\n" {
            let status = bytes.get(9..12).and_then(number);
            let (Some(status), Some(length)) = (status, length) else {
                bail!("no status or length: {}", String::from_utf8_lossy(bytes))
            };
            let body = at..at + length;
            return Ok((body.end <= bytes.len()).then_some(Shape { status: u16::try_from(status)?, body }));
        }
        if line.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH)) {
            length = line.get(LENGTH.len()..).and_then(number);
        }
    }
    Ok(None)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_once_its_body_is_there() {
        let text =
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=b; Path=/\r\nset-cookie: c=d\r\n\r\nok";
        for end in 0..text.len() {
            assert_eq!(whole(&text[..end]).unwrap(), None, "{end}");
        }
        let shape = whole(text).unwrap().unwrap();
        assert_eq!((shape.status, &text[shape.body.clone()]), (200, &b"ok"[..]));
        let answer = Answer { status: 200, head: &text[..shape.body.start], body: b"ok" };
        assert_eq!(answer.cookie().unwrap(), "a=b; c=d");
        assert!(whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
