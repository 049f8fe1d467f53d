//! Tokens from outside: whom an operator trusts, and when a token of theirs is good here. They speak for a person who
//! has connected the account that they are about; who that is, a database knows.

mod introspected;
mod issuer;
mod keys;
mod token;

use serde::Deserialize;

pub use introspected::read_introspection;
pub use issuer::{IntrospectionAccess, InvalidIssuer, MAX_ISSUER_LEN, MAX_RULES, ScopeRule, TrustedIssuer};
pub use keys::{InvalidKeys, IssuerKeys, MAX_ISSUER_KEYS, SignedWith};
pub use token::{Candidate, MAX_SUBJECT_LEN, OutsideError, OutsideToken};

use crate::credential::MAX_LEN;
use crate::jwt::read_part;

/// The issuer that a JWT claims to be from; nothing of it is verified.
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claim {
        iss: String,
    }
    if token.len() > MAX_LEN {
        return None;
    }
    read_part::<Claim>(token.split('.').nth(1)?).map(|claim| claim.iss)
}
