//! The change feed under load, between processes, and when it is cut.

use super::*;

#[tokio::test]
async fn the_feed_is_dense_under_eight_writers_in_two_processes() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (one, _) = database.store_at_start();
        let (two, _) = database.store_at_start();
        let random = Arc::new(SeededRandom::new(5));
        let writers = (0..8).map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { two.clone() };
            let random = Arc::clone(&random);
            async move {
                let mut published = 0_u64;
                for turn in 0..25 {
                    let random = Arc::clone(&random);
                    let done = store
                        .write(move |tx| {
                            for _ in 0..=turn % 3 {
                                tx.publish(change(&random));
                            }
                            if turn % 7 == 6 { Err(Refusal::No) } else { Ok(turn % 3 + 1) }
                        })
                        .await;
                    match done {
                        Ok(count) => published += count,
                        Err(Refusal::No) => {}
                        Err(Refusal::Store(error)) => panic!("{backend:?}: {error}"),
                    }
                }
                published
            }
        });
        let published: u64 = join_all(writers).await.into_iter().sum();
        let positions: Vec<u64> = all_changes(&one).await.iter().map(|change| change.position.0).collect();
        assert_eq!(positions, (1..=published).collect::<Vec<_>>(), "{backend:?}");
    }
}

#[tokio::test]
async fn the_head_is_never_behind_an_answered_write() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let random = Arc::new(SeededRandom::new(7));
        for n in 1..=5 {
            let random = Arc::clone(&random);
            store
                .write(move |tx| {
                    tx.publish(change(&random));
                    Ok::<_, StoreError>(())
                })
                .await
                .unwrap();
            assert_eq!(store.head(), Position(n));
        }
    }
}

#[tokio::test]
async fn a_change_of_another_process_is_noticed() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (here, _) = database.store_at_start();
        let (there, _) = database.store_at_start();
        let known = here.head();
        let random = SeededRandom::new(9);
        there
            .write(move |tx| {
                tx.publish(change(&random));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let seen = here.wait_for_change(known, Duration::from_secs(10)).await;
        assert_eq!(seen, Position(1), "{backend:?}");
    }
}

#[tokio::test]
async fn a_new_epoch_is_noticed_and_old_cursors_are_of_no_use() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let random = SeededRandom::new(9);
        store
            .write(move |tx| {
                tx.publish(change(&random));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let before = store.read(feed::head).await.unwrap();
        let mut head = store.subscribe();
        head.mark_unchanged();
        database.execute("UPDATE feed_head SET epoch = 'restored', position = 0");
        tokio::time::timeout(Duration::from_secs(10), head.changed()).await.unwrap().unwrap();
        assert_eq!(store.head(), Position(0), "{backend:?}");
        let page =
            store.read(move |conn| feed::page_after(conn, &before.epoch, before.head, 10)).await.unwrap();
        assert!(page.changes.is_empty() && page.at.epoch.0 == "restored");
    }
}

#[tokio::test]
async fn the_feed_is_cut_from_its_beginning_alone() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _) = database.store_at_start();
        let random = SeededRandom::new(11);
        let end = |seconds| START + keyway_core::Duration::seconds(seconds);
        let changes =
            [10, 20, 90, 30, 40].map(|until| NewChange { relevant_until: end(until), ..change(&random) });
        store
            .write(move |tx| {
                changes.into_iter().for_each(|change| tx.publish(change));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let cut = store.write(move |tx| feed::cut(tx.conn(), end(50), 100)).await.unwrap();
        assert_eq!(cut, 2, "{backend:?}");
        let (at, behind, page, snapshot) = store
            .read(move |conn| {
                let at = feed::head(conn)?;
                let behind = feed::page_after(conn, &at.epoch, Position(1), 10)?;
                let page = feed::page_after(conn, &at.epoch, Position(2), 10)?;
                Ok::<_, StoreError>((at, behind, page, feed::snapshot(conn, end(50))?))
            })
            .await
            .unwrap();
        assert_eq!((at.head, at.tail), (Position(5), Position(2)));
        assert!(behind.changes.is_empty());
        assert_eq!(page.changes.len(), 3);
        assert_eq!(snapshot.ended.iter().map(|change| change.position.0).collect::<Vec<_>>(), [3]);
        // A JWT of a time that is gone has ended, though no row says so any more.
        let ended = |position| store.read(move |conn| feed::jwt_ended(conn, &[], Position(position)));
        assert!(ended(1).await.unwrap() && !ended(2).await.unwrap());
        let rest = store.write(move |tx| feed::cut(tx.conn(), end(100), 2)).await.unwrap();
        assert_eq!(rest, 2, "{backend:?}");
    }
}
