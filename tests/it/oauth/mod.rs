//! The authorization server, seen by its clients.

mod dpop;
mod races;
