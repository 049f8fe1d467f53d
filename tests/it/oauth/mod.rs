//! The authorization server, seen by its clients.

mod dpop;
mod hostile;
mod races;
mod rotation;
