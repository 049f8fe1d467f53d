mod lifecycle;
mod lineage;

use std::sync::Arc;

use keyway_core::audience::ScopeDefinition;
use keyway_core::clock::ManualClock;
use keyway_core::owner::OwnerKind;
use keyway_core::random::SeededRandom;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock as _, Duration, Random, Timestamp};
use keyway_store::tables::accounts::Account;
use keyway_store::tables::audit::Actor;
use keyway_store::testing::{Backend, TestDatabase};
use keyway_store::{Store, feed};

use super::*;
use crate::flows::Act;
use crate::testing::sample_api;

const SAMPLE: &str = "http://localhost:8081";
const MANAGEMENT: &str = "http://localhost:8080/api/v1";

/// With a scope that administrators alone may grant.
fn catalogue() -> Catalogue {
    let mut sample = sample_api();
    sample.scopes.push(ScopeDefinition {
        name: "notes:purge".into(),
        description: "Delete everybody's notes".into(),
        access: Access::Admin,
        sensitive: false,
        grant: Grantable::Administrators,
    });
    Catalogue::new(vec![sample, Catalogue::management("http://localhost:8080").unwrap()])
}

fn rules() -> KeyRules {
    KeyRules {
        catalogue: Arc::new(catalogue()),
        limits: LimitDefaults::default(),
        live_needs_verified: false,
    }
}

const FRESH: By = By::Person { fresh: true };

/// One owner with an account, in a database of either kind.
struct World {
    // Held for its folder or database.
    _database: TestDatabase,
    store: Store,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
    rules: KeyRules,
    owner: OwnerId,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let random = Arc::new(SeededRandom::new(1));
        let mut world = Self {
            _database: database,
            store,
            clock,
            owner: OwnerId::new(Timestamp::default(), &*random),
            random,
            rules: rules(),
        };
        world.owner = world.person("ada@example.com").await;
        world
    }

    async fn person(&self, email: &'static str) -> OwnerId {
        let (now, id) = (self.now(), OwnerId::new(self.now(), &*self.random));
        self.store
            .write(move |tx| {
                owners::insert(
                    tx.conn(),
                    &Owner {
                        id,
                        kind: OwnerKind::Person,
                        name: email.into(),
                        suspended_at: None,
                        rate: None,
                        created_at: now,
                    },
                )?;
                accounts::insert(
                    tx.conn(),
                    &Account {
                        owner_id: id,
                        email: email.into(),
                        email_verified_at: None,
                        password: None,
                        password_changed_at: None,
                        is_admin: false,
                        last_sign_in_at: None,
                        created_at: now,
                    },
                )
            })
            .await
            .unwrap();
        id
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn act(&self) -> Act {
        let random: Arc<dyn Random> = Arc::clone(&self.random) as Arc<dyn Random>;
        Act { now: self.now(), random, actor: Actor::person(self.owner, "ada@example.com"), address: None }
    }

    fn secret(&self, environment: Environment) -> PlainSecret {
        new_secret(&keyway_core::credential::Brand::default(), environment, &*self.random)
    }

    async fn create(&self, by: By, draft: KeyDraft) -> Result<ApiKey, KeyError> {
        let (act, rules, owner) = (self.act(), self.rules.clone(), self.owner);
        let secret = self.secret(draft.environment);
        self.store.write(move |tx| create(tx, &act, &rules, &by, owner, draft, &secret)).await
    }

    async fn edit(&self, by: By, id: ApiKeyId, patch: KeyPatch) -> Result<ApiKey, KeyError> {
        let (act, rules, owner) = (self.act(), self.rules.clone(), self.owner);
        self.store.write(move |tx| edit(tx, &act, &rules, &by, owner, id, patch)).await
    }

    async fn enable(&self, by: By, id: ApiKeyId, enabled: bool) -> Result<ApiKey, KeyError> {
        let (act, rules, owner) = (self.act(), self.rules.clone(), self.owner);
        self.store.write(move |tx| set_enabled(tx, &act, &rules, &by, owner, id, enabled)).await
    }

    async fn rotate(
        &self,
        by: By,
        id: ApiKeyId,
        grace: keyway_core::api_key::Grace,
    ) -> Result<Rotated, KeyError> {
        let (act, rules, owner) = (self.act(), self.rules.clone(), self.owner);
        let secret = self.secret(Environment::Live);
        self.store.write(move |tx| rotate(tx, &act, &rules, &by, owner, id, grace, &secret)).await
    }

    async fn change_grace(
        &self,
        id: ApiKeyId,
        grace: keyway_core::api_key::Grace,
    ) -> Result<ApiKey, KeyError> {
        let (act, owner) = (self.act(), self.owner);
        self.store.write(move |tx| change_grace(tx, &act, &FRESH, owner, id, grace)).await
    }

    async fn revoke(&self, by: By, id: ApiKeyId) -> Result<ApiKey, KeyError> {
        let (act, owner) = (self.act(), self.owner);
        self.store.write(move |tx| revoke(tx, &act, &by, owner, id, "lost")).await
    }

    async fn find(&self, id: ApiKeyId) -> ApiKey {
        self.store.read(move |conn| api_keys::find(conn, id)).await.unwrap().unwrap()
    }

    /// What a guard would be told about a key now.
    async fn facts(&self, id: ApiKeyId) -> Arc<Facts> {
        let limits = self.rules.limits;
        let facts = self.store.read(move |conn| {
            let key = api_keys::find(conn, id)?.unwrap();
            let owner = owners::find(conn, key.owner)?.unwrap();
            Ok::<_, StoreError>(key.facts(&makers(conn, &key)?, &owner, &limits))
        });
        Arc::new(facts.await.unwrap())
    }

    /// The effects told to guards about `id`, in order.
    async fn told(&self, id: ApiKeyId) -> Vec<&'static str> {
        let page = self.store.read(|conn| {
            let epoch = feed::head(conn)?.epoch;
            feed::page_after(conn, &epoch, keyway_core::change::Position(0), 1_000)
        });
        let changes = page.await.unwrap().changes;
        changes.into_iter().filter(|c| c.id == id.entity()).map(|c| c.effect.as_str()).collect()
    }
}

fn draft(scopes: &str) -> KeyDraft {
    let raw = RawKey {
        name: "Billing".into(),
        environment: "live".into(),
        scopes: vec![scopes.into()],
        ..RawKey::default()
    };
    raw.read().unwrap()
}

#[test]
fn everything_wrong_with_a_form_is_named_at_once() {
    let raw = RawKey {
        name: "a\u{7}".into(),
        note: "x".repeat(501),
        environment: "prod".into(),
        audiences: Vec::new(),
        scopes: vec!["a\"b".into()],
        expires: "soon".into(),
        rate: "many".into(),
        quota_day: "off".into(),
        quota_month: "0".into(),
        addresses: "10.0.0.0/33".into(),
    };
    let fields: Vec<_> = raw.read().unwrap_err().into_keys().collect();
    assert_eq!(
        fields,
        ["addresses", "environment", "expires", "name", "note", "quota_day", "quota_month", "rate", "scopes"]
    );
}

#[test]
fn scopes_lead_to_their_apis_or_stay_within_the_named_ones() {
    let rules = rules();
    let of = |named: &[&str], scopes: &str| {
        let named: Vec<String> = named.iter().map(|a| (*a).to_owned()).collect();
        rules
            .audiences(&named, &scopes.parse().unwrap())
            .map(|apis| apis.iter().map(|api| api.audience.to_string()).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(&[], "keys:read notes:read notes:write").unwrap(), [MANAGEMENT, SAMPLE]);
    assert_eq!(of(&[SAMPLE], "notes:read").unwrap(), [SAMPLE]);
    assert!(of(&[SAMPLE], "keys:read").is_err());
    assert!(of(&[SAMPLE, MANAGEMENT], "keys:read").is_err());
    assert!(of(&["http://elsewhere"], "keys:read").is_err());
    assert!(of(&[], "").is_err());
}
