//! What a guard knows of a credential: facts, never a verdict. Everything that depends on the request or the moment
//! (audience, time, address, limit, scope, what has been taken away) is decided anew on each call.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::address::AddressList;
use crate::audience::Audience;
use crate::clock::Timestamp;
use crate::ids::{ClientId, EntityId, OwnerId};
use crate::jwt::Thumbprint;
use crate::owner::Environment;
use crate::quota::Quotas;
use crate::rate::{Limit, Rate};
use crate::scope::ScopeSet;

/// The ids of everything whose end is a credential's end too; itself not included.
pub type Ancestors = SmallVec<[EntityId; 6]>;

/// How a credential proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// An API key.
    ApiKey,
    /// A signed access token (RFC 9068).
    Jwt,
    /// An opaque access token.
    Oauth,
}

impl Method {
    /// As shown and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Oauth => "oauth",
        }
    }
}

/// Whether a credential that was found works at all. The order is the order in which guards check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    Active,
    /// Taken away for good, itself or an ancestor.
    Revoked,
    /// Switched off, itself or an ancestor.
    Disabled,
    /// Its owner is suspended.
    OwnerSuspended,
}

/// Who acts with the credential: the `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A person or a team.
    Owner(OwnerId),
    /// A client acting for itself (client_credentials, RFC 9068 §2.2).
    Client(ClientId),
}

impl Subject {
    /// Its id, whatever it is.
    pub const fn entity(self) -> EntityId {
        match self {
            Self::Owner(id) => id.entity(),
            Self::Client(id) => id.entity(),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner(id) => id.fmt(f),
            Self::Client(id) => id.fmt(f),
        }
    }
}

/// The budgets that a credential draws on. The environment's share is already taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Whose counter the own limit is: the credential at the root of the descent, so that splitting buys nothing.
    pub root: EntityId,
    /// The root's own limit.
    pub own: Limit,
    /// The owner whose shared budget is drawn on; none for an app that a user authorised.
    pub owner: Option<OwnerId>,
    /// The owner's shared limit.
    pub shared: Limit,
    /// The root's own quotas.
    #[serde(default, skip_serializing_if = "Quotas::is_off")]
    pub own_quotas: Quotas,
    /// The owner's shared quotas.
    #[serde(default, skip_serializing_if = "Quotas::is_off")]
    pub shared_quotas: Quotas,
}

impl Budgets {
    /// Whether calls are to be counted by the calendar.
    pub const fn has_quotas(&self) -> bool {
        !self.own_quotas.is_off() || !self.shared_quotas.is_off()
    }

    /// The ids of the budgets that are drawn on.
    pub fn ids(&self) -> impl Iterator<Item = EntityId> + use<> {
        std::iter::once(self.root).chain(self.owner.map(OwnerId::entity))
    }

    /// With quotas of the root's own, as far as there are any; the environment's share is taken here.
    #[must_use]
    pub const fn with_own_quotas(mut self, quotas: Quotas, environment: Environment) -> Self {
        self.own_quotas = quotas.in_environment(environment).or(self.own_quotas);
        self
    }
}

/// What is known of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How it proves itself.
    pub method: Method,
    /// The key, or the token (the `jti` of a JWT).
    pub id: EntityId,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// Who acts with it.
    pub subject: Subject,
    /// The app that holds it, if one does.
    pub client: Option<ClientId>,
    /// Live or test.
    pub environment: Environment,
    /// The APIs it is for.
    pub audiences: SmallVec<[Audience; 1]>,
    /// What it may do there.
    pub scopes: ScopeSet,
    /// From when it works.
    pub not_before: Timestamp,
    /// Until when; `None` is for ever (API keys only).
    pub expires_at: Option<Timestamp>,
    /// Whether it works at all.
    pub state: State,
    /// From where it may be used.
    pub addresses: AddressList,
    /// What its end follows from.
    pub ancestors: Ancestors,
    /// The signing key of a JWT (see [`crate::jwt::key_entity`]).
    pub signing_key: Option<EntityId>,
    /// The key that whoever uses it must prove to hold (RFC 9449), if it is bound to one.
    pub bound_to: Option<Thumbprint>,
    /// What it draws on.
    pub budgets: Budgets,
}

impl Facts {
    /// What its calls are counted under: what comes and goes, by what it draws on. So are tokens by their family,
    /// consent, client or key.
    pub const fn counted_under(&self) -> EntityId {
        match self.method {
            Method::ApiKey => self.id,
            Method::Jwt | Method::Oauth => self.budgets.root,
        }
    }
}

/// The limits that hold where nothing else is said: settings `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitDefaults {
    /// Each credential.
    pub credential: Limit,
    /// All credentials of an owner together.
    pub owner: Limit,
    /// Each app and user together.
    pub app: Limit,
    /// Each credential, by the calendar.
    pub credential_quotas: Quotas,
    /// All credentials of an owner together, by the calendar.
    pub owner_quotas: Quotas,
    /// Each app and user together, by the calendar.
    pub app_quotas: Quotas,
}

impl Default for LimitDefaults {
    fn default() -> Self {
        let at = |count: u32, burst: u32| {
            let count = std::num::NonZeroU32::new(count).unwrap_or(std::num::NonZeroU32::MIN);
            let burst = std::num::NonZeroU32::new(burst).unwrap_or(std::num::NonZeroU32::MIN);
            Limit::At(Rate { count, per: crate::rate::Per::Minute, burst })
        };
        Self {
            credential: at(600, 100),
            owner: at(1200, 200),
            app: at(600, 100),
            credential_quotas: Quotas::OFF,
            owner_quotas: Quotas::OFF,
            app_quotas: Quotas::OFF,
        }
    }
}

impl LimitDefaults {
    /// The budgets of a credential of `owner` that draws on `root`; a limit given holds in place of the setting's.
    pub fn budgets(
        &self,
        root: EntityId,
        own: Option<Rate>,
        owner: (OwnerId, Option<Rate>),
        environment: Environment,
    ) -> Budgets {
        Budgets {
            root,
            own: share(own.map_or(self.credential, Limit::At), environment),
            owner: Some(owner.0),
            shared: share(owner.1.map_or(self.owner, Limit::At), environment),
            own_quotas: self.credential_quotas.in_environment(environment),
            shared_quotas: self.owner_quotas.in_environment(environment),
        }
    }

    /// The budget of an app that a user authorised: its own, per user and app, in place of both.
    pub fn app_budgets(&self, grant: EntityId, environment: Environment) -> Budgets {
        Budgets {
            root: grant,
            own: share(self.app, environment),
            owner: None,
            shared: Limit::Off,
            own_quotas: self.app_quotas.in_environment(environment),
            shared_quotas: Quotas::OFF,
        }
    }
}

fn share(limit: Limit, environment: Environment) -> Limit {
    match limit {
        Limit::Off => Limit::Off,
        Limit::At(rate) => Limit::At(rate.in_environment(environment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn an_app_draws_on_quotas_of_its_own_and_test_credentials_on_a_tenth() {
        let quotas = |day: &str| Quotas { day: day.parse().unwrap(), ..Quotas::OFF };
        let limits = LimitDefaults {
            credential_quotas: quotas("100"),
            owner_quotas: quotas("200"),
            app_quotas: quotas("50"),
            ..LimitDefaults::default()
        };
        let random = SeededRandom::new(1);
        let (root, owner) =
            (EntityId::new(Timestamp::default(), &random), OwnerId::new(Timestamp::default(), &random));
        let app = limits.app_budgets(root, Environment::Live);
        assert_eq!((app.own_quotas, app.shared_quotas), (quotas("50"), Quotas::OFF));
        assert_eq!(app.ids().collect::<Vec<_>>(), [root]);
        let test = limits.budgets(root, None, (owner, None), Environment::Test);
        assert_eq!((test.own_quotas, test.shared_quotas), (quotas("10"), quotas("20")));
        assert_eq!(test.with_own_quotas(quotas("30"), Environment::Test).own_quotas, quotas("3"));
        assert!(!LimitDefaults::default().app_budgets(root, Environment::Live).has_quotas());
    }
}
