//! Protects an HTTP API with Keyway credentials: API keys, JWTs and opaque access tokens, all checked the same way.
//!
//! A request travels [`extract`] → [`cache`](Guard::check) → every check that depends on the moment → handler, and
//! is written down afterwards. The cache holds facts, never verdicts; whether a fact is still good is decided at
//! every read, by the position of the change feed.
//!
//! | file | what it does |
//! |---|---|
//! | [`settings`] | what a guard is told |
//! | [`extract`] | exactly one credential, classified by its shape |
//! | `freshness`, `follow` | what has changed, and following the feed |
//! | `entry`, `cache`, `look_up` | what is known of a credential; single flight; asking the source |
//! | `learnt` | for the program around it: what it read itself, as long as the feed says nothing else |
//! | `trusted` | whose JWTs the source is asked about |
//! | `sync` | the locks and atomics below these, swapped where a test tries their interleavings |
//! | `proof` | proof of possession, and the proofs that were spent |
//! | [`limit`] | peek at all limits, by rate and by the calendar, then spend |
//! | [`check`] | the whole order of checks, to a [`Verdict`]; names no framework |
//! | `breaker` | leaving alone what does not answer |
//! | `recorder`, `usage` | counters and a bounded queue of records, written in batches |
//! | `text` | short texts without the heap |
//! | `sizes` | how full everything is |
//! | [`problem`] | refusals as `application/problem+json` and `WWW-Authenticate` |
//! | `actix` | the middleware, `scopes([…])` and the extractor (feature `actix`) |
//! | `forward_auth` | `/guard/check`, for a proxy in front of an API in any language (feature `actix`) |
//! | `remote` | the credential source over HTTP (feature `remote`) |
//!
//! An API in another process than the portal: the example of `remote`.
//!
//! To add a check: [`keyway_core::refusal::Check`], then [`check`]. To protect an API in another framework: build
//! [`RequestParts`], call [`Guard::check`] and [`Verdict::require`], answer, then [`Guard::record`].

#![warn(missing_docs)]

#[cfg(feature = "actix")]
pub mod actix;
mod breaker;
mod cache;
pub mod check;
mod entry;
pub mod extract;
mod follow;
#[cfg(feature = "actix")]
pub mod forward_auth;
mod freshness;
mod guard;
mod learnt;
pub mod limit;
mod look_up;
pub mod problem;
mod proof;
mod recorder;
#[cfg(feature = "remote")]
pub mod remote;
pub mod settings;
mod sizes;
mod sync;
#[cfg(test)]
mod tests;
mod text;
mod trusted;
mod usage;

pub use check::Verdict;
pub use extract::RequestParts;
pub use guard::{Arrival, Guard, Running};
pub use learnt::{CaughtUp, Learnt};
pub use recorder::Call;
pub use settings::{JwtSignature, Settings};
pub use sizes::Size;
pub use text::Text;
