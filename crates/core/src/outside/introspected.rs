//! What a trusted issuer says of a token that is no JWT (RFC 7662 §2.2).

use serde::Deserialize;

use super::token::Claims;
use super::{OutsideToken, TrustedIssuer};

#[derive(Deserialize)]
struct Answer {
    active: bool,
    token_type: Option<String>,
    #[serde(flatten)]
    claims: Claims,
}

/// What the answer of `issuer` says of a token: `None` unless that is an active access token for us, with all that a
/// JWT would have to say.
pub fn read_introspection(answer: &[u8], issuer: &TrustedIssuer) -> Option<OutsideToken> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    // A refresh token is active as well, and nothing that calls an API.
    let usable = answer
        .token_type
        .as_deref()
        .is_none_or(|name| ["bearer", "dpop"].iter().any(|known| name.eq_ignore_ascii_case(known)));
    if !answer.active || !usable {
        return None;
    }
    answer.claims.judged(issuer).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::outside::token::tests::{claims, issuer};

    fn read(change: impl FnOnce(&mut Value)) -> Option<OutsideToken> {
        let mut answer = claims();
        answer["active"] = json!(true);
        change(&mut answer);
        read_introspection(answer.to_string().as_bytes(), &issuer())
    }

    #[test]
    fn an_active_token_for_us_is_read_as_a_jwt_would_be() {
        let token = read(|_| {}).unwrap();
        assert_eq!((token.subject.as_str(), token.scopes.to_string().as_str()), ("ada", "notes:read"));
        assert!(read(|answer| answer["token_type"] = json!("Bearer")).is_some());
    }

    #[test]
    fn anything_less_is_no_token() {
        assert!(read(|answer| answer["active"] = json!(false)).is_none());
        assert!(read(|answer| answer["active"] = json!("true")).is_none());
        assert!(read(|answer| answer["token_type"] = json!("refresh_token")).is_none());
        for name in ["iss", "aud", "sub", "exp"] {
            let without = read(|answer| {
                answer.as_object_mut().unwrap().remove(name);
            });
            assert!(without.is_none(), "{name}");
            assert!(
                read(|answer| answer[name] = json!("https://other.example"))
                    .is_none_or(|token| { name == "sub" && token.subject == "https://other.example" })
            );
        }
        assert!(read_introspection(br#"{"active":false}"#, &issuer()).is_none());
        assert!(read_introspection(b"<html>", &issuer()).is_none());
    }
}
