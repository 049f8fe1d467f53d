//! The use-cases: synchronous, in the caller's transaction, knowing nothing of HTTP. Pages, endpoints and the
//! command line call the same ones.

pub mod accounts;
pub mod act;
pub mod authorize;
pub mod blast_radius;
pub mod bootstrap;
pub mod budget;
pub mod clients;
pub mod connections;
pub mod device;
pub mod explain;
pub mod grants;
pub mod inputs;
pub mod jwt;
pub mod keys;
pub mod ledger;
pub mod links;
pub mod logout;
pub mod mail;
pub mod notices;
pub mod params;
pub mod providers;
pub mod pushed;
pub mod registration;
pub mod shown;
pub mod throttle;
pub mod tokens;

pub use act::{Act, Deed};
