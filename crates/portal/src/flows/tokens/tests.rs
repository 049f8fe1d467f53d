//! Tokens on both databases: how they are given and taken back, alone and fifty at once.

mod codes;
mod exchanged;
mod id_tokens;
mod refreshed;
mod reported;
mod told;
pub(crate) mod world;
