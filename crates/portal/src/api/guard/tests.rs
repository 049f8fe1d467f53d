use std::time::Instant;

use actix_web::test::TestRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_core::change::{EntityKind, FeedPage, FeedSnapshot, NewChange};
use keyway_core::ids::{ApiKeyId, BatchId, EntityId, OwnerId, RequestId};
use keyway_core::oauth::GrantType;
use keyway_core::owner::{Environment, Owner, OwnerKind};
use keyway_core::quota::{Day, Drawn};
use keyway_core::record::{Count, LastUse, Outcome, Record};
use keyway_core::secret::PlainSecret;
use keyway_core::usage::{Grain, Period};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::usage::{self, UsageFilter};
use keyway_store::tables::{api_keys, owners};
use keyway_store::testing::Backend;

use super::*;
use crate::flows::Act;
use crate::flows::clients::{self, NewClient, Profile, builtin_owner};
use crate::flows::keys::{self, By, KeyRules, RawKey};
use crate::testing::{Answer, Browser, TestPortal, catalogue};

const AUDIENCE: &str = "http://localhost:8081";

/// A portal with a resource server and a client that is none.
struct World {
    portal: TestPortal,
    server: String,
    other: String,
}

fn act(portal: &TestPortal) -> Act {
    let random = std::sync::Arc::clone(&portal.portal.random);
    Act { now: portal.portal.now(), random, actor: Actor::command("test"), address: None }
}

async fn register(portal: &TestPortal, kind: ClientKind) -> String {
    let act = act(portal);
    let resource_server = kind == ClientKind::ResourceServer;
    let new = NewClient {
        owner: builtin_owner(),
        kind,
        audience: resource_server.then(|| AUDIENCE.parse().unwrap()),
        registration: None,
        profile: Profile {
            name: "Notes".into(),
            grant_types: if resource_server { vec![] } else { vec![GrantType::ClientCredentials] },
            scopes: if resource_server { "" } else { "notes:read" }.parse().unwrap_or_default(),
            ..Profile::default()
        },
    };
    let brand = portal.portal.shapes.brand.clone();
    let (client, secret) = portal
        .portal
        .store
        .write(move |tx| clients::register(tx, &act, &catalogue(), &brand, new))
        .await
        .unwrap();
    let secret = secret.as_ref().map_or("", PlainSecret::expose);
    format!("Basic {}", STANDARD.encode(format!("{}:{secret}", client.id)))
}

impl World {
    async fn new(backend: Backend) -> Self {
        let portal = TestPortal::new(backend, |_| {});
        let first = act(&portal);
        portal.portal.store.write(move |tx| clients::ensure_builtin(tx, &first, &catalogue())).await.unwrap();
        let server = register(&portal, ClientKind::ResourceServer).await;
        let other = register(&portal, ClientKind::Confidential).await;
        Self { portal, server, other }
    }

    async fn send(&self, request: TestRequest, authorization: &str) -> Answer {
        Browser::new(&self.portal).send(request.insert_header(("authorization", authorization))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path), &self.server).await.expect(200)
    }

    async fn report(&self, batch: &RecordBatch) -> Answer {
        self.send(TestRequest::post().uri("/guard/records").set_json(batch), &self.server).await
    }

    async fn calls(&self, owner: OwnerId) -> u64 {
        let filter = UsageFilter::of(owner, Period::ending(self.portal.portal.now(), Grain::Day, 2));
        let counted = self.portal.portal.store.read(move |conn| usage::totals(conn, &filter)).await;
        counted.map_err(|error: StoreError| error).unwrap().accepted()
    }

    async fn end_something(&self) {
        let (now, random) = (self.portal.portal.now(), &*self.portal.portal.random);
        let change = NewChange::ended(EntityKind::ApiKey, EntityId::new(now, random), now);
        let done: Result<(), StoreError> = self
            .portal
            .portal
            .store
            .write(move |tx| {
                tx.publish(change);
                Ok(())
            })
            .await;
        done.unwrap();
    }

    fn batch(&self) -> RecordBatch {
        let (now, random) = (self.portal.portal.now(), &*self.portal.portal.random);
        let (credential, owner) = (EntityId::new(now, random), OwnerId::new(now, random));
        RecordBatch {
            id: BatchId::new(now, random),
            audience: AUDIENCE.parse().unwrap(),
            at: now,
            counts: vec![Count {
                credential,
                owner,
                route: "/v1/notes".into(),
                outcome: Outcome::Ok,
                calls: 3,
                latency_sum_us: 30,
            }],
            last_uses: vec![LastUse { credential, at: now, address: None }],
            records: vec![Record {
                at: now,
                request: RequestId::new(now, random),
                credential: Some(credential),
                root: None,
                owner: Some(owner),
                method: "GET".into(),
                route: "/v1/notes".into(),
                status: 200,
                failed: None,
                code: None,
                lacked: None,
                address: None,
                latency_us: 10,
                user_agent: None,
            }],
            drawn: Vec::new(),
        }
    }
}

#[actix_web::test]
async fn resource_servers_alone_follow_the_feed_and_report() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        for path in ["/guard/changes?epoch=x&after=0", "/guard/changes/snapshot", "/guard/records"] {
            let request = || match path {
                "/guard/records" => TestRequest::post().uri(path).set_json(world.batch()),
                _ => TestRequest::get().uri(path),
            };
            let answer = Browser::new(&world.portal).send(request()).await.expect(401);
            assert!(answer.header("www-authenticate").starts_with("Basic "), "{path}");
            world.send(request(), "Basic eDp5").await.expect(401);
            let answer = world.send(request(), &world.other).await.expect(403);
            assert!(answer.body.contains("unauthorized_client"), "{}", answer.body);
        }
    }
}

#[actix_web::test]
async fn a_question_to_the_feed_waits_for_a_change_and_no_longer_than_a_quarter_second() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let start: FeedSnapshot =
            serde_json::from_str(&world.get("/guard/changes/snapshot").await.body).unwrap();
        let path = format!("/guard/changes?epoch={}&after={}", start.at.epoch.0, start.at.head);
        let asked = Instant::now();
        let page: FeedPage = serde_json::from_str(&world.get(&path).await.body).unwrap();
        assert_eq!((page.at.head, page.changes.len()), (start.at.head, 0));
        assert!(asked.elapsed() >= LONGEST_WAIT, "{:?}", asked.elapsed());

        let (answer, ()) = futures_util::future::join(world.get(&path), world.end_something()).await;
        let page: FeedPage = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(page.changes.len(), 1);
        assert_eq!(page.changes[0].position, page.at.head);

        let elsewhere = world.get("/guard/changes?epoch=other&after=0&wait_ms=0").await;
        let page: FeedPage = serde_json::from_str(&elsewhere.body).unwrap();
        assert!(page.changes.is_empty() && page.at.epoch == start.at.epoch);
        let snapshot: FeedSnapshot =
            serde_json::from_str(&world.get("/guard/changes/snapshot").await.body).unwrap();
        assert!(snapshot.ended.iter().any(|change| change.position == page.at.head));
    }
}

#[actix_web::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let world = World::new(Backend::Sqlite).await;
    for query in ["", "?epoch=x", "?after=1", "?epoch=x&after=-1", "?epoch=x&epoch=y&after=1"] {
        let answer =
            world.send(TestRequest::get().uri(&format!("/guard/changes{query}")), &world.server).await;
        assert!(answer.expect(400).body.contains("invalid_request"), "{query}");
    }
    let answer = world.send(TestRequest::post().uri("/guard/changes"), &world.server).await.expect(405);
    assert_eq!(answer.header("allow"), "GET");
}

#[actix_web::test]
async fn a_batch_counts_once_however_often_it_comes() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let mut batch = world.batch();
        let id = batch.counts[0].owner;
        world.report(&batch).await.expect(204);
        world.report(&batch).await.expect(204);
        assert_eq!(world.calls(id).await, 3);
        batch.id = BatchId::new(world.portal.portal.now(), &*world.portal.portal.random);
        world.report(&batch).await.expect(204);
        assert_eq!(world.calls(id).await, 6);
    }
}

#[actix_web::test]
async fn a_batch_keeps_its_bounds() {
    let world = World::new(Backend::Sqlite).await;
    let mut foreign = world.batch();
    foreign.audience = "http://elsewhere".parse().unwrap();
    world.report(&foreign).await.expect(403);
    let mut many = world.batch();
    many.last_uses = vec![many.last_uses[0].clone(); keyway_core::record::MAX_BATCH + 1];
    world.report(&many).await.expect(400);
    let mut torn = world.batch();
    torn.records[0].route = "/v1/\0".into();
    world.report(&torn).await.expect(400);
    let mut future = world.batch();
    future.last_uses[0].at = future.at + keyway_core::Duration::hours(1);
    world.report(&future).await.expect(400);
    let post = |body: String| TestRequest::post().uri("/guard/records").set_payload(body);
    world.send(post("{".into()), &world.server).await.expect(400);
    world.send(post(" ".repeat(MAX_BODY + 1)), &world.server).await.expect(413);
}

impl World {
    /// A person's two keys: one for the resource server's API, one for another.
    async fn keys(&self, owner: OwnerId) -> Vec<ApiKeyId> {
        let (act, portal) = (act(&self.portal), &self.portal.portal);
        let (rules, catalogue) =
            (KeyRules::new(&portal.catalogue, &portal.settings), portal.catalogue.clone());
        let foreign = catalogue.apis().iter().find(|api| api.audience.as_str() != AUDIENCE).unwrap();
        let raw = |scope: &str| RawKey {
            name: "Robot".into(),
            environment: "live".into(),
            scopes: vec![scope.into()],
            quota_day: "100".into(),
            ..RawKey::default()
        };
        let drafts = [raw("notes:read").read().unwrap(), raw(&foreign.scopes[0].name).read().unwrap()];
        let secrets =
            [0, 1].map(|_| keys::new_secret(&portal.shapes.brand, Environment::Live, &*portal.random));
        portal
            .store
            .write(move |tx| {
                let person = Owner {
                    id: owner,
                    kind: OwnerKind::Person,
                    name: "Ada".into(),
                    suspended_at: None,
                    rate: None,
                    created_at: act.now,
                };
                owners::insert(tx.conn(), &person)?;
                let mut made = Vec::new();
                for (draft, secret) in drafts.into_iter().zip(&secrets) {
                    made.push(keys::create(tx, &act, &rules, &By::Operator, owner, draft, secret)?.id);
                }
                Ok::<_, keys::KeyError>(made)
            })
            .await
            .unwrap()
    }
}

#[actix_web::test]
async fn what_a_guard_says_of_another_apis_credentials_does_not_count() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let portal = &world.portal.portal;
        let mut batch = world.batch();
        let owner = batch.counts[0].owner;
        let made = world.keys(owner).await;
        for (id, calls) in [(made[1], 0), (made[0], 3)] {
            batch.id = BatchId::new(portal.now(), &*portal.random);
            batch.counts[0].credential = id.entity();
            batch.last_uses[0].credential = id.entity();
            world.report(&batch).await.expect(204);
            assert_eq!(world.calls(owner).await, calls);
            let key = portal.store.read(move |conn| api_keys::find(conn, id)).await;
            let used = key.map_err(|error: StoreError| error).unwrap().unwrap().last_used_at;
            assert_eq!(used.is_some(), calls > 0);
        }
    }
}

#[actix_web::test]
async fn calls_against_quotas_add_up_and_every_guard_is_told_of_all() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let portal = &world.portal.portal;
        let (mut batch, today) = (world.batch(), Day::of(portal.now()));
        let owner = batch.counts[0].owner;
        let made = world.keys(owner).await;
        let drawn = |id: ApiKeyId, day, calls| Drawn {
            root: id.entity(),
            owner: Some(owner),
            environment: Environment::Live,
            day,
            calls,
        };
        let yesterday = Day::from_number(today.number() - 1);
        // The second key is for another API: nothing of it counts here.
        batch.drawn = vec![drawn(made[0], today, 3), drawn(made[0], yesterday, 2), drawn(made[1], today, 50)];
        let mut sums = Vec::new();
        for _ in 0..2 {
            let told: Stored = serde_json::from_str(&world.report(&batch).await.expect(200).body).unwrap();
            assert!(told.counted.iter().all(|counted| counted.id != made[1].entity()));
            for id in [made[0].entity(), owner.entity()] {
                let of_today = told.counted.iter().find(|c| c.id == id && c.day == today).unwrap();
                sums.push((of_today.in_day, of_today.in_month));
            }
        }
        // A batch that comes twice counts once.
        assert_eq!(sums, [(3, 5); 4], "{backend:?}");
        batch.id = BatchId::new(portal.now(), &*portal.random);
        batch.drawn[0].owner = None;
        let told: Stored = serde_json::from_str(&world.report(&batch).await.expect(200).body).unwrap();
        assert!(told.counted.iter().all(|c| c.day == yesterday), "not the owner that was named: {told:?}");
        batch.drawn = vec![drawn(made[0], Day::from_number(today.number() + 1), 1)];
        world.report(&batch).await.expect(400);
    }
}
