//! Clients that nobody here wrote (`oauth2`, `openidconnect`), against real servers on both databases.

mod oauth2;
mod openidconnect;
