//! The program as processes: starting, ending, being killed, several on one database.

mod kill;
mod metrics;
mod proxies;
mod race;
mod shutdown;
mod two;
