//! What Keyway is measured with and against. Never shipped; `scripts/bench` runs it.
//!
//! | program | what it does |
//! |---|---|
//! | `bare` | answers every request with one body: actix-web and nothing else |
//! | `load` | sends requests at a rate, or as fast as they are answered, and tells how long they took |
//! | `signature` | how long the bare check of a JWT's signature takes |
//!
//! | module | what it does |
//! |---|---|
//! | [`connection`] | one kept HTTP/1.1 connection that never blocks |
//! | [`driver`] | many connections, one thread, a pace |
//! | [`latencies`] | how long requests took |
//! | [`sign_ins`] | people who sign in beside the load |

#![warn(missing_docs)]

pub mod connection;
pub mod driver;
pub mod latencies;
pub mod sign_ins;
