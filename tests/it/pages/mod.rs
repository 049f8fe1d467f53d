//! The dashboard, as a browser without JavaScript sees it.

mod accounts;
mod bad_input;
mod hostile;
mod live;
