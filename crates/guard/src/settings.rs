//! What a guard is told: which API it protects, whom it trusts, and how much it may hold.

use std::sync::Arc;

use keyway_core::Duration;
use keyway_core::address::AddressList;
use keyway_core::audience::Audience;
use keyway_core::credential::Shapes;
use keyway_core::rate::{Limit, Rate};
use serde::{Deserialize, Serialize};

/// When a JWT's signature is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JwtSignature {
    /// Once per token and process; expiry, revocation and the signing key's state are checked on every call.
    #[default]
    Cached,
    /// On every call.
    EveryCall,
}

/// A guard's settings. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The API that it protects. Credentials for another one are refused.
    pub audience: Audience,
    /// The portal's public URL: the `iss` of its JWTs.
    pub issuer: String,
    /// The `iss` of further JWTs that the source is asked about; those of everybody else are refused unseen.
    pub trusted_issuers: Vec<String>,
    /// The URL, without a slash at its end, under which callers reach what this server sees as `/`: DPoP proofs name
    /// it (RFC 9449 §4.3), and `Host` is never believed.
    pub base_url: String,
    /// How credentials look.
    pub shapes: Arc<Shapes>,
    /// Where this API's metadata lie (RFC 9728), named in `WWW-Authenticate`.
    pub resource_metadata: Option<String>,
    /// Whose `X-Forwarded-For` is believed. Nobody's by default.
    pub trusted_proxies: AddressList,
    /// When a JWT's signature is verified; one of a trusted issuer's by the source, whenever that is asked.
    pub jwt_signature: JwtSignature,
    /// How old the last sighting of the feed's head may be before nothing in the cache is accepted any more.
    pub max_staleness: Duration,
    /// How long a look-up may take before it counts as failed.
    pub look_up_deadline: Duration,
    /// How long a known credential may stay in the cache without a look-up; one of a trusted issuer a minute at most.
    pub entry_max_age: Duration,
    /// The most known credentials in the cache.
    pub known: usize,
    /// The most unknown credentials, and failed look-ups, that are remembered for a moment.
    pub unknown: usize,
    /// The most spent DPoP proofs that are remembered, each for six minutes at most; with more, calls with bound tokens
    /// are answered with 503.
    pub spent_proofs: usize,
    /// The most recent changes that are kept to tell a good entry from a stale one.
    pub recent: usize,
    /// The most ended ids that are kept; with more the guard looks JWTs up rather than forgetting.
    pub ended: usize,
    /// The most budgets whose debts are remembered. Those that a known credential draws on are never forgotten, so
    /// that it is at least four times [`Self::known`].
    pub budgets: usize,
    /// The most budgets whose calls are counted against quotas; held as [`Self::budgets`] are.
    pub quotas: usize,
    /// The most addresses whose guesses are counted.
    pub guessers: usize,
    /// The most credentials whose calls are counted between two writings; at least twice [`Self::known`].
    pub counted: usize,
    /// Look-ups of unknown credentials that one address (a /64 of IPv6) may cause.
    pub unknown_credentials: Limit,
    /// Accepted calls that are written down one by one, per second; all calls are counted.
    pub records_per_second: u32,
    /// The most records that wait to be written.
    pub waiting_records: usize,
}

impl Settings {
    /// For the API `audience`, at the origin of it, with credentials of the portal at `issuer`.
    pub fn new(audience: Audience, issuer: impl Into<String>) -> Self {
        let unknown_credentials = "60/min burst=60".parse::<Rate>().map_or(Limit::Off, Limit::At);
        let base_url = audience.origin().unwrap_or_default();
        Self {
            base_url,
            spent_proofs: 200_000,
            audience,
            issuer: issuer.into(),
            trusted_issuers: Vec::new(),
            shapes: Arc::new(Shapes::default()),
            resource_metadata: None,
            trusted_proxies: AddressList::default(),
            jwt_signature: JwtSignature::Cached,
            max_staleness: Duration::seconds(3),
            look_up_deadline: Duration::seconds(2),
            entry_max_age: Duration::minutes(5),
            known: 50_000,
            unknown: 10_000,
            recent: 50_000,
            ended: 1_000_000,
            budgets: 200_000,
            quotas: 200_000,
            guessers: 50_000,
            counted: 100_000,
            unknown_credentials,
            records_per_second: 100,
            waiting_records: 8_192,
        }
    }
}
