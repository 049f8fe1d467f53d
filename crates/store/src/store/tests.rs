mod following;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;
use keyway_core::Timestamp;
use keyway_core::change::{Change, EntityKind, NewChange};
use keyway_core::ids::{EntityId, OwnerId};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::random::SeededRandom;

use super::*;
use crate::seal::{self, MasterKey};
use crate::tables::{owners, settings};
use crate::testing::{Backend, START, TestDatabase};

/// What a flow would answer with.
#[derive(Debug)]
enum Refusal {
    No,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn change(random: &SeededRandom) -> NewChange {
    NewChange::ended(EntityKind::ApiKey, EntityId::new(START, random), START)
}

async fn value(store: &Store, name: &str) -> Option<String> {
    let name = name.to_owned();
    store.read(move |conn| settings::get(conn, &name)).await.unwrap()
}

async fn all_changes(store: &Store) -> Vec<Change> {
    store
        .read(|conn| {
            let mut at = feed::head(conn)?;
            let mut all: Vec<Change> = Vec::new();
            loop {
                let after = all.last().map_or(Position(0), |change| change.position);
                let page = feed::page_after(conn, &at.epoch, after, 7)?;
                if page.changes.is_empty() {
                    assert_eq!(page.at.head, after);
                    return Ok::<_, StoreError>(all);
                }
                all.extend(page.changes);
                at = page.at;
            }
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_answered_survives() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        store.write(|tx| settings::set(tx.conn(), "a", "1")).await.unwrap();
        drop(store);
        let (store, _) = database.store_at_start();
        assert_eq!(value(&store, "a").await.as_deref(), Some("1"), "{backend:?}");
    }
}

#[tokio::test]
async fn neighbours_are_unharmed_by_panics_and_refusals() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let random = Arc::new(SeededRandom::new(3));
        let writes = (0..60).map(|n| {
            let random = Arc::clone(&random);
            store.write(move |tx| {
                let name = format!("n{n}");
                settings::set(tx.conn(), &name, "1")?;
                tx.publish(change(&random));
                match n % 4 {
                    1 => Err(Refusal::No),
                    2 => panic!("as a fault of the program would"),
                    // Within a savepoint of its own, and before it is released.
                    3 if n % 8 == 3 => {
                        tx.conn()
                            .transaction(|_| -> QueryResult<()> { panic!("deeper") })
                            .map_err(StoreError::from)?;
                        Ok(n)
                    }
                    _ => Ok(n),
                }
            })
        });
        let mut kept = 0;
        for (n, answer) in join_all(writes).await.into_iter().enumerate() {
            let stands = value(&store, &format!("n{n}")).await.is_some();
            match (n % 4, n % 8, answer) {
                (1, _, Err(Refusal::No)) => assert!(!stands, "{backend:?} {n}"),
                (2, _, Err(Refusal::Store(StoreError::Panicked)))
                | (3, 3, Err(Refusal::Store(StoreError::Panicked))) => assert!(!stands, "{backend:?} {n}"),
                (0, _, Ok(m)) | (3, 7, Ok(m)) => {
                    assert!(stands && m == n, "{backend:?} {n}");
                    kept += 1;
                }
                (_, _, answer) => panic!("{backend:?} {n}: {answer:?}"),
            }
        }
        assert_eq!(store.head(), Position(kept), "{backend:?}");
        assert_eq!(all_changes(&store).await.len() as u64, kept, "{backend:?}");
    }
}

#[tokio::test]
async fn a_refusal_of_one_row_leaves_the_group() {
    let database = TestDatabase::sqlite();
    let (store, _) = database.store_at_start();
    let writes = (0..20).map(|_| {
        store.write(|tx| {
            diesel::insert_into(crate::schema::settings::table)
                .values((crate::schema::settings::name.eq("once"), crate::schema::settings::value.eq("1")))
                .execute(tx.conn())?;
            Ok::<_, StoreError>(())
        })
    });
    let answers = join_all(writes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(StoreError::Conflict))).count(), 19);
}

#[tokio::test]
async fn a_lost_group_is_told_and_the_next_one_works() {
    let database = TestDatabase::sqlite();
    let (store, _) = database.store_at_start();
    let before = store.write(|tx| settings::set(tx.conn(), "before", "1"));
    // As SQLite itself does when the disk is full: the whole transaction is gone.
    let breaker = store.write(|tx| -> Result<(), StoreError> {
        tx.conn().batch_execute("ROLLBACK")?;
        Ok(())
    });
    let after = store.write(|tx| settings::set(tx.conn(), "after", "1"));
    let (before, breaker, after) = tokio::join!(before, breaker, after);
    assert!(matches!(breaker, Err(StoreError::Unavailable(_))), "{breaker:?}");
    // Each answer is true, in whichever group it was.
    assert_eq!(before.is_ok(), value(&store, "before").await.is_some());
    assert_eq!(after.is_ok(), value(&store, "after").await.is_some());
    store.write(|tx| settings::set(tx.conn(), "next", "1")).await.unwrap();
    assert!(value(&store, "next").await.is_some());
}

#[tokio::test]
async fn a_failed_statement_that_is_passed_over_is_no_success() {
    let database = TestDatabase::postgres();
    let (store, _) = database.store_at_start();
    let answer = store
        .write(|tx| {
            settings::set(tx.conn(), "a", "1")?;
            drop(tx.conn().batch_execute("SELECT nonsense"));
            Ok::<_, StoreError>(())
        })
        .await;
    assert!(answer.is_err());
    assert_eq!(value(&store, "a").await, None);
    store.write(|tx| settings::set(tx.conn(), "a", "1")).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let database = TestDatabase::sqlite();
    let mut config = StoreConfig::new(database.url().clone());
    config.write_queue = 1;
    let clock = Arc::new(keyway_core::clock::ManualClock::at(START));
    let store = Store::open(config, clock).unwrap();
    let (started, has_started) = std::sync::mpsc::channel::<()>();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let slow = tokio::spawn({
        let store = store.clone();
        async move {
            let work = move |_: &mut Tx<'_>| {
                started.send(()).unwrap();
                released.recv().unwrap();
                Ok::<_, StoreError>(())
            };
            store.write(work).await
        }
    });
    tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    let waits = tokio::spawn({
        let store = store.clone();
        async move { store.write(|_| Ok::<_, StoreError>(())).await }
    });
    tokio::task::yield_now().await;
    let refused = store.write(|_| Ok::<_, StoreError>(())).await;
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    release.send(()).unwrap();
    slow.await.unwrap().unwrap();
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_written_through_a_reader() {
    let (store, _database) = {
        let database = TestDatabase::sqlite();
        (database.store_at_start().0, database)
    };
    let answer = store.read(|conn| settings::set(conn, "a", "1")).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_panicking_reader_gives_its_connection_back() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        for _ in 0..10 {
            let answer = store.read(|_| -> Result<(), StoreError> { panic!("as a fault would") }).await;
            assert!(matches!(answer, Err(StoreError::Panicked)));
        }
        assert_eq!(value(&store, "a").await, None);
    }
}

#[tokio::test]
async fn two_at_once_do_not_both_pass_a_rule_over_several_rows() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (one, _) = database.store_at_start();
        let (two, _) = database.store_at_start();
        let random = SeededRandom::new(13);
        for round in 0..10 {
            let id = OwnerId::new(START, &random);
            let owner = Owner {
                id,
                kind: OwnerKind::Person,
                name: "Ada".into(),
                suspended_at: None,
                rate: None,
                created_at: Timestamp::from_seconds(1),
            };
            one.write(move |tx| owners::insert(tx.conn(), &owner)).await.unwrap();
            let at_most_one = |name: String| {
                move |tx: &mut Tx<'_>| {
                    assert!(owners::lock(tx.conn(), id)?);
                    let key = format!("{id}%");
                    let rows = crate::schema::settings::table.filter(crate::schema::settings::name.like(key));
                    if rows.count().get_result::<i64>(tx.conn()).map_err(StoreError::from)? > 0 {
                        return Err(Refusal::No);
                    }
                    settings::set(tx.conn(), &name, "1")?;
                    Ok(())
                }
            };
            let (a, b) = tokio::join!(
                one.write(at_most_one(format!("{id} a"))),
                two.write(at_most_one(format!("{id} b")))
            );
            assert!(a.is_ok() != b.is_ok(), "{backend:?} {round}: {a:?} {b:?}");
        }
    }
}

#[tokio::test]
async fn closing_finishes_what_waits_and_takes_nothing_more() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let writes: Vec<_> = (0..50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.write(move |tx| settings::set(tx.conn(), &format!("n{n}"), "1")).await.map(|()| n)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        store.close().await;
        store.close().await;
        for answer in join_all(writes).await {
            if let Ok(n) = answer.unwrap() {
                assert!(value(&store, &format!("n{n}")).await.is_some(), "{backend:?} {n}");
            }
        }
        if backend == Backend::Sqlite {
            let late = store.write(|tx| settings::set(tx.conn(), "late", "1")).await;
            assert!(matches!(late, Err(StoreError::Unavailable(_))));
        }
    }
}

#[tokio::test]
async fn a_database_belongs_to_one_master_key() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let random = SeededRandom::new(15);
        let [right, wrong] = [1, 2].map(|byte| MasterKey::from_slice(&[byte; 32]).unwrap());
        seal::bind(&store, &right, &random).await.unwrap();
        seal::bind(&store, &right, &random).await.unwrap();
        let refused = seal::bind(&store, &wrong, &random).await;
        assert!(matches!(refused, Err(StoreError::WrongMasterKey { .. })), "{backend:?}: {refused:?}");
    }
}
