//! The buttons of the providers that can be signed in with.

use actix_web::HttpRequest;
use serde::Serialize;

use crate::error::PageError;
use crate::known;
use crate::providers::Definition;
use crate::state::Portal;

/// A provider's button.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    id: String,
    label: String,
    /// Whether this browser last signed in with it.
    last_used: bool,
}

impl Offer {
    fn of(definition: &Definition, last: Option<&str>) -> Self {
        let id = definition.id.to_string();
        Self { label: definition.label().to_owned(), last_used: last == Some(id.as_str()), id }
    }
}

/// All of them.
pub async fn offers(portal: &Portal, request: &HttpRequest) -> Result<Vec<Offer>, PageError> {
    let last = known::last_way(portal, request);
    let all = portal.providers.all(portal).await?;
    Ok(all.iter().map(|provider| Offer::of(provider.definition(), last.as_deref())).collect())
}

/// Those that can prove that it is the person `with`, who is connected with some of them.
pub async fn proving(portal: &Portal, with: &[String]) -> Result<Vec<Offer>, PageError> {
    let all = portal.providers.all(portal).await?;
    let fits = all.iter().map(|provider| provider.definition()).filter(|definition| {
        definition.proves_freshness() && with.iter().any(|id| id == definition.id.as_str())
    });
    Ok(fits.map(|definition| Offer::of(definition, None)).collect())
}
