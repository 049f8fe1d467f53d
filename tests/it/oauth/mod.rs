//! The authorization server, seen by its clients.

mod races;
