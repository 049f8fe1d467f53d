//! The program as processes: starting, ending, being killed, several on one database.

mod kill;
mod proxies;
mod shutdown;
mod two;
