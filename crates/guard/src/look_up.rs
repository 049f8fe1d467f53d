//! Asking: the source for keys and opaque tokens, the signature for JWTs. Answers facts, or why there are none.

use std::sync::Arc;

use keyway_core::facts::{Facts, State};
use keyway_core::ids::EntityId;
use keyway_core::jwt::{self, JwtError, VerificationKeys};
use keyway_core::quota::Counted;
use keyway_core::refusal::{Check, Refusal};
use keyway_core::source::{CredentialSource, Pending, Presented, SourceError};
use keyway_core::{Clock, Timestamp};
use smallvec::SmallVec;

use crate::breaker::Breaker;
use crate::entry::{Issued, ended_by};
use crate::extract::Form;
use crate::freshness::{Ended, Freshness};
use crate::settings::Settings;
use crate::sync::in_time;

/// Why nothing was learnt.
pub(crate) enum NotLearnt {
    /// The source says that there is no such credential. Remembered for a moment.
    Unknown,
    /// The credential itself says that it is none of ours. Cheap to find out again.
    Refused(Refusal),
    /// The source did not say, and may after so many seconds.
    Failed(u64),
}

/// Whom to ask.
pub(crate) struct LookUp<'a> {
    pub(crate) source: &'a dyn CredentialSource,
    pub(crate) freshness: &'a Freshness,
    pub(crate) settings: &'a Settings,
    pub(crate) breaker: &'a Breaker,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) keys: Option<Arc<VerificationKeys>>,
    /// Whether the feed was seen lately.
    pub(crate) current: bool,
}

impl LookUp<'_> {
    /// Asks. Whatever the answer is good as of must have been read before.
    pub(crate) async fn ask(&self, form: Form, presented: Presented<'_>) -> Result<Facts, NotLearnt> {
        let found = match form {
            Form::ApiKey => self.in_time(self.source.api_key(presented)).await?,
            Form::AccessToken => self.in_time(self.source.access_token(presented)).await?,
            Form::Jwt => return self.jwt(presented).await,
        };
        found.ok_or(NotLearnt::Unknown)
    }

    /// Asks about a JWT of a trusted issuer.
    pub(crate) async fn outside(&self, presented: Presented<'_>) -> Result<Facts, NotLearnt> {
        self.in_time(self.source.outside_token(presented)).await?.ok_or(NotLearnt::Unknown)
    }

    /// What is counted of the budgets of a credential with these facts; or after how many seconds to ask again.
    pub(crate) async fn counted(
        &self,
        presented: Presented<'_>,
        facts: &Facts,
        at: Timestamp,
    ) -> Result<Vec<Counted>, u64> {
        self.in_time(self.source.counted(presented, facts, at)).await.map_err(|error| match error {
            NotLearnt::Failed(retry_after) => retry_after,
            NotLearnt::Unknown | NotLearnt::Refused(_) => 1,
        })
    }

    async fn jwt(&self, presented: Presented<'_>) -> Result<Facts, NotLearnt> {
        let keys = self.keys.as_deref().ok_or(NotLearnt::Failed(1))?;
        let Issued { mut facts, position } =
            verify(presented.plain, keys, &self.settings.issuer).map_err(NotLearnt::Refused)?;
        let known =
            if self.current { self.freshness.ended(ended_by(&facts), position) } else { Ended::Unknown };
        let ended = match known {
            Ended::Yes => true,
            Ended::No => false,
            Ended::Unknown => {
                let ids: SmallVec<[EntityId; 8]> = ended_by(&facts).collect();
                self.in_time(self.source.jwt_ended(presented, &ids, position)).await?
            }
        };
        if ended {
            facts.state = State::Revoked;
        }
        Ok(facts)
    }

    async fn in_time<T>(&self, answer: Pending<'_, T>) -> Result<T, NotLearnt> {
        self.breaker.admit(self.clock.monotonic()).map_err(NotLearnt::Failed)?;
        let answer = in_time(self.settings.look_up_deadline.to_std(), answer)
            .await
            .unwrap_or_else(|| Err(SourceError::Unavailable("no answer in time".into())));
        match answer {
            Ok(answer) => {
                self.breaker.answered();
                Ok(answer)
            }
            Err(error) => {
                self.breaker.failed(self.clock.monotonic());
                tracing::warn!(%error, "a credential could not be looked up");
                Err(NotLearnt::Failed(1))
            }
        }
    }
}

/// Verifies a JWT, and says which check it fails.
pub(crate) fn verify(token: &str, keys: &VerificationKeys, issuer: &str) -> Result<Issued, Refusal> {
    match jwt::verify(token, keys, issuer) {
        Ok(verified) => Ok(Issued { facts: verified.facts, position: verified.position }),
        Err(error) => Err(Refusal::InvalidCredential(match error {
            JwtError::Malformed | JwtError::WrongType => Check::Parsed,
            JwtError::UnknownKey | JwtError::BadSignature => Check::Signature,
            JwtError::WrongIssuer => Check::IssuerAndAudience,
        })),
    }
}
