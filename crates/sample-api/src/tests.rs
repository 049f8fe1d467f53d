//! The API from outside, with credentials that a source made for tests knows.

mod notes;
mod routes;
mod world;
