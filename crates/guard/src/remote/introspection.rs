//! Asking for one credential (RFC 7662).

use keyway_core::facts::{Facts, State};
use keyway_core::oauth::{EXPLAIN, Introspection};
use keyway_core::quota::Counted;
use keyway_core::source::SourceError;

use super::http::{Portal, read};

const MAX_ANSWER: usize = 64 * 1024;

async fn ask(portal: &Portal, token: &str) -> Result<Introspection, SourceError> {
    let request = portal.post_as_self("/oauth/introspect").form(&[("token", token), (EXPLAIN, "1")]);
    read(request, MAX_ANSWER).await
}

/// What is known of a credential, whatever its state; `None` for one that is not for this API.
pub(super) async fn facts(portal: &Portal, token: &str) -> Result<Option<Facts>, SourceError> {
    let answer = ask(portal, token).await?;
    match answer.keyway {
        Some(facts) => Ok(Some(facts.into())),
        None if answer.active => {
            Err(SourceError::Inconsistent("the portal takes this API for an ordinary client".into()))
        }
        None => Ok(None),
    }
}

/// Whether a JWT has ended before its time.
pub(super) async fn ended(portal: &Portal, token: &str) -> Result<bool, SourceError> {
    let answer = ask(portal, token).await?;
    Ok(answer.keyway.map_or(!answer.active, |facts| facts.state != State::Active))
}

/// What all guards have counted of a credential's budgets.
pub(super) async fn counted(portal: &Portal, token: &str) -> Result<Vec<Counted>, SourceError> {
    let answer = ask(portal, token).await?;
    let unknown = || SourceError::Inconsistent("the portal no longer knows the credential".into());
    Ok(answer.keyway.ok_or_else(unknown)?.counted)
}
