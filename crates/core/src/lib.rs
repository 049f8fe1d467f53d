//! The domain of Keyway, pure: no I/O, no runtime, no framework.
//!
//! The map, from the ground up:
//!
//! | module | what it knows |
//! |---|---|
//! | [`clock`] [`random`] | time and randomness, always given in, never taken |
//! | [`ids`] [`secret`] [`credential`] | typed ids; plain and stored secrets; how a token looks |
//! | [`scope`] [`audience`] [`owner`] [`rate`] [`quota`] [`address`] | the small algebras a credential is made of |
//! | [`api_key`] [`jwt`] [`oauth`] | the three methods: their states and rules |
//! | [`ledger`] | all credentials of an owner in one list, and what is the trouble with each |
//! | [`outside`] | tokens of trusted issuers |
//! | [`facts`] [`principal`] [`refusal`] [`record`] | what a guard learns, decides, answers and writes down |
//! | [`text`] | what texts of people may hold where others read them |
//! | [`change`] [`source`] | the change feed, and the two traits through which a guard learns and reports |
//!
//! To add a check to the guard's order: [`refusal::Check`], then `keyway_guard::check`.
//! To add a kind of credential: [`credential::Kind`], then a file beside [`api_key`].

#![deny(missing_docs)]

pub mod address;
pub mod api_key;
pub mod audience;
pub mod change;
pub mod clock;
pub mod credential;
pub mod facts;
pub mod ids;
pub mod jwt;
pub mod ledger;
pub mod oauth;
pub mod outside;
pub mod owner;
pub mod principal;
pub mod quota;
pub mod random;
pub mod rate;
pub mod record;
pub mod refusal;
pub mod scope;
pub mod secret;
pub mod source;
pub mod text;
pub mod usage;

pub use clock::{Clock, Duration, Timestamp};
pub use random::Random;
