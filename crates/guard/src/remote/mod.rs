//! The credential source over HTTP, for an API that does not share the portal's database: introspection (RFC 7662)
//! for keys, opaque tokens and what trusted issuers signed, the JWK set for JWTs, the change feed by long poll, records in batches. The API
//! authenticates as a resource server, with HTTP Basic.
#![cfg_attr(feature = "actix", doc = include_str!("example.md"))]

mod feed;
mod http;
mod introspection;
mod jwks;

use std::sync::Arc;

use keyway_core::change::{Epoch, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::{Duration, SystemClock, Timestamp};
use keyway_core::facts::Facts;
use keyway_core::ids::EntityId;
use keyway_core::jwt::VerificationKeys;
use keyway_core::quota::Counted;
use keyway_core::random::OsRandom;
use keyway_core::record::RecordBatch;
pub use keyway_core::secret::PlainSecret;
use keyway_core::source::{CredentialSource, Pending, Presented, RecordSink};

use crate::{Guard, Settings};
use http::Portal;
pub use http::UnusablePortal;

/// Asks the portal. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub struct RemoteSource {
    portal: Portal,
}

impl RemoteSource {
    /// Of the portal at `public_url`, as the resource server `client_id`.
    ///
    /// # Errors
    /// When the address is none, or plain HTTP to another machine: the secret would cross the network in the clear.
    pub fn new(
        public_url: &str,
        client_id: &str,
        client_secret: PlainSecret,
    ) -> Result<Self, UnusablePortal> {
        Ok(Self { portal: Portal::new(public_url, client_id, client_secret)? })
    }

    /// A guard that learns from the portal and reports to it, with the machine's clock and randomness.
    pub fn guard(self, settings: Settings) -> Guard {
        let source = Arc::new(self);
        let sink: Arc<Self> = Arc::clone(&source);
        Guard::new(settings, source, Some(sink), Arc::new(SystemClock::new()), Arc::new(OsRandom))
    }
}

impl CredentialSource for RemoteSource {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(introspection::facts(&self.portal, presented.plain))
    }
    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(introspection::facts(&self.portal, presented.plain))
    }
    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(introspection::facts(&self.portal, presented.plain))
    }
    fn jwt_ended<'a>(
        &'a self,
        presented: Presented<'a>,
        _: &'a [EntityId],
        _: Position,
    ) -> Pending<'a, bool> {
        Box::pin(introspection::ended(&self.portal, presented.plain))
    }
    fn counted<'a>(
        &'a self,
        presented: Presented<'a>,
        _: &'a Facts,
        _: Timestamp,
    ) -> Pending<'a, Vec<Counted>> {
        Box::pin(introspection::counted(&self.portal, presented.plain))
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        Box::pin(jwks::keys(&self.portal))
    }
    fn changes<'a>(&'a self, epoch: &'a Epoch, after: Position, wait: Duration) -> Pending<'a, FeedPage> {
        Box::pin(feed::changes(&self.portal, epoch, after, wait))
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        Box::pin(feed::snapshot(&self.portal))
    }
    fn head(&self) -> Position {
        // Nothing is committed in this process.
        Position(0)
    }
}

impl RecordSink for RemoteSource {
    fn store<'a>(&'a self, batch: &'a RecordBatch) -> Pending<'a, Vec<Counted>> {
        Box::pin(feed::store(&self.portal, batch))
    }
}

#[cfg(test)]
mod tests;
