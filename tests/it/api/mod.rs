//! Calls to protected APIs, and how they are refused.

mod bad_input;
mod explained;
mod limits;
mod outside;
mod refusals;
mod revocation;
