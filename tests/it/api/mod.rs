//! Calls to protected APIs, and how they are refused.

mod limits;
mod refusals;
mod revocation;
