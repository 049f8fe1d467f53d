//! A browser without JavaScript: keeps cookies, follows redirects, fills in forms.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use reqwest::{Client, Method};
use url::Url;

use super::html::{self, Form};
use super::reply::Reply;

/// Keeps cookies by name for the portal's host.
pub struct Browser {
    http: Client,
    portal: Url,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    pub fn new(http: Client, portal: &str) -> Self {
        Self { http, portal: portal.parse().expect("the portal's address"), cookies: Mutex::default() }
    }

    /// A page, after any redirects within the portal.
    pub async fn get(&self, path: &str) -> Reply {
        self.follow(Method::GET, path, None).await
    }
    /// Sends a form and follows where it leads within the portal.
    pub async fn submit(&self, form: &Form) -> Reply {
        self.follow(Method::POST, &form.action, Some(form.body())).await
    }
    /// Sends a form; a redirect is the answer.
    pub async fn submit_only(&self, form: &Form) -> Reply {
        self.once(Method::POST, &self.at(&form.action), Some(form.body())).await
    }
    /// One request; a redirect is the answer.
    pub async fn get_only(&self, path: &str) -> Reply {
        self.once(Method::GET, &self.at(path), None).await
    }

    /// The form of a page that posts to an address with this beginning.
    #[track_caller]
    pub fn form(page: &Reply, action: &str) -> Form {
        let forms = html::forms(&page.body);
        let found = forms.iter().find(|form| form.method == "post" && form.action.starts_with(action));
        match found {
            Some(form) => form.clone(),
            None => panic!("{}: {}: no form for {action}\n{}", page.what, page.status, page.body),
        }
    }

    fn at(&self, path: &str) -> Url {
        self.portal.join(path).expect("an address")
    }

    async fn follow(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        let mut reply = self.once(method, &self.at(path), body).await;
        for _ in 0..10 {
            let Some(location) = reply.status.is_redirection().then(|| reply.location()) else {
                return reply;
            };
            let next = self.at(&location);
            if next.origin() != self.portal.origin() {
                return reply;
            }
            reply = self.once(Method::GET, &next, None).await;
        }
        panic!("{path}: too many redirects");
    }

    /// A request whose answer does not end.
    pub async fn open(&self, path: &str) -> reqwest::Response {
        self.send(Method::GET, &self.at(path), None).await
    }

    async fn once(&self, method: Method, url: &Url, body: Option<String>) -> Reply {
        let what = format!("{method} {url}");
        Reply::read(what, self.send(method, url, body).await).await
    }

    async fn send(&self, method: Method, url: &Url, body: Option<String>) -> reqwest::Response {
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .header("accept", "text/html")
            .header("sec-fetch-site", if method == Method::GET { "none" } else { "same-origin" });
        let cookies: Vec<String> =
            self.cookies.lock().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", self.portal.origin().ascii_serialization())
                .body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        for cookie in response.headers().get_all("set-cookie") {
            self.keep(cookie.to_str().expect("a cookie in ASCII"));
        }
        response
    }

    fn keep(&self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').expect("a cookie with a value");
        let gone = value.is_empty() || attributes.to_ascii_lowercase().contains("max-age=0");
        let mut cookies = self.cookies.lock();
        if gone {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
