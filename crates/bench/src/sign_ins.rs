//! People who sign in beside the load: one after the other, each with a page, a form and the session that follows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::connection::{Answer, Connection};

/// Who signs in where, and how often.
#[derive(Debug)]
pub struct SignIns {
    address: SocketAddr,
    origin: String,
    form: String,
    every: Duration,
    next: Instant,
    under_way: Vec<SignIn>,
    /// How many have been let in.
    pub done: usize,
}

#[derive(Debug)]
struct SignIn {
    connection: Connection,
    sent_form: bool,
}

impl SignIns {
    /// So many a second, from now on. `form` is what stands beside the page's own token, encoded.
    pub fn new(address: SocketAddr, origin: String, form: String, rate: u32) -> Self {
        let every = Duration::from_secs(1) / rate.max(1);
        let next = Instant::now();
        Self { address, origin, form, every, next, under_way: Vec::new(), done: 0 }
    }

    /// Goes on with what is due. Never waits.
    ///
    /// # Errors
    /// When somebody is not let in.
    pub fn go_on(&mut self, now: Instant) -> anyhow::Result<()> {
        if self.next <= now {
            self.next += self.every;
            let mut connection = Connection::open(self.address)?;
            let host = self.host();
            connection.send(format!("GET /sign-in HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), now)?;
            self.under_way.push(SignIn { connection, sent_form: false });
        }
        let mut still = Vec::with_capacity(self.under_way.len());
        for mut sign_in in std::mem::take(&mut self.under_way) {
            let Some((answer, _)) = sign_in.connection.poll()? else {
                still.push(sign_in);
                continue;
            };
            if sign_in.sent_form {
                ensure!(answer.status == 303, "a sign-in was answered {}", answer.status);
                self.done += 1;
                continue;
            }
            let request = self.request(&answer)?;
            sign_in.connection.send(request.as_bytes(), now)?;
            sign_in.sent_form = true;
            still.push(sign_in);
        }
        self.under_way = still;
        Ok(())
    }

    /// Pages are asked for under the portal's own name.
    fn host(&self) -> &str {
        self.origin.split_once("://").map_or(self.origin.as_str(), |(_, host)| host)
    }

    fn request(&self, page: &Answer) -> anyhow::Result<String> {
        let body = std::str::from_utf8(&page.body).context("the page is not text")?;
        let (_, rest) = body.split_once("name=\"csrf\" value=\"").context("the page has no form")?;
        let (token, _) = rest.split_once('"').context("the page has no token")?;
        let cookie = page.cookie.as_deref().context("the page sets no cookie")?;
        let form = format!("csrf={token}&{}", self.form);
        let (host, origin, length) = (self.host(), &self.origin, form.len());
        Ok(format!(
            "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ))
    }
}
