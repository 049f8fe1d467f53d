use keyway_core::random::SeededRandom;

use super::*;
use crate::tables::settings;
use crate::testing::{START, TestDatabase};

const OWNER: &str = "0199c000-0000-7000-8000-000000000001";
const KEPT: &str = "0199c000-0000-7000-8000-000000000002";
const REVOKED: &str = "0199c000-0000-7000-8000-000000000003";

fn master(byte: u8) -> MasterKey {
    MasterKey::from_slice(&[byte; seal::KEY_LEN]).unwrap()
}

fn key_row(id: &str, digest: u8) -> String {
    format!(
        "INSERT INTO api_keys (id, owner_id, creator_id, digest, prefix, last4, name, environment, audiences, scopes, \
         note, addresses, ancestors, created_at, imported, version) VALUES ('{id}', '{OWNER}', '{OWNER}', \
         X'{}', 'keyway_live_abcd', 'wxyz', 'k', 'live', 'http://localhost:8081', 'notes:read', '', '', '', 1, 0, 1);",
        format!("{digest:02x}").repeat(32)
    )
}

/// A database with an owner, two keys and a session, bound to `master(1)`.
async fn filled() -> TestDatabase {
    let database = TestDatabase::sqlite();
    database.execute(&format!(
        "INSERT INTO owners (id, kind, name, version, created_at) VALUES ('{OWNER}', 'person', 'Ada', 1, 1); {}{} \
         INSERT INTO sessions (digest, id, owner_id, state, created_at, last_seen_at, expires_at) VALUES (X'01', \
         '{KEPT}', '{OWNER}', '{{}}', 1, 1, 9);",
        key_row(KEPT, 1),
        key_row(REVOKED, 2)
    ));
    let (store, _) = database.store_at_start();
    seal::bind(&store, &master(1), &SeededRandom::new(1)).await.unwrap();
    store.close().await;
    database
}

fn put_back(file: &Path, database: &TestDatabase, key: u8) -> Result<Restored, BackupError> {
    restore(file, database.url(), &master(key), START, &SeededRandom::new(9))
}

#[tokio::test]
async fn a_restore_brings_the_rows_back_and_ends_what_could_be_used_again() {
    let database = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it's a backup.db");
    backup(database.url(), &file).unwrap();
    database.execute(&format!("UPDATE api_keys SET revoked_at = 5 WHERE id = '{REVOKED}'"));

    let restored = put_back(&file, &database, 1).unwrap();
    assert_eq!(restored.working_keys, 2);
    let revived = restored.revived.unwrap();
    assert_eq!(revived.len(), 1);
    assert_eq!(revived[0].id.to_string(), REVOKED);

    let (store, _) = database.store_at_start();
    let (sessions, keys, head) = store
        .read(|conn| {
            let sessions: i64 = sessions::table.count().get_result(conn)?;
            let keys: i64 =
                api_keys::table.filter(api_keys::revoked_at.is_null()).count().get_result(conn)?;
            assert!(seal::verify(conn, &master(1))?);
            Ok::<_, StoreError>((sessions, keys, feed::head(conn)?))
        })
        .await
        .unwrap();
    assert_eq!((sessions, keys), (0, 2));
    let another = Epoch("another".into());
    assert_ne!(head.epoch, another);
}

#[tokio::test]
async fn another_epoch_begins_with_a_restore() {
    let database = filled().await;
    let epoch = |database: &TestDatabase| {
        let mut conn = database.url().connect(Role::Reader).unwrap();
        feed::head(&mut conn).unwrap().epoch
    };
    let before = epoch(&database);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    backup(database.url(), &file).unwrap();
    put_back(&file, &database, 1).unwrap();
    assert_ne!(epoch(&database), before);
}

#[tokio::test]
async fn a_running_server_is_not_overwritten() {
    let database = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    backup(database.url(), &file).unwrap();
    let (store, _) = database.store_at_start();
    store.read(|conn| settings::get(conn, "nothing")).await.unwrap();
    assert!(matches!(put_back(&file, &database, 1), Err(BackupError::InUse)));
    drop(store);
}

#[tokio::test]
async fn a_wrong_key_or_another_file_is_refused_and_changes_nothing() {
    let database = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    backup(database.url(), &file).unwrap();
    assert!(matches!(backup(database.url(), &file), Err(BackupError::Exists(_))));
    assert!(matches!(
        put_back(&file, &database, 2),
        Err(BackupError::Store(StoreError::WrongMasterKey { .. }))
    ));
    let other = folder.path().join("other");
    std::fs::write(&other, "not a database, but long enough to look at for a moment").unwrap();
    assert!(matches!(put_back(&other, &database, 1), Err(BackupError::Unfit { .. })));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(put_back(&empty, &database, 1).is_err());
    assert!(put_back(&folder.path().join("missing"), &database, 1).is_err());
    let (store, _) = database.store_at_start();
    drop(store);
}
