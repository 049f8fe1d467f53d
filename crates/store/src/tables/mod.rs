//! The rows: one aggregate a file, each with its free functions.
//!
//! All take the connection first: of [`Store::read`](crate::Store::read) or [`Tx::conn`](crate::Tx::conn). Absence is
//! an `Option`; an update answers whether there was a row to change. They decide nothing: rules are in `core` and in
//! the flows, except the conditional UPDATEs whose row count is the proof.

pub mod access_tokens;
pub mod accounts;
pub mod api_keys;
pub mod attempts;
pub mod audit;
pub mod called;
pub mod callers;
pub mod client_secrets;
pub mod clients;
pub mod codes;
pub mod connections;
pub mod counted_calls;
pub mod device_codes;
mod end_reason;
pub mod endings;
pub mod expiry_notices;
pub mod families;
pub mod family_counts;
pub mod grants;
pub mod ledger;
pub mod live;
pub mod logout_notices;
pub mod mail_links;
pub mod muted_mails;
pub mod names;
pub mod outbox;
pub mod overview;
pub mod owners;
pub mod provider_flows;
pub mod providers;
pub mod pushed_requests;
pub mod records;
pub mod refresh_tokens;
pub mod registration_tokens;
pub mod request_log;
pub mod sessions;
pub mod settings;
pub mod shown_secrets;
pub mod signing_keys;
pub mod spent_proofs;
pub mod usage;

#[cfg(test)]
mod tests;
