use actix_web::test::TestRequest;
use keyway_core::ids::{BatchId, EntityId, OwnerId, SessionId};
use keyway_core::record::{Count, Outcome, RecordBatch};
use keyway_store::StoreError;
use keyway_store::tables::{accounts, records, sessions};
use keyway_store::testing::Backend;

use super::*;
use crate::testing::{Browser, TestPortal};

async fn who(portal: &TestPortal, email: &str) -> (OwnerId, SessionId) {
    let email = email.to_owned();
    let read = portal.portal.store.read(move |conn| {
        let owner = accounts::find_by_email(conn, &email)?.unwrap().owner_id;
        Ok::<_, StoreError>((owner, sessions::ids(conn, owner, None)?[0]))
    });
    read.await.unwrap()
}

/// A call, as a guard reports it.
async fn call(portal: &TestPortal, owner: OwnerId) {
    let (now, random) = (portal.portal.now(), &*portal.portal.random);
    let count = Count {
        credential: EntityId::new(now, random),
        owner,
        route: "/v1/notes".into(),
        outcome: Outcome::Ok,
        calls: 1,
        latency_sum_us: 10,
    };
    let batch = RecordBatch {
        id: BatchId::new(now, random),
        audience: "http://localhost:8081".parse().unwrap(),
        at: now,
        counts: vec![count],
        last_uses: Vec::new(),
        records: Vec::new(),
        drawn: Vec::new(),
    };
    portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, now)).await.unwrap();
}

#[actix_web::test]
async fn a_listener_hears_of_its_owners_calls_and_deeds_and_of_nobody_elses() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let (mut ada, mut bob) = (Browser::new(&portal), Browser::new(&portal));
        ada.sign_up("ada@example.com").await.expect(303);
        bob.sign_up("bob@example.com").await.expect(303);
        let (hers, session) = who(&portal, "ada@example.com").await;
        let (his, _) = who(&portal, "bob@example.com").await;
        let shared = portal.portal.clone().into_inner();
        assert!(!look(&shared).await.unwrap(), "nobody listens");

        let mut own = listen(&shared, session, hers, Some(hers)).unwrap();
        let mut all = listen(&shared, session, hers, None).unwrap();
        assert!(look(&shared).await.unwrap());
        let before = own.standing.borrow_and_update().unwrap();
        all.standing.borrow_and_update();

        call(&portal, his).await;
        look(&shared).await.unwrap();
        assert!(!own.standing.has_changed().unwrap() && all.standing.has_changed().unwrap(), "{backend:?}");
        call(&portal, hers).await;
        look(&shared).await.unwrap();
        let called = own.standing.borrow_and_update().unwrap();
        assert_eq!((called.calls, called.deeds), (before.calls + 1, before.deeds), "{backend:?}");
        portal.clock.advance(Duration::seconds(1));
        let name = [("name", "Ada L.")];
        ada.submit("/settings/profile", "/settings/profile", &name).await.expect(303);
        look(&shared).await.unwrap();
        let done = own.standing.borrow_and_update().unwrap();
        assert!(all.standing.borrow_and_update().unwrap().deeds > 0, "{backend:?}");
        assert!(done.calls == called.calls && done.deeds > called.deeds, "{backend:?} {done:?}");
    }
}

#[actix_web::test]
async fn listening_ends_with_the_session_and_after_a_while_and_has_bounds() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let (owner, session) = who(&portal, "ada@example.com").await;
        let shared = portal.portal.clone().into_inner();
        let seats: Vec<_> =
            (0..=PER_SESSION).map(|_| listen(&shared, session, owner, Some(owner)).unwrap()).collect();
        let kept: Vec<_> = seats.iter().map(|seat| seat.standing.has_changed().is_ok()).collect();
        assert_eq!(kept, [false, true, true, true, true, true, true], "the oldest makes room");
        drop(seats);

        let seat = listen(&shared, session, owner, Some(owner)).unwrap();
        look(&shared).await.unwrap();
        assert!(seat.standing.has_changed().is_ok());
        portal.clock.advance(LONGEST);
        look(&shared).await.unwrap();
        assert!(seat.standing.has_changed().is_err(), "it has to come again");

        let seat = listen(&shared, session, owner, Some(owner)).unwrap();
        ada.submit("/", "/sign-out", &[]).await.expect(303);
        look(&shared).await.unwrap();
        assert!(seat.standing.has_changed().is_err(), "{backend:?}: its session has ended");
        Browser::new(&portal).get("/live").await.expect(303);
    }
}

#[actix_web::test]
async fn a_page_that_was_left_open_does_not_keep_its_session_alive() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let (owner, session) = who(&portal, "ada@example.com").await;
        let shared = portal.portal.clone().into_inner();
        portal.clock.advance(Duration::days(6));
        let part = TestRequest::get().uri("/keys").insert_header(("keyway-part", "1"));
        ada.send(part).await.expect(200);
        let seat = listen(&shared, session, owner, Some(owner)).unwrap();
        look(&shared).await.unwrap();
        assert!(seat.standing.has_changed().is_ok(), "{backend:?}");
        drop(seat);

        portal.clock.advance(Duration::days(1));
        let seat = listen(&shared, session, owner, Some(owner)).unwrap();
        look(&shared).await.unwrap();
        assert!(seat.standing.has_changed().is_err(), "{backend:?}: it is idle");
        ada.get("/keys").await.expect(303);
    }
}

#[actix_web::test]
async fn somebody_with_many_browsers_has_as_many_seats_as_a_person_has() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let shared = portal.portal.clone().into_inner();
    let (now, random) = (portal.portal.now(), &*portal.portal.random);
    let person = OwnerId::new(now, random);
    let one = || listen(&shared, SessionId::new(now, random), person, None).unwrap();
    let seats: Vec<_> = (0..=PER_PERSON).map(|_| one()).collect();
    let gone = seats.iter().filter(|seat| seat.standing.has_changed().is_err());
    assert_eq!(gone.count(), 1);
    assert!(seats[0].standing.has_changed().is_err(), "the oldest makes room");
}

#[actix_web::test]
async fn what_was_missed_is_the_owners_and_not_older_than_two_hours() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let (hers, his) = {
            let (now, random) = (portal.portal.now(), &*portal.portal.random);
            (OwnerId::new(now, random), OwnerId::new(now, random))
        };
        let missed = async |owner, since| {
            let now = portal.portal.now();
            let read = portal.portal.store.read(move |conn| live::anything_since(conn, owner, since, now));
            read.await.map_err(|error: StoreError| error).unwrap()
        };
        let before = portal.portal.now();
        portal.clock.advance(Duration::seconds(1));
        call(&portal, his).await;
        assert!(!missed(Some(hers), before).await && missed(Some(his), before).await, "{backend:?}");
        assert!(missed(None, before).await && !missed(None, portal.portal.now()).await, "{backend:?}");
        portal.clock.advance(Duration::hours(3));
        assert!(!missed(Some(his), before).await && !missed(None, before).await, "{backend:?}");
    }
}
