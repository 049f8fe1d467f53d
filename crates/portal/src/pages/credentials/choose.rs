//! `GET /credentials/choose`: three questions that lead to the right kind of credential.

use actix_web::HttpResponse;
use actix_web::web;
use serde::{Deserialize, Serialize};

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

#[derive(Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Answers {
    who: String,
    place: String,
    time: String,
}

impl Default for Answers {
    fn default() -> Self {
        Self { who: "server".to_owned(), place: "private".to_owned(), time: "long".to_owned() }
    }
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Advice {
    title: &'static str,
    why: &'static str,
    label: &'static str,
    href: &'static str,
}

#[derive(Serialize)]
struct Context {
    who: [Choice; 3],
    place: [Choice; 2],
    time: [Choice; 2],
    answers: Answers,
    advice: Option<Advice>,
}

const fn choice(value: &'static str, label: &'static str) -> Choice {
    Choice { value, label }
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    answers: web::Query<Answers>,
    request: actix_web::HttpRequest,
) -> Result<HttpResponse, PageError> {
    let answers = answers.into_inner();
    let context = Context {
        who: [
            choice("server", "A server or script of mine"),
            choice("people", "An app that other people use"),
            choice("me", "Me, at a terminal or trying things"),
        ],
        place: [
            choice("private", "Somewhere only I can look"),
            choice("public", "In a browser, or on people's devices"),
        ],
        time: [choice("long", "For months, with nobody there"), choice("short", "For minutes or hours")],
        advice: (!request.query_string().is_empty()).then(|| advise(&answers)),
        answers,
    };
    portal.page(&me, "pages/credentials/choose.html", context)
}

fn advise(answers: &Answers) -> Advice {
    match (answers.who.as_str(), answers.place.as_str(), answers.time.as_str()) {
        ("people", "public", _) => Advice {
            title: "An OAuth app, public",
            why: "People sign in and decide what it may do for them. It has no secret that it would have to hide: \
                  PKCE stands in for it.",
            label: "Register app",
            href: "/apps/new",
        },
        ("people", _, _) => Advice {
            title: "An OAuth app, confidential",
            why: "People sign in and decide what it may do for them. Its secret stays on your server.",
            label: "Register app",
            href: "/apps/new",
        },
        (_, "public", _) => Advice {
            title: "A JWT",
            why: "What others can read has to end soon: an access token lives for minutes. Never put an API key there.",
            label: "Mint JWT",
            href: "/tokens",
        },
        ("me", _, "short") => Advice {
            title: "A JWT",
            why: "It ends by itself within the hour; with a refresh token you can go on as long as you use it.",
            label: "Mint JWT",
            href: "/tokens",
        },
        (_, _, "short") => Advice {
            title: "An API key that ends soon",
            why: "One line in the configuration, and it stops by itself after seven days.",
            label: "Create key",
            href: "/keys/new?expiry=7",
        },
        _ => Advice {
            title: "An API key",
            why: "One line in the configuration, for as long as you choose. It is rotated without a gap.",
            label: "Create key",
            href: "/keys/new",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_read_never_gets_a_key() {
        for who in ["server", "people", "me", "nonsense"] {
            for time in ["long", "short", ""] {
                let answers = Answers { who: who.into(), place: "public".into(), time: time.into() };
                assert_ne!(advise(&answers).label, "Create key", "{who} {time}");
            }
        }
        assert_eq!(advise(&Answers::default()).href, "/keys/new");
    }
}
