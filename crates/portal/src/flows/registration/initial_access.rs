//! Initial access tokens (RFC 7591 §3), made by an administrator.

use keyway_core::Timestamp;
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::ids::{OwnerId, RegistrationTokenId};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::registration_tokens::{self, RegistrationToken};
use keyway_store::{StoreError, Tx};
use serde_json::json;

use crate::flows::{Act, Deed};

/// A token about to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose the clients will be that register with it.
    pub owner: OwnerId,
    /// What it is for.
    pub note: String,
    /// How many clients may register.
    pub uses: u64,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Makes a token.
///
/// # Errors
/// When the database cannot take it.
pub fn create_token(
    tx: &mut Tx<'_>,
    act: &Act,
    brand: &Brand,
    new: NewToken,
) -> Result<(RegistrationToken, PlainSecret), StoreError> {
    let plain = credential::generate(brand, Kind::InitialAccess, &*act.random);
    let token = RegistrationToken {
        id: RegistrationTokenId::new(act.now, &*act.random),
        digest: plain.digest(),
        owner: new.owner,
        note: new.note,
        uses_left: new.uses,
        created_at: act.now,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    registration_tokens::insert(tx.conn(), &token)?;
    let deed = Deed::new(Some(token.owner), "registration_token.created", "registration_token", token.id);
    let after = json!({
        "note": token.note,
        "uses": token.uses_left,
        "expires_at": token.expires_at.to_rfc3339(),
    });
    act.audit(tx, deed.after(after))?;
    Ok((token, plain))
}

/// Revokes a token; clients that registered with it stay. `false` if there is none, or it was revoked before.
///
/// # Errors
/// When the database cannot answer.
pub fn revoke_token(tx: &mut Tx<'_>, act: &Act, id: RegistrationTokenId) -> Result<bool, StoreError> {
    let Some(token) = registration_tokens::revoke(tx.conn(), id, act.now)? else { return Ok(false) };
    act.audit(tx, Deed::new(Some(token.owner), "registration_token.revoked", "registration_token", id))?;
    Ok(true)
}
