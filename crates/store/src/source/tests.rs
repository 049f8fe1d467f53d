use std::sync::Arc;

use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, Terms};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::facts::State;
use keyway_core::ids::{ApiKeyId, BatchId, OwnerId, RequestId};
use keyway_core::owner::{Environment, Owner, OwnerKind};
use keyway_core::random::SeededRandom;
use keyway_core::record::{Count, LastUse, Outcome, Record};
use keyway_core::refusal::Check;
use keyway_core::secret::{PlainSecret, SecretDigest};

use super::*;
use crate::tables::{api_keys, owners};
use crate::testing::{Backend, START, TestDatabase};

struct House {
    store: Store,
    source: StoreSource,
    random: SeededRandom,
    _database: TestDatabase,
}

impl House {
    fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let source = StoreSource::new(store.clone(), LimitDefaults::default());
        Self { store, source, random: SeededRandom::new(4), _database: database }
    }
    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut crate::Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(f).await.unwrap()
    }
    async fn owner(&self) -> OwnerId {
        let owner = Owner {
            id: OwnerId::new(START, &self.random),
            kind: OwnerKind::Person,
            name: "Ada".into(),
            suspended_at: None,
            rate: None,
            created_at: START,
        };
        let id = owner.id;
        self.write(move |tx| owners::insert(tx.conn(), &owner)).await;
        id
    }
    async fn key(&self, owner: OwnerId, secret: &'static str, makers: &[ApiKeyId]) -> ApiKeyId {
        let key = ApiKey {
            id: ApiKeyId::new(START, &self.random),
            owner,
            creator: owner,
            prefix: "keyway_live_abcd".into(),
            last4: "wxyz".into(),
            name: "First".into(),
            note: String::new(),
            terms: Terms {
                environment: Environment::Live,
                audiences: ["http://api.example".parse().unwrap()].into_iter().collect(),
                scopes: "notes:read".parse().unwrap(),
                addresses: keyway_core::address::AddressList::default(),
                rate: None,
                quotas: keyway_core::quota::Quotas::OFF,
                expires_at: None,
            },
            ancestors: makers.iter().map(|id| id.entity()).collect(),
            created_at: START,
            disabled_at: None,
            revoked_at: None,
            revoked_reason: None,
            replaced_by: None,
            replaces: None,
            grace_ends_at: None,
            imported: false,
            last_used_at: None,
            last_used_address: None,
            version: 0,
        };
        let id = key.id;
        let digest = SecretDigest::of(secret.as_bytes());
        self.write(move |tx| api_keys::insert(tx.conn(), &key, &digest)).await;
        id
    }
    async fn facts(&self, secret: &str) -> Option<Facts> {
        let digest = PlainSecret::new(secret).digest();
        self.source.api_key(Presented { digest, plain: secret }).await.unwrap()
    }
    async fn state(&self, secret: &str) -> State {
        self.facts(secret).await.unwrap().state
    }
}

#[tokio::test]
async fn a_key_is_what_it_its_makers_and_its_owner_are() {
    for backend in Backend::ALL {
        let house = House::new(backend);
        let owner = house.owner().await;
        let parent = house.key(owner, "parent", &[]).await;
        let child = house.key(owner, "child", &[parent]).await;
        assert_eq!(house.facts("nobody").await, None);
        let facts = house.facts("child").await.unwrap();
        assert_eq!((facts.id, facts.owner, facts.state), (child.entity(), owner, State::Active));
        assert!(facts.ancestors.contains(&parent.entity()) && facts.ancestors.contains(&owner.entity()));
        assert_eq!(facts.budgets.root, parent.entity(), "splitting buys nothing");

        house.write(move |tx| api_keys::disable(tx.conn(), parent, START)).await;
        assert_eq!(house.state("child").await, State::Disabled);
        house.write(move |tx| api_keys::revoke(tx.conn(), parent, "", START)).await;
        assert_eq!(house.state("child").await, State::Revoked);
        house.key(owner, "other", &[]).await;
        house.write(move |tx| owners::suspend(tx.conn(), owner, START)).await;
        assert_eq!(house.state("other").await, State::OwnerSuspended);
    }
}

#[tokio::test]
async fn the_feed_is_followed_from_a_position_on_and_waited_for() {
    for backend in Backend::ALL {
        let house = House::new(backend);
        let owner = house.owner().await;
        let start = house.source.snapshot().await.unwrap();
        let (epoch, after) = (start.at.epoch.clone(), start.at.head);
        let nothing = house.source.changes(&epoch, after, Duration::ZERO).await.unwrap();
        assert!(nothing.changes.is_empty());

        let source = Arc::new(house.source.clone());
        let waiting = tokio::spawn({
            let (source, epoch) = (Arc::clone(&source), epoch.clone());
            async move { source.changes(&epoch, after, Duration::seconds(20)).await.unwrap() }
        });
        house
            .write(move |tx| {
                tx.publish(NewChange::ended(EntityKind::Owner, owner, START));
                Ok(())
            })
            .await;
        assert!(house.source.head() > after, "known before the write is answered");
        let page = waiting.await.unwrap();
        let [change] = page.changes.as_slice() else { panic!("{backend:?}: {page:?}") };
        assert_eq!((change.id, change.position), (owner.entity(), page.at.head));
        let ended = |since| {
            let ids = [owner.entity()];
            let source = Arc::clone(&source);
            async move {
                let presented = Presented { digest: SecretDigest::of(b""), plain: "" };
                source.jwt_ended(presented, &ids, since).await.unwrap()
            }
        };
        assert!(ended(after).await);
        assert!(!ended(page.at.head).await);
        assert_eq!(house.source.snapshot().await.unwrap().ended, [*change]);

        let other = Epoch("another".into());
        let lost = house.source.changes(&other, after, Duration::ZERO).await.unwrap();
        assert!(lost.changes.is_empty() && lost.at.epoch != other);
    }
}

#[tokio::test]
async fn a_batch_counts_once_and_counts_add_up() {
    for backend in Backend::ALL {
        let house = House::new(backend);
        let owner = house.owner().await;
        let key = house.key(owner, "key", &[]).await;
        let at = START + Duration::minutes(1);
        let batch = |n: u64| RecordBatch {
            id: BatchId::new(Timestamp::from_seconds(i64::try_from(n).unwrap()), &house.random),
            audience: "http://api.example".parse().unwrap(),
            at,
            counts: vec![Count {
                credential: key.entity(),
                owner,
                route: "/v1/notes".into(),
                outcome: Outcome::Ok,
                calls: 3,
                latency_sum_us: 30,
            }],
            last_uses: vec![LastUse { credential: key.entity(), at, address: None }],
            records: vec![Record {
                at,
                request: RequestId::new(at, &house.random),
                credential: Some(key.entity()),
                root: None,
                owner: Some(owner),
                method: "GET".into(),
                route: "/v1/notes".into(),
                status: 401,
                failed: Some(Check::NotRevoked),
                code: Some("revoked".into()),
                lacked: None,
                address: Some([192, 0, 2, 1].into()),
                latency_us: 10,
                user_agent: Some("curl/8.5.0".into()),
            }],
            drawn: Vec::new(),
        };
        let (one, two) = (batch(1), batch(2));
        for sent in [&one, &one, &two] {
            house.source.store(sent).await.unwrap();
        }
        let stored = house
            .store
            .read(|conn| {
                use crate::schema::{request_records, usage_counts};
                use diesel::prelude::*;
                let counts: Vec<(i64, i64)> = usage_counts::table
                    .select((usage_counts::count, usage_counts::latency_sum_us))
                    .load(conn)?;
                let records: i64 = request_records::table.count().get_result(conn)?;
                Ok::<_, StoreError>((counts, records))
            })
            .await
            .unwrap();
        assert_eq!(stored, (vec![(6, 60)], 2), "{backend:?}");
        let used = house.store.read(move |conn| api_keys::find(conn, key)).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, Some(at));
    }
}
