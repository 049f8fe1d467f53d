use keyway_core::Duration;
use keyway_core::ids::BatchId;
use keyway_core::random::SeededRandom;
use keyway_core::record::{Count, RecordBatch};

use super::*;
use crate::conn::Role;
use crate::tables::callers::{self, CallerFilter};
use crate::tables::records;
use crate::testing::{Backend, START, TestDatabase};

struct World {
    database: TestDatabase,
    random: SeededRandom,
    ada: OwnerId,
    keys: [EntityId; 2],
}

impl World {
    fn new(backend: Backend) -> Self {
        let random = SeededRandom::new(1);
        let keys = [EntityId::new(START, &random), EntityId::new(START, &random)];
        Self { database: TestDatabase::new(backend), ada: OwnerId::new(START, &random), keys, random }
    }

    /// Calls of one of Ada's keys, as one batch.
    fn call(&self, key: usize, route: &str, outcome: Outcome, calls: u64, at: Timestamp) {
        self.call_of(self.ada, self.keys[key], route, outcome, calls, at);
    }

    fn call_of(
        &self,
        owner: OwnerId,
        key: EntityId,
        route: &str,
        outcome: Outcome,
        calls: u64,
        at: Timestamp,
    ) {
        let count = Count {
            credential: key,
            owner,
            route: route.into(),
            outcome,
            calls,
            latency_sum_us: calls * 100,
        };
        let batch = RecordBatch {
            id: BatchId::new(at, &self.random),
            audience: "http://localhost:8081".parse().unwrap(),
            at,
            counts: vec![count],
            last_uses: Vec::new(),
            records: Vec::new(),
            drawn: Vec::new(),
        };
        assert!(records::store(&mut self.conn(), &batch, at).unwrap());
    }

    fn conn(&self) -> Conn {
        self.database.url().connect(Role::Writer).unwrap()
    }

    fn filter(&self, grain: Grain, buckets: u16) -> UsageFilter {
        UsageFilter::of(self.ada, Period::ending(START, grain, buckets))
    }
}

#[test]
fn calls_are_summed_over_time_by_credential_and_by_route() {
    for backend in Backend::ALL {
        let world = World::new(backend);
        let [first, second] = world.keys;
        world.call(0, "/v1/notes", Outcome::Ok, 5, START);
        world.call(0, "/v1/notes", Outcome::Ok, 2, START);
        world.call(0, "/v1/notes", Outcome::Limited, 1, START - Duration::hours(1));
        world.call(1, "/v1/whoami", Outcome::Forbidden, 3, START - Duration::days(2));
        world.call(1, "/v1/whoami", Outcome::Ok, 40, START - Duration::days(7));
        let stranger = OwnerId::new(START, &world.random);
        world.call_of(stranger, first, "/v1/notes", Outcome::Ok, 1_000, START);
        let conn = &mut world.conn();

        let hours = world.filter(Grain::Hour, 24);
        let found = series(conn, &hours).unwrap();
        assert_eq!(found.len(), 24, "{backend:?}");
        assert_eq!((found[23].ok, found[22].limited, found[21].total()), (7, 1, 0), "{backend:?}");
        assert_eq!(totals(conn, &hours).unwrap().total(), 8, "{backend:?}");
        assert_eq!(totals(conn, &hours).unwrap().mean_latency_us(), Some(100), "{backend:?}");

        let days = world.filter(Grain::Day, 7);
        let found = series(conn, &days).unwrap();
        assert_eq!((found[6].total(), found[4].forbidden), (8, 3), "{backend:?}");
        assert_eq!(totals(conn, &days.before()).unwrap().ok, 40, "{backend:?}");
        let ranks: Vec<_> =
            by_credential(conn, &days).unwrap().into_iter().map(|(id, tally)| (id, tally.total())).collect();
        assert_eq!(ranks, [(first, 8), (second, 3)], "{backend:?}");
        let routes: Vec<_> = by_route(conn, &days)
            .unwrap()
            .into_iter()
            .map(|(route, tally)| (route.route, tally.refused()))
            .collect();
        assert_eq!(routes, [("/v1/notes".to_owned(), 1), ("/v1/whoami".to_owned(), 3)], "{backend:?}");

        let narrow = UsageFilter { credential: Some(first), outcome: Some(Outcome::Ok), ..days.clone() };
        assert_eq!(totals(conn, &narrow).unwrap().total(), 7, "{backend:?}");
        let elsewhere = UsageFilter { route: Some("/v1/nothing".into()), ..days.clone() };
        assert_eq!(totals(conn, &elsewhere).unwrap(), Tally::default(), "{backend:?}");
        let lines = lines(conn, &days, 10).unwrap();
        let told: Vec<_> = lines.iter().map(|line| (line.outcome, line.calls)).collect();
        let expected = [(Outcome::Limited, 1), (Outcome::Ok, 7), (Outcome::Forbidden, 3)];
        assert_eq!(told, expected, "{backend:?}");
    }
}

#[test]
fn sparklines_have_thirty_days_of_each_key_that_was_used() {
    for backend in Backend::ALL {
        let world = World::new(backend);
        world.call(0, "/v1/notes", Outcome::Ok, 5, START);
        world.call(0, "/v1/whoami", Outcome::Ok, 2, START);
        world.call(0, "/v1/notes", Outcome::Forbidden, 4, START - Duration::days(29));
        world.call(0, "/v1/notes", Outcome::Ok, 9, START - Duration::days(30));
        let found = sparklines(&mut world.conn(), world.ada, &world.keys, START).unwrap();
        assert_eq!(found.len(), 1, "{backend:?}");
        let line = &found[&world.keys[0]];
        assert_eq!(line.len(), 30, "{backend:?}");
        assert_eq!((line[29].ok, line[0].forbidden), (7, 4), "{backend:?}");
        assert_eq!(line.iter().map(Tally::total).sum::<u64>(), 11, "{backend:?}");
    }
}

#[test]
fn what_was_counted_by_the_hour_is_counted_by_the_day_after_an_upgrade() {
    for backend in Backend::ALL {
        let world = World::new(backend);
        world.call(0, "/v1/notes", Outcome::Ok, 5, START);
        world.call(0, "/v1/notes", Outcome::Ok, 2, START - Duration::hours(2));
        let up = match backend {
            Backend::Sqlite => include_str!("../../../../../migrations/sqlite/0006_usage/up.sql"),
            Backend::Postgres => include_str!("../../../../../migrations/postgres/0006_usage/up.sql"),
        };
        world.database.execute("DROP TABLE usage_days");
        world.database.execute(up);
        let days = series(&mut world.conn(), &world.filter(Grain::Day, 2)).unwrap();
        assert_eq!((days[1].ok, days[1].latency_sum_us, days[0].ok), (7, 700, 0), "{backend:?}");
    }
}

#[test]
fn callers_are_counted_by_address_and_route() {
    for backend in Backend::ALL {
        let world = World::new(backend);
        let (ada, [key, other]) = (world.ada, world.keys);
        let start = START.as_micros();
        let row = |n: i64, key: EntityId, address: &str, failed: &str| {
            let at = start + n;
            format!("('r{n}', {at}, '{key}', '{ada}', '', 'GET', '/v1/notes', 200, 1, {address}, {failed})")
        };
        let rows = [
            row(-1, key, "'192.0.2.1'", "NULL"),
            row(0, key, "'192.0.2.7'", "NULL"),
            row(1, key, "'192.0.2.7'", "'scope'"),
            row(2, key, "NULL", "NULL"),
            row(3, other, "'192.0.2.9'", "NULL"),
        ];
        world.database.execute(&format!(
            "INSERT INTO request_records (id, at, root, owner_id, audience, method, route, status, \
             latency_us, address, check_failed) VALUES {}",
            rows.join(", ")
        ));
        let of_key = CallerFilter { owner: ada, credentials: vec![key], route: None, since: START };
        let found = callers::callers(&mut world.conn(), &of_key).unwrap();
        assert_eq!((found.requests, found.cut), (3, false), "{backend:?}");
        let busiest = &found.addresses[0];
        assert_eq!(busiest.address, Some([192, 0, 2, 7].into()), "{backend:?}");
        assert_eq!((busiest.accepted, busiest.refused), (1, 1), "{backend:?}");
        assert_eq!(busiest.last_at, START + Duration::micros(1), "{backend:?}");
        assert_eq!((found.addresses.len(), found.routes[0].calls), (2, 3), "{backend:?}");
        let all = CallerFilter { credentials: Vec::new(), ..of_key };
        assert_eq!(callers::callers(&mut world.conn(), &all).unwrap().requests, 4, "{backend:?}");
    }
}
