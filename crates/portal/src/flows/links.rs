//! One-time links: 190 random bits, kept as a digest, used once.

use keyway_core::credential::{Brand, Kind, Shapes, generate};
use keyway_core::ids::{LinkId, OwnerId, SessionId};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::tables::mail_links::{self, LinkPurpose, MailLink};
use keyway_store::{Conn, StoreError, Tx};

/// How long a link works.
const fn lifetime(purpose: LinkPurpose) -> Duration {
    match purpose {
        LinkPurpose::Reset | LinkPurpose::Confirm => Duration::hours(1),
        LinkPurpose::Verify | LinkPurpose::Bootstrap => Duration::hours(24),
    }
}

/// Why a link does nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was used, withdrawn or is out of time; or it never was one.
    #[error("the link does not work any more")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A link that is about to be given out: made before the transaction that keeps it.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// What stands in it.
    pub token: PlainSecret,
    /// What is kept.
    pub row: MailLink,
}

impl NewLink {
    /// A link for an account's address.
    pub fn to_account(
        purpose: LinkPurpose,
        owner: OwnerId,
        email: &str,
        session: Option<SessionId>,
        now: Timestamp,
        random: &dyn Random,
        brand: &Brand,
    ) -> Self {
        let mut link = Self::to_nobody(purpose, now, random, brand);
        link.row.owner_id = Some(owner);
        email.clone_into(&mut link.row.email);
        link.row.session_id = session;
        link
    }

    /// A link that is printed.
    pub fn to_nobody(purpose: LinkPurpose, now: Timestamp, random: &dyn Random, brand: &Brand) -> Self {
        let token = generate(brand, Kind::MailLink, random);
        let row = MailLink {
            id: LinkId::new(now, random),
            digest: token.digest(),
            purpose,
            owner_id: None,
            email: String::new(),
            session_id: None,
            created_at: now,
            expires_at: now + lifetime(purpose),
            consumed_at: None,
        };
        Self { token, row }
    }
}

/// The digest of what stood in a link; nothing is looked up for what is not shaped as one.
pub fn digest(shapes: &Shapes, token: &str) -> Option<SecretDigest> {
    shapes.is(token, Kind::MailLink).then(|| SecretDigest::of(token.as_bytes()))
}

/// What a link is for, without using it.
///
/// # Errors
/// [`LinkError::Gone`] when it does not work.
pub fn look_at(
    conn: &mut Conn,
    purpose: LinkPurpose,
    digest: Option<SecretDigest>,
    now: Timestamp,
) -> Result<MailLink, LinkError> {
    let digest = digest.ok_or(LinkError::Gone)?;
    mail_links::find_usable(conn, purpose, &digest, now)?.ok_or(LinkError::Gone)
}

/// Uses a link.
///
/// # Errors
/// [`LinkError::Gone`] when it does not work: of two at once, one gets it.
pub fn redeem(
    tx: &mut Tx<'_>,
    purpose: LinkPurpose,
    digest: Option<SecretDigest>,
    now: Timestamp,
) -> Result<MailLink, LinkError> {
    let link = look_at(tx.conn(), purpose, digest, now)?;
    if mail_links::consume(tx.conn(), link.id, now)? { Ok(link) } else { Err(LinkError::Gone) }
}
