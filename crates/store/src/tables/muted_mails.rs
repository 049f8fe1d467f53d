//! The kinds of mail that people switched off.

use diesel::prelude::*;
use keyway_core::change::UnknownName;
use keyway_core::ids::OwnerId;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::muted_mails;
use crate::types::Table;

const TABLE: Table = Table("muted_mails");

/// A kind of mail that can be switched off. What is about an account's safety cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// A key, a JWT pair or an app's access was made.
    NewCredential,
    /// A key ends soon, or has ended.
    KeyExpiry,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NewCredential, Self::KeyExpiry];

    /// As stored, and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewCredential => "new_credential",
            Self::KeyExpiry => "key_expiry",
        }
    }
}

impl std::str::FromStr for MailKind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == s).ok_or(UnknownName)
    }
}

/// What a person does not want.
///
/// # Errors
/// When the statement fails or a row cannot be read.
pub fn list(conn: &mut Conn, owner: OwnerId) -> Result<Vec<MailKind>, StoreError> {
    let kinds: Vec<String> = muted_mails::table
        .filter(muted_mails::owner_id.eq(owner.to_string()))
        .select(muted_mails::kind)
        .load(conn)?;
    kinds.iter().map(|kind| TABLE.parse("kind", kind)).collect()
}

/// Switches off exactly these. The owner's row has to be held: two at once would both add.
///
/// # Errors
/// When a statement fails.
pub fn set(conn: &mut Conn, owner: OwnerId, kinds: &[MailKind]) -> Result<(), StoreError> {
    let owner = owner.to_string();
    diesel::delete(muted_mails::table.filter(muted_mails::owner_id.eq(&owner))).execute(conn)?;
    for kind in kinds {
        diesel::insert_into(muted_mails::table)
            .values((muted_mails::owner_id.eq(&owner), muted_mails::kind.eq(kind.as_str())))
            .execute(conn)?;
    }
    Ok(())
}
