//! The commands about people.

use clap::{Args as Group, Subcommand};

#[derive(Subcommand, Debug)]
pub enum User {
    /// Make an account; its address counts as verified.
    Create(UserCreate),
    /// All accounts.
    List,
    /// Nothing of this person works until `unsuspend`.
    Suspend {
        /// The person's e-mail address.
        email: String,
    },
    /// Take a suspension back.
    Unsuspend {
        /// The person's e-mail address.
        email: String,
    },
}

#[derive(Group, Debug)]
pub struct UserCreate {
    /// The person's e-mail address.
    #[arg(long)]
    pub email: String,
    /// The person's name [default: what stands before the @].
    #[arg(long)]
    pub name: Option<String>,
    /// An administrator.
    #[arg(long)]
    pub admin: bool,
    /// Read the password from the standard input; without it one is made and printed once.
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Group, Debug)]
pub struct Login {
    /// Scopes to ask for [default: all that the built-in client may have of one API].
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// The API that the token is for.
    #[arg(long)]
    pub audience: Option<String>,
    /// Print the address instead of opening a browser.
    #[arg(long)]
    pub no_browser: bool,
    /// Show a code to type in a browser, of this machine or any other.
    #[arg(long)]
    pub device: bool,
}
