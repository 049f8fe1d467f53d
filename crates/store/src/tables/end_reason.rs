//! Why credentials end before their time.

use std::str::FromStr;

use keyway_core::change::UnknownName;

/// Why a family ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner, or a command, ended it.
    Revoked,
    /// The client gave its refresh token back (RFC 7009).
    ReturnedByClient,
    /// A spent refresh token was used again.
    Theft,
    /// The code that it came from was redeemed twice.
    CodeReplayed,
    /// The consent that it rests on was taken back.
    ConsentRevoked,
    /// The app is gone or suspended.
    ClientEnded,
    /// Its owner was suspended or deleted.
    OwnerEnded,
    /// The browser session that it depends on ended.
    SignedOut,
}

impl EndReason {
    const ALL: [Self; 8] = [
        Self::Revoked,
        Self::ReturnedByClient,
        Self::Theft,
        Self::CodeReplayed,
        Self::ConsentRevoked,
        Self::ClientEnded,
        Self::OwnerEnded,
        Self::SignedOut,
    ];

    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::ReturnedByClient => "returned_by_client",
            Self::Theft => "theft",
            Self::CodeReplayed => "code_replayed",
            Self::ConsentRevoked => "consent_revoked",
            Self::ClientEnded => "client_ended",
            Self::OwnerEnded => "owner_ended",
            Self::SignedOut => "signed_out",
        }
    }
}

impl FromStr for EndReason {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == s).ok_or(UnknownName)
    }
}
