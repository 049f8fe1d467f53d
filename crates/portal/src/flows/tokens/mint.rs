//! A JWT pair minted by its owner, on the page or by command: it belongs to the built-in public client.

use keyway_core::audience::{Api, Catalogue, Grantable};
use keyway_core::facts::Ancestors;
use keyway_core::ids::{ClientId, FamilyId, OwnerId};
use keyway_core::jwt::ACCESS_TOKEN_LIFETIME;
use keyway_core::oauth::{FAMILY_LIFETIME, REFRESH_IDLE, TokenFormat};
use keyway_core::owner::Environment;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_core::text::misleads;
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::families::{Family, FamilyKind};
use keyway_store::tables::owners;
use keyway_store::{Store, StoreError, Tx};

use super::families::{begin, refresh_token, terms};
use super::{Issuance, Issued, TokenError, TokenResponse};
use crate::flows::Act;
use crate::flows::notices::Notice;

/// The lifetimes that an access token may be minted with.
pub const LIFETIMES: [Duration; 3] = [Duration::minutes(5), ACCESS_TOKEN_LIFETIME, Duration::minutes(60)];
/// The longest name, in characters.
pub const MAX_NAME: usize = 100;

/// What is to be minted.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whom for.
    pub owner: OwnerId,
    /// Whether they administer the portal, and may grant what only administrators may.
    pub is_admin: bool,
    /// For lists; may be empty.
    pub name: String,
    /// The API, or that to which all scopes belong.
    pub audience: Option<String>,
    /// What for: at least one scope.
    pub scopes: ScopeSet,
    /// How long the access token lives: one of [`LIFETIMES`].
    pub lifetime: Duration,
    /// Whether with a refresh token.
    pub refresh: bool,
}

/// Why nothing was minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The name is too long or has control characters.
    #[error("a name has at most 100 characters, none of them control characters")]
    Name,
    /// No scope.
    #[error("choose at least one scope")]
    NoScope,
    /// The API is unknown, or the scopes are not its own.
    #[error(transparent)]
    Audience(#[from] keyway_core::audience::AudienceError),
    /// A scope that this person may not grant.
    #[error("the scope {0} is given by administrators alone")]
    NotGrantable(String),
    /// Another lifetime than those offered.
    #[error("choose 5, 15 or 60 minutes")]
    Lifetime,
    /// The account is suspended, or a key or the database failed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl From<StoreError> for MintError {
    fn from(error: StoreError) -> Self {
        Self::Token(error.into())
    }
}

/// A pair that was made. It works once [`Minted::keep`] has been committed.
#[derive(Debug)]
pub struct Minted {
    /// Its family.
    pub family: Family,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    refresh: Option<PlainSecret>,
    issued: Issued,
}

fn check<'c>(catalogue: &'c Catalogue, order: &Order) -> Result<&'c Api, MintError> {
    if order.name.chars().count() > MAX_NAME || order.name.chars().any(misleads) {
        return Err(MintError::Name);
    }
    if order.scopes.is_empty() {
        return Err(MintError::NoScope);
    }
    if !LIFETIMES.contains(&order.lifetime) {
        return Err(MintError::Lifetime);
    }
    let api = catalogue.resolve(order.audience.as_deref(), &order.scopes)?;
    for scope in &order.scopes {
        let grant = api.scope(scope.as_str()).map(|definition| definition.grant);
        let allowed = match grant {
            Some(Grantable::Everyone) => true,
            Some(Grantable::OnApproval | Grantable::Administrators) => order.is_admin,
            None => false,
        };
        if !allowed {
            return Err(MintError::NotGrantable(scope.to_string()));
        }
    }
    Ok(api)
}

/// Makes a pair.
///
/// # Errors
/// When the order cannot be met, the account is suspended, or a key or the database failed.
pub async fn prepare(
    store: &Store,
    issuance: &Issuance,
    act: &Act,
    order: Order,
) -> Result<Minted, MintError> {
    let api = check(&issuance.catalogue, &order)?;
    let (context, owner) = (issuance.clone(), order.owner);
    let ground = store.read(move |conn| context.ground(conn, owner, TokenFormat::Jwt)).await?;
    let id = FamilyId::new(act.now, &*act.random);
    let expires_at = if order.refresh { act.now + FAMILY_LIFETIME } else { act.now + order.lifetime };
    let family = Family {
        id,
        owner,
        client: ClientId::CLI,
        grant: None,
        kind: FamilyKind::Dashboard,
        name: order.name,
        audience: api.audience.clone(),
        scopes: order.scopes.clone(),
        environment: Environment::Live,
        format: TokenFormat::Jwt,
        access_lifetime: order.lifetime,
        has_refresh: order.refresh,
        ancestors: Ancestors::from_slice(&[owner.entity(), ClientId::CLI.entity()]),
        root: id.entity(),
        created_at: act.now,
        last_refreshed_at: None,
        idle_expires_at: expires_at.min(act.now + REFRESH_IDLE),
        expires_at,
        ended_at: None,
        ended_reason: None,
        session: None,
        address: act.address,
        auth_time: None,
        sid: None,
        amr: String::new(),
        bound_to: None,
    };
    let terms = terms(issuance, &family, &ground.owner, order.scopes, None);
    let issued = issuance.issue(&ground, &terms, act.now, &*act.random).map_err(TokenError::from)?;
    let refresh = order.refresh.then(|| refresh_token(issuance, &*act.random));
    Ok(Minted { access_expires_at: issued.expires_at, family, refresh, issued })
}

impl Minted {
    /// Keeps the pair.
    ///
    /// # Errors
    /// `invalid_grant` if the owner was suspended meanwhile; or when the database cannot take it.
    pub fn keep(&self, tx: &mut Tx<'_>, act: &Act) -> Result<(), TokenError> {
        let owner = owners::find(tx.conn(), self.family.owner)?;
        if owner.is_none_or(|owner| owner.suspended_at.is_some()) {
            return Err(TokenError::grant("the account is suspended or gone"));
        }
        begin(tx, act, &self.family, self.refresh.as_ref())?;
        Ok(self.issued.keep(tx)?)
    }

    /// What the owner is told.
    pub fn notice(&self) -> Notice {
        Notice::NewCredential {
            kind: "JWT pair",
            credential: self.family.name.clone(),
            scopes: self.family.scopes.clone(),
            path: "/tokens".to_owned(),
            by_program: false,
        }
    }

    /// The pair as an answer, with the client that may refresh it.
    pub fn response(&self) -> TokenResponse {
        let mut response = self.issued.response(self.refresh.clone());
        response.client_id = Some(self.family.client);
        response
    }
}

/// Mints and keeps a pair: what `keyway token mint` does.
///
/// # Errors
/// As [`prepare`] and [`Minted::keep`].
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    act: Act,
    order: Order,
) -> Result<TokenResponse, MintError> {
    let minted = prepare(store, issuance, &act, order).await?;
    let response = minted.response();
    store.write(move |tx| minted.keep(tx, &act)).await?;
    Ok(response)
}
