//! One kept HTTP/1.1 connection that never blocks: one request at a time, answers with a `Content-Length`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, bail};

/// A connection and what is under way on it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Since when the request that is under way has been due.
    due: Option<Instant>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What a browser sends back as `Cookie`, if it was given one.
    pub cookie: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096), due: None })
    }

    /// Whether a request is under way.
    pub const fn is_busy(&self) -> bool {
        self.due.is_some()
    }

    /// Sends a request that has been due since `due`. Small ones only: they fit into the socket's buffer.
    ///
    /// # Errors
    /// When the connection is gone or the buffer full.
    pub fn send(&mut self, request: &[u8], due: Instant) -> anyhow::Result<()> {
        self.stream.write_all(request).context("the request does not go out")?;
        self.due = Some(due);
        Ok(())
    }

    /// The answer and since when it has been due, if it has come in whole.
    ///
    /// # Errors
    /// When the connection is gone, or the answer is none.
    pub fn poll(&mut self) -> anyhow::Result<Option<(Answer, Instant)>> {
        let Some(due) = self.due else { return Ok(None) };
        let mut chunk = [0; 16_384];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => self.buffer.extend(chunk.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(answer) = whole(&self.buffer)? {
                self.buffer.clear();
                self.due = None;
                return Ok(Some((answer, due)));
            }
        }
    }
}

/// The answer at the beginning of `bytes`, if all of it is there.
fn whole(bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, rest) = bytes.split_at(end);
    let head = std::str::from_utf8(head).context("the head is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let (mut length, mut cookie) = (None, None::<String>);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("set-cookie") {
            let pair = value.split(';').next().unwrap_or_default().trim();
            cookie = Some(cookie.map_or_else(|| pair.to_owned(), |before| format!("{before}; {pair}")));
        }
    }
    let (Some(status), Some(length)) = (status, length) else { bail!("no status or length: {head}") };
    let body = rest.get(4..).unwrap_or_default();
    Ok(body.get(..length).map(|body| Answer { status, cookie, body: body.to_vec() }))
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
        assert_eq!(
            whole(text).unwrap(),
            Some(Answer { status: 200, cookie: Some("a=b; c=d".into()), body: b"ok".to_vec() })
        );
        assert!(whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
