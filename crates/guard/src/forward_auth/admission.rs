//! Who may ask `/guard/check`: on loopback everybody, elsewhere resource servers, each for its own API.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use keyway_core::audience::Audience;
use keyway_core::clock::{Duration, Monotonic};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::source::Pending;
use quick_cache::sync::Cache as Map;

use super::{header, nobody};
use crate::actix::response;
use crate::guard::{Arrival, Guard};
use crate::problem::Problem;

/// The header in which a proxy says which resource server it stands for: `ID:SECRET`. `Authorization` is the client's.
pub const SECRET_HEADER: &str = "x-keyway-resource-server";

/// How long an answer about a resource server is good: so long its secret works after it was taken away.
const GOOD_FOR: Duration = Duration::seconds(5);
/// The most answers about resource servers that are remembered, wrong secrets among them.
const MAX_REMEMBERED: usize = 1_000;

/// Knows the resource servers.
pub trait ResourceServers: Send + Sync + 'static {
    /// The API of the resource server `id`, if it exists, is not suspended, and this is a secret of it.
    fn audience<'a>(&'a self, id: &'a str, secret: &'a PlainSecret) -> Pending<'a, Option<Audience>>;
}

/// Who may ask.
pub(super) enum Admission {
    Everyone,
    ResourceServers(Arc<dyn ResourceServers>, Map<SecretDigest, (Option<Audience>, Monotonic)>),
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Everyone => "Everyone",
            Self::ResourceServers(..) => "ResourceServers",
        })
    }
}

impl Admission {
    pub(super) fn resource_servers(servers: Arc<dyn ResourceServers>) -> Self {
        Self::ResourceServers(servers, Map::new(MAX_REMEMBERED))
    }

    /// Whether whoever asks may ask `guard`; if not, the answer.
    pub(super) async fn admit(
        &self,
        request: &HttpRequest,
        guard: &Guard,
        arrival: Arrival,
    ) -> Result<(), HttpResponse> {
        let Self::ResourceServers(servers, remembered) = self else { return Ok(()) };
        let presented = header(request.headers(), SECRET_HEADER).unwrap_or_default();
        let (id, secret) = presented.split_once(':').unwrap_or_default();
        let digest = SecretDigest::of(presented.as_bytes());
        let now = arrival.moment.mono;
        let known = remembered.get(&digest).filter(|(_, until)| now < *until);
        let audience = match known {
            Some((audience, _)) => audience,
            None => {
                let asked = servers.audience(id, &PlainSecret::new(secret)).await;
                let audience = asked.map_err(|error| {
                    tracing::warn!(%error, "a resource server could not be looked up");
                    refusal(
                        Problem::new(503, "cannot_tell", "It cannot be told who asks").retry_after_seconds(1),
                    )
                })?;
                let span = u64::try_from(GOOD_FOR.as_micros()).unwrap_or(0).saturating_mul(1_000);
                remembered.insert(digest, (audience.clone(), Monotonic(now.0.saturating_add(span))));
                audience
            }
        };
        if audience.as_ref() == Some(&guard.settings().audience) {
            return Ok(());
        }
        tracing::warn!(id, "somebody asks about an API who is no resource server of it");
        // Not 401 or 403: a proxy would take those for an answer about its client.
        let detail = format!("Send ID:SECRET of a resource server of this API in {SECRET_HEADER}.");
        Err(refusal(
            Problem::new(500, "proxy_unknown", "Whoever asks is no resource server of this API")
                .detail(detail),
        ))
    }
}

fn refusal(problem: Problem) -> HttpResponse {
    nobody(response(problem))
}
