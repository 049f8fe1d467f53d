//! People who sign in beside the load: one after the other, each with a page, a form and the session that follows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mio::{Registry, Token};

use crate::connection::{Answer, Connection};
use crate::latencies::Latencies;

/// The first of the tokens that people's connections have.
const FIRST: usize = 1 << 20;

/// Who signs in where, and how often.
#[derive(Debug)]
pub struct SignIns {
    address: SocketAddr,
    origin: String,
    form: String,
    every: Duration,
    next: Instant,
    begun: usize,
    under_way: HashMap<Token, SignIn>,
    /// How long it took those who were let in, from when they were due.
    pub done: Latencies,
    /// How many were told to come back later.
    pub turned_away: usize,
}

#[derive(Debug)]
struct SignIn {
    connection: Connection,
    due: Instant,
    sent_form: bool,
}

impl SignIns {
    /// So many a second, from now on. `form` is what stands beside the page's own token, encoded.
    pub fn new(address: SocketAddr, origin: String, form: String, rate: u32) -> Self {
        Self {
            address,
            origin,
            form,
            every: Duration::from_secs(1) / rate.max(1),
            next: Instant::now(),
            begun: 0,
            under_way: HashMap::new(),
            done: Latencies::default(),
            turned_away: 0,
        }
    }

    /// Begins with whoever is due. Never waits for an answer.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn go_on(&mut self, now: Instant, registry: &Registry) -> anyhow::Result<()> {
        if now < self.next {
            return Ok(());
        }
        let due = self.next;
        self.next += self.every;
        let token = Token(FIRST + self.begun);
        self.begun += 1;
        let mut connection = Connection::open(self.address, registry, token)?;
        let host = self.host();
        connection.send(format!("GET /sign-in HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), due)?;
        self.under_way.insert(token, SignIn { connection, due, sent_form: false });
        Ok(())
    }

    /// Goes on with what came in, if `token` is one of these people's.
    ///
    /// # Errors
    /// When somebody is refused for another reason than that too many wait.
    pub fn ready(&mut self, token: Token) -> anyhow::Result<()> {
        let Some(mut sign_in) = self.under_way.remove(&token) else { return Ok(()) };
        let Some((answer, _)) = sign_in.connection.answer()? else {
            self.under_way.insert(token, sign_in);
            return Ok(());
        };
        if sign_in.sent_form {
            match answer.status {
                303 => self.done.add(sign_in.due.elapsed()),
                429 | 503 => self.turned_away += 1,
                other => anyhow::bail!("a sign-in was answered {other}"),
            }
            return Ok(());
        }
        ensure!(answer.status == 200, "the page was answered {}", answer.status);
        let request = self.request(&answer)?;
        sign_in.connection.send(request.as_bytes(), sign_in.due)?;
        sign_in.sent_form = true;
        self.under_way.insert(token, sign_in);
        Ok(())
    }

    /// Pages are asked for under the portal's own name.
    fn host(&self) -> &str {
        self.origin.split_once("://").map_or(self.origin.as_str(), |(_, host)| host)
    }

    fn request(&self, page: &Answer<'_>) -> anyhow::Result<String> {
        let body = std::str::from_utf8(page.body).context("the page is not text")?;
        let (_, rest) = body.split_once("name=\"csrf\" value=\"").context("the page has no form")?;
        let (token, _) = rest.split_once('"').context("the page has no token")?;
        let cookie = page.cookie().context("the page sets no cookie")?;
        let form = format!("csrf={token}&{}", self.form);
        let (host, origin, length) = (self.host(), &self.origin, form.len());
        Ok(format!(
            "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ))
    }
}
