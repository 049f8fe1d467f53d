//! The commands about credentials and what signs and seals them.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};
use keyway_core::jwt::Algorithm;

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make an API key; it is printed once.
    Create(KeyCreate),
    /// A person's keys, or everybody's.
    List {
        /// The owner's e-mail address.
        #[arg(long)]
        user: Option<String>,
    },
    /// End a key.
    Revoke {
        /// The key's id.
        id: String,
        /// Why, for the audit log.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Replace a key by a new one; the old one works on for a while.
    Rotate {
        /// The key's id.
        id: String,
        /// How long the old key works on: now, 15m, 1h, 6h, 24h or 7d.
        #[arg(long, default_value = "24h")]
        grace: String,
    },
    /// Take keys over by their SHA-256, one JSON object a line.
    Import {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Group, Debug)]
pub struct KeyCreate {
    /// The owner's e-mail address.
    #[arg(long)]
    pub user: String,
    /// The key's name.
    #[arg(long)]
    pub name: String,
    /// What it may do.
    #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ' ')]
    pub scope: Vec<String>,
    /// The API that it is for [default: the one that the scopes belong to].
    #[arg(long)]
    pub audience: Vec<String>,
    /// When it ends: a time span, or never.
    #[arg(long, default_value = "90d")]
    pub expires: String,
    /// Its own limit, as 100/s or "600/min burst=100" [default: half of the owner's].
    #[arg(long)]
    pub rate: Option<String>,
    /// Its own quota: calls a calendar day (UTC) [default: the setting's].
    #[arg(long, value_name = "N")]
    pub quota_day: Option<u64>,
    /// Its own quota: calls a calendar month (UTC) [default: the setting's].
    #[arg(long, value_name = "N")]
    pub quota_month: Option<u64>,
    /// Addresses and networks that it may be used from.
    #[arg(long, value_name = "CIDR")]
    pub address: Vec<String>,
    /// A note.
    #[arg(long, default_value = "")]
    pub note: String,
    /// For test data.
    #[arg(long)]
    pub test: bool,
}

#[derive(Subcommand, Debug)]
pub enum Client {
    /// Register a client; its secret is printed once.
    Create(Box<ClientCreate>),
    /// All clients.
    List,
    /// What clients register themselves with, where the settings ask for it.
    #[command(subcommand)]
    RegistrationToken(super::RegistrationToken),
    /// Delete a client; everything that it was given ends.
    Delete {
        /// The client's id.
        id: String,
    },
}

#[derive(Group, Debug)]
pub struct ClientCreate {
    /// What people see at consent.
    #[arg(long)]
    pub name: String,
    /// The owner's e-mail address [default: the portal itself].
    #[arg(long)]
    pub owner: Option<String>,
    /// Where codes may be sent to.
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// Where people may be sent to after signing out.
    #[arg(long, value_name = "URI")]
    pub post_logout_redirect_uri: Vec<String>,
    /// What it may ask tokens with [default: codes and refresh tokens with --redirect-uri, else client_credentials].
    #[arg(long, value_enum)]
    pub grant: Vec<GrantType>,
    /// The most that it may ask for [default: everything of the first API that only reads].
    #[arg(long, value_name = "SCOPE", value_delimiter = ' ')]
    pub scope: Vec<String>,
    /// What its access tokens look like.
    #[arg(long, value_enum, default_value_t = Format::Opaque)]
    pub token_format: Format,
    /// How it proves itself; private_key_jwt needs --jwks.
    #[arg(long, value_enum, default_value_t = Method::ClientSecretBasic)]
    pub auth_method: Method,
    /// Its public keys: a file with a JWK set.
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// What its ID tokens are signed with.
    #[arg(long, value_enum, default_value_t = IdTokenAlgorithm::Rs256)]
    pub id_token_alg: IdTokenAlgorithm,
    /// Its access tokens are always bound to a key of its own (DPoP).
    #[arg(long)]
    pub dpop_bound: bool,
    /// Where it is told that a person signed out.
    #[arg(long, value_name = "URI")]
    pub backchannel_logout_uri: Option<String>,
    /// Its home page, shown at consent.
    #[arg(long, value_name = "URL")]
    pub website: Option<String>,
    /// An API that verifies credentials over HTTP; needs --audience.
    #[arg(long, requires = "audience")]
    pub resource_server: bool,
    /// The API that a resource server is.
    #[arg(long)]
    pub audience: Option<String>,
}

/// RFC 6749 §1.3 and RFC 8693.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    TokenExchange,
    DeviceCode,
}

/// What an access token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Opaque,
    Jwt,
}

/// RFC 8414 `token_endpoint_auth_methods_supported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Method {
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// OpenID Connect Registration §2 `id_token_signed_response_alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdTokenAlgorithm {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "EdDSA")]
    EdDsa,
}

impl From<IdTokenAlgorithm> for Algorithm {
    fn from(algorithm: IdTokenAlgorithm) -> Self {
        match algorithm {
            IdTokenAlgorithm::Rs256 => Self::Rs256,
            IdTokenAlgorithm::Es256 => Self::Es256,
            IdTokenAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Token {
    /// Make a pair of access and refresh token; printed once.
    Mint(TokenMint),
}

#[derive(Group, Debug)]
pub struct TokenMint {
    /// The person's e-mail address.
    #[arg(long)]
    pub user: String,
    /// What it may do.
    #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ' ')]
    pub scope: Vec<String>,
    /// The API that it is for [default: the one that the scopes belong to].
    #[arg(long)]
    pub audience: Option<String>,
    /// What lists call it.
    #[arg(long, default_value = "Minted by command")]
    pub name: String,
}

#[derive(Subcommand, Debug)]
pub enum SigningKey {
    /// All keys with their states.
    List,
    /// Let the next key sign from now on.
    Rotate {
        /// What the keys sign.
        #[arg(long, value_enum, default_value_t = KeyPurpose::AccessToken)]
        purpose: KeyPurpose,
        /// Of the keys for ID tokens, those of this algorithm.
        #[arg(long, value_enum, default_value_t = IdTokenAlgorithm::Rs256)]
        algorithm: IdTokenAlgorithm,
        /// Even if verifiers may not have fetched it yet.
        #[arg(long)]
        now: bool,
    },
    /// Take a key out at once, with everything that it signed.
    Revoke {
        /// The key's `kid`.
        kid: String,
    },
    /// Take a private JWK over; it signs next.
    Import {
        /// The file.
        file: PathBuf,
        /// What it will sign [default: ID tokens with an RSA key, access tokens with any other].
        #[arg(long, value_enum)]
        purpose: Option<KeyPurpose>,
        /// Let it sign at once, even if verifiers may not have fetched it yet.
        #[arg(long)]
        now: bool,
    },
}

/// What signing keys sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum KeyPurpose {
    AccessToken,
    IdToken,
}

#[derive(Subcommand, Debug)]
pub enum MasterKey {
    /// Seal everything under a new key, beside running servers.
    Rotate,
}
