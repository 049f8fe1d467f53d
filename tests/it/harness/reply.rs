//! An answer, read to its end, and what tests say about it.

use std::collections::BTreeMap;
use std::fmt::Write;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub what: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub async fn read(what: String, response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap_or_else(|error| panic!("{what}: the body: {error}"));
        Self { what, status, headers, body }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The parameters of the address that a redirect leads to.
    #[track_caller]
    pub fn answers(&self) -> BTreeMap<String, String> {
        let location: url::Url = self.location().parse().expect("an address");
        location.query_pairs().into_owned().collect()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(
            self.status.as_u16() == status,
            "{}: {} in place of {status}\n{:#?}\n{}",
            self.what,
            self.status,
            self.headers,
            self.body
        );
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            panic!("{}: {}: no JSON ({error}):\n{}", self.what, self.status, self.body)
        })
    }

    /// A text in the JSON body.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let json = self.json();
        match json.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            _ => panic!("{}: no text at {pointer}:\n{}", self.what, self.body),
        }
    }

    /// Status and problem code, for short.
    pub fn refusal(&self) -> (u16, String) {
        let code = serde_json::from_str::<Value>(&self.body).ok().and_then(|json| {
            json.get("code").or_else(|| json.get("error")).and_then(Value::as_str).map(str::to_owned)
        });
        (self.status.as_u16(), code.unwrap_or_default())
    }

    /// Where a redirect leads.
    #[track_caller]
    pub fn location(&self) -> String {
        match self.header("location") {
            Some(location) => location.to_owned(),
            None => panic!("{}: {} without Location\n{}", self.what, self.status, self.body),
        }
    }

    /// Status, all headers but those that tell nothing, and the body, with what differs from run to run replaced.
    pub fn snapshot(&self, replace: &[(&str, &str)]) -> String {
        const SILENT: [&str; 4] = ["date", "content-length", "connection", "server"];
        let mut out = format!("{}\n", self.status);
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .filter(|(name, _)| !SILENT.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        for (name, value) in headers {
            writeln!(out, "{name}: {value}").unwrap();
        }
        let body = serde_json::from_str::<Value>(&self.body)
            .map_or_else(|_| self.body.clone(), |json| serde_json::to_string_pretty(&json).unwrap());
        write!(out, "\n{body}").unwrap();
        if let Some(id) = self.header("x-request-id") {
            out = out.replace(id, "[request id]");
        }
        for (from, to) in replace.iter().filter(|(from, _)| !from.is_empty()) {
            out = out.replace(from, to);
        }
        out
    }
}
