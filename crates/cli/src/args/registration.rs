use clap::{Args as Group, Subcommand};

#[derive(Subcommand, Debug)]
pub enum RegistrationToken {
    /// Make an initial access token; printed once.
    Create(RegistrationTokenCreate),
    /// All that have not been forgotten.
    List,
    /// Revoke a token; clients that registered with it stay.
    Revoke {
        /// The token's id.
        id: String,
    },
}

#[derive(Group, Debug)]
pub struct RegistrationTokenCreate {
    /// Whose the clients will be: an e-mail address [default: the portal itself].
    #[arg(long)]
    pub owner: Option<String>,
    /// What it is for.
    #[arg(long, default_value = "")]
    pub note: String,
    /// How many clients may register with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub uses: u64,
    /// How long it works.
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub expires: String,
}
