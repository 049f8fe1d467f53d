//! Accounts: making them, signing in, passwords, addresses, suspending. The command line calls the same.

mod demo;
mod endings;
mod mails;
mod password;
mod profile;
mod sessions;
mod sign_in;
mod sign_up;
mod suspend;
#[cfg(test)]
mod tests;
mod verify;

pub use demo::sign_in_by_choice;
pub use endings::{Also, end_also};
pub use mails::mute_mails;
pub use password::{change_password, reset_password, send_reset};
pub use profile::rename;
pub use sessions::{end_other_sessions, end_session};
pub(crate) use sign_in::let_in;
pub use sign_in::{Candidate, SignInError, SignedInNow, find_candidate, sign_in, sign_out};
pub(crate) use sign_up::supersede;
pub use sign_up::{CreateError, NewAccount, create, sign_up, sign_up_to_verify};
pub use suspend::{SuspendError, resume, suspend};
pub use verify::{VerifiedAccount, confirm_by_mail, send_link, verify};

/// The name under which the settings table remembers that there has been an administrator.
pub(crate) const HAD_ADMINISTRATOR: &str = "had_administrator";
