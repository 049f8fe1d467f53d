//! A user's consent to an app: what it may do, remembered per app and scope.

use crate::clock::Timestamp;
use crate::ids::{ClientId, GrantId, OwnerId, SessionId};
use crate::scope::ScopeSet;

/// A consent that has not been taken back. There is at most one for each user and app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id, an ancestor of every token that rests on it.
    pub id: GrantId,
    /// Who consented.
    pub owner: OwnerId,
    /// To which app.
    pub client: ClientId,
    /// To what, of all APIs together.
    pub scopes: ScopeSet,
    /// Whether it outlives the browser session (`offline_access`).
    pub offline: bool,
    /// The browser session that it ends with, unless it is offline.
    pub session: Option<SessionId>,
    /// When it was first given.
    pub created_at: Timestamp,
    /// When it last grew.
    pub updated_at: Timestamp,
    /// When the app last got a token through it.
    pub last_used_at: Option<Timestamp>,
}

impl Grant {
    /// What of `asked` the user has not consented to yet.
    pub fn missing(&self, asked: &ScopeSet) -> ScopeSet {
        asked.without(&self.scopes)
    }
}
