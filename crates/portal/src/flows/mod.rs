//! The use-cases: synchronous, in the caller's transaction, knowing nothing of HTTP. Pages, endpoints and the
//! command line call the same ones.

pub mod act;
pub mod authorize;
pub mod clients;
pub mod grants;
pub mod jwt;

pub use act::{Act, Deed};
