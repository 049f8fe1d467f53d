//! The one place where access tokens are made, opaque and signed, for every grant.

use std::sync::Arc;

use keyway_core::address::AddressList;
use keyway_core::audience::{Audience, Catalogue};
use keyway_core::change::Position;
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::facts::{Ancestors, Budgets, Facts, LimitDefaults, Method, State, Subject};
use keyway_core::ids::{ClientId, FamilyId, GrantId, OwnerId, TokenId};
use keyway_core::jwt::{
    AccessClaims, Confirmation, Descent, KeyError, MAX_ACCESS_TOKEN_LIFETIME, Purpose, SigningKey, Thumbprint,
};
use keyway_core::oauth::{Client, OPENID, TokenFormat};
use keyway_core::owner::{Environment, Owner};
use keyway_core::rate::Rate;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::tables::access_tokens::{self, AccessToken};
use keyway_store::tables::owners;
use keyway_store::{Conn, StoreError, Tx, feed};
use smallvec::smallvec;

use super::id_token::SignedIn;
use super::{TokenError, TokenResponse};
use crate::flows::jwt::KeyRing;

/// What every issue needs and no request changes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// The `iss` of JWTs: the portal's public URL.
    pub issuer: Arc<str>,
    /// The brand of opaque tokens.
    pub brand: Brand,
    /// What signs.
    pub ring: KeyRing,
    /// Limits where nothing else is said.
    pub limits: LimitDefaults,
    /// The APIs and their scopes.
    pub catalogue: Arc<Catalogue>,
    /// How long a spent refresh token gets the same answer again.
    pub refresh_repeat: Duration,
}

/// What a token rests on, as it stood after [`Ground::position`].
#[derive(Clone, Debug)]
pub struct Ground {
    /// The feed's position, read before anything else: what is taken away afterwards ends the token.
    pub position: Position,
    /// Whom the token will belong to. Not suspended.
    pub owner: Owner,
    key: Option<Arc<SigningKey>>,
    id_token_key: Option<Arc<SigningKey>>,
}

impl Ground {
    /// What was read of `owner` at `position` or later; `key` signs if a JWT is wanted.
    ///
    /// # Errors
    /// `invalid_grant` if the owner is suspended or gone.
    pub fn new(
        position: Position,
        owner: Option<Owner>,
        key: Option<Arc<SigningKey>>,
    ) -> Result<Self, TokenError> {
        let owner = owner
            .filter(|owner| owner.suspended_at.is_none())
            .ok_or_else(|| TokenError::grant("the account is suspended or gone"))?;
        Ok(Self { position, owner, key, id_token_key: None })
    }

    /// The same, ready to sign an ID token for `client` if `scopes` ask for one.
    ///
    /// # Errors
    /// When the database cannot answer, or the key cannot be unsealed.
    pub fn with_id_token_key(
        self,
        conn: &mut Conn,
        issuance: &Issuance,
        client: &Client,
        scopes: &ScopeSet,
    ) -> Result<Self, TokenError> {
        let purpose = Purpose::IdToken(client.id_token_algorithm);
        let asked = scopes.contains(OPENID);
        let id_token_key = asked.then(|| issuance.ring.current(conn, purpose)).transpose()?;
        Ok(Self { id_token_key, ..self })
    }

    /// The ID token beside an access token, if one was asked for in [`Ground::with_id_token_key`] and somebody signed in.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn id_token(
        &self,
        issuance: &Issuance,
        signed_in: Option<SignedIn<'_>>,
        beside: &Issued,
        now: Timestamp,
    ) -> Result<Option<PlainSecret>, KeyError> {
        let (Some(key), Some(signed_in)) = (&self.id_token_key, signed_in) else { return Ok(None) };
        signed_in.sign(key, &issuance.issuer, &beside.plain, now).map(Some)
    }
}

/// What is to be in an access token.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who acts with it.
    pub subject: Subject,
    /// The client that holds it.
    pub client: ClientId,
    /// The family that it belongs to.
    pub family: Option<FamilyId>,
    /// The consent that it rests on.
    pub grant: Option<GrantId>,
    /// What its end follows from.
    pub ancestors: Ancestors,
    /// The API that it is for.
    pub audience: Audience,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Live or test.
    pub environment: Environment,
    /// From where it may be used.
    pub addresses: AddressList,
    /// The key that it is bound to (RFC 9449).
    pub bound_to: Option<Thumbprint>,
    /// When the user signed in, where a user did.
    pub auth_time: Option<Timestamp>,
    /// What it draws on.
    pub budgets: Budgets,
    /// The root's own limit, where it is not the setting's.
    pub rate: Option<Rate>,
    /// How long it lives; at most [`MAX_ACCESS_TOKEN_LIFETIME`].
    pub lifetime: Duration,
    /// The earliest end of an ancestor.
    pub not_after: Option<Timestamp>,
}

/// A token that was made. It works once [`Issued::keep`] has been committed.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: TokenId,
    /// The token.
    pub plain: PlainSecret,
    /// Until when it works.
    pub expires_at: Timestamp,
    expires_in: u64,
    token_type: &'static str,
    scopes: ScopeSet,
    row: Option<AccessToken>,
}

impl Issuance {
    /// Reads what a token of `owner` rests on.
    ///
    /// # Errors
    /// `invalid_grant` if the owner is suspended or gone; or when the database cannot answer.
    pub fn ground(&self, conn: &mut Conn, owner: OwnerId, format: TokenFormat) -> Result<Ground, TokenError> {
        let position = feed::head(conn)?.head;
        self.ground_at(conn, position, owner, format)
    }

    /// The same, where the position was read already.
    ///
    /// # Errors
    /// As [`Issuance::ground`].
    pub fn ground_at(
        &self,
        conn: &mut Conn,
        position: Position,
        owner: OwnerId,
        format: TokenFormat,
    ) -> Result<Ground, TokenError> {
        let owner = owners::find(conn, owner)?;
        let key = match format {
            TokenFormat::Jwt => Some(self.ring.current(conn, Purpose::AccessToken)?),
            TokenFormat::Opaque => None,
        };
        Ground::new(position, owner, key)
    }

    /// Makes an access token: a JWT if a signing key was asked for in [`Issuance::ground`], else an opaque one. Slow,
    /// compared with a statement: not for transactions.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(
        &self,
        ground: &Ground,
        terms: &Terms,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Issued, KeyError> {
        let id = TokenId::new(now, random);
        let lifetime = terms.lifetime.min(MAX_ACCESS_TOKEN_LIFETIME);
        let end = terms.not_after.map_or(now + lifetime, |at| at.min(now + lifetime));
        // A JWT knows whole seconds: rounded down, so that it never outlives an ancestor.
        let expires_at = Timestamp::from_seconds(end.as_seconds());
        // As `exp` less `iat` (RFC 9068): both are whole seconds.
        let expires_in = u64::try_from(expires_at.as_seconds() - now.as_seconds()).unwrap_or(0);
        let (plain, row) = match &ground.key {
            Some(key) => (self.sign(key, ground, terms, id, now, expires_at)?, None),
            None => {
                let plain = credential::generate(&self.brand, Kind::AccessToken, random);
                let row = row(ground, terms, id, &plain, now, expires_at);
                (plain, Some(row))
            }
        };
        let token_type = if terms.bound_to.is_some() { "DPoP" } else { "Bearer" };
        let scopes = terms.scopes.clone();
        Ok(Issued { id, plain, expires_at, expires_in, token_type, scopes, row })
    }

    fn sign(
        &self,
        key: &SigningKey,
        ground: &Ground,
        terms: &Terms,
        id: TokenId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<PlainSecret, KeyError> {
        let facts = Facts {
            method: Method::Jwt,
            id: id.entity(),
            owner: ground.owner.id,
            subject: terms.subject,
            client: Some(terms.client),
            environment: terms.environment,
            audiences: smallvec![terms.audience.clone()],
            scopes: terms.scopes.clone(),
            not_before: now,
            expires_at: Some(expires_at),
            state: State::Active,
            addresses: terms.addresses.clone(),
            ancestors: terms.ancestors.clone(),
            signing_key: None,
            bound_to: terms.bound_to,
            budgets: terms.budgets,
        };
        let claims = AccessClaims {
            iss: self.issuer.to_string(),
            sub: terms.subject.to_string(),
            aud: terms.audience.clone(),
            exp: expires_at.as_seconds(),
            iat: now.as_seconds(),
            jti: id,
            client_id: terms.client,
            scope: terms.scopes.clone(),
            auth_time: terms.auth_time.map(Timestamp::as_seconds),
            cnf: terms.bound_to.map(|jkt| Confirmation { jkt }),
            keyway: Descent::of(&facts, ground.position),
        };
        key.sign(&claims).map(PlainSecret::new)
    }
}

fn row(
    ground: &Ground,
    terms: &Terms,
    id: TokenId,
    plain: &PlainSecret,
    now: Timestamp,
    expires_at: Timestamp,
) -> AccessToken {
    AccessToken {
        id,
        digest: plain.digest(),
        owner: ground.owner.id,
        subject: terms.subject,
        client: terms.client,
        family: terms.family,
        grant: terms.grant,
        audience: terms.audience.clone(),
        scopes: terms.scopes.clone(),
        environment: terms.environment,
        root: terms.budgets.root,
        ancestors: terms.ancestors.clone(),
        rate: terms.rate,
        addresses: terms.addresses.clone(),
        bound_to: terms.bound_to,
        position: ground.position,
        created_at: now,
        expires_at,
        revoked_at: None,
    }
}

impl Issued {
    /// Keeps an opaque token. A JWT needs no keeping.
    ///
    /// # Errors
    /// When the database cannot take it.
    pub fn keep(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.row.as_ref().map_or(Ok(()), |row| access_tokens::insert(tx.conn(), row))
    }

    /// Whether [`Issued::keep`] has anything to do.
    pub const fn is_opaque(&self) -> bool {
        self.row.is_some()
    }

    /// The answer that carries it.
    pub fn response(&self, refresh_token: Option<PlainSecret>) -> TokenResponse {
        TokenResponse {
            access_token: self.plain.clone(),
            token_type: self.token_type,
            expires_in: self.expires_in,
            refresh_token,
            id_token: None,
            scope: self.scopes.clone(),
            issued_token_type: None,
            client_id: None,
        }
    }
}
