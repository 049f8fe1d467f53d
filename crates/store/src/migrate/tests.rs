use std::collections::BTreeMap;

use diesel::sql_types::Text;

use super::*;
use crate::testing::{Backend, TestDatabase};

fn listing(folder: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(folder);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[derive(QueryableByName, Debug, PartialEq, Eq)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

/// Every column of every table in order: `name type nullable`, in one spelling for both databases.
fn columns(conn: &mut Conn) -> BTreeMap<String, Vec<String>> {
    let query = match conn {
        Conn::Sqlite(_) => {
            "SELECT m.name AS name, p.name || ' ' || CASE p.type WHEN 'BLOB' THEN 'BYTEA' ELSE p.type END \
             || CASE p.\"notnull\" WHEN 1 THEN '' ELSE '?' END AS definition \
             FROM sqlite_master m, pragma_table_info(m.name) p \
             WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY m.name, p.cid"
        }
        Conn::Postgres(_) => {
            "SELECT table_name::text AS name, column_name || ' ' || upper(data_type) \
             || CASE is_nullable WHEN 'NO' THEN '' ELSE '?' END AS definition \
             FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' ORDER BY table_name, ordinal_position"
        }
    };
    let rows: Vec<Column> = diesel::sql_query(query).load(conn).unwrap();
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    for row in rows {
        tables.entry(row.name).or_default().push(row.definition);
    }
    tables
}

fn revert(conn: &mut Conn) {
    match conn {
        Conn::Sqlite(conn) => drop(conn.revert_all_migrations(SQLITE).unwrap()),
        Conn::Postgres(conn) => drop(conn.revert_all_migrations(POSTGRES).unwrap()),
    }
}

#[test]
fn both_folders_hold_the_same_migrations() {
    assert_eq!(listing("sqlite"), listing("postgres"));
    for name in listing("sqlite") {
        assert_eq!(listing(&format!("sqlite/{name}")), ["down.sql", "up.sql"]);
        assert_eq!(listing(&format!("postgres/{name}")), ["down.sql", "up.sql"]);
    }
}

#[test]
fn migrations_go_up_down_and_up_again() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let mut conn = database.url().connect(Role::Writer).unwrap();
        let before = columns(&mut conn);
        assert!(before.len() > 20, "{backend:?}");
        revert(&mut conn);
        assert_eq!(columns(&mut conn).len(), 0, "{backend:?}");
        assert_eq!(pending(database.url()).unwrap(), versions::<diesel::sqlite::Sqlite>(&SQLITE).unwrap());
        let run = migrate(database.url(), &keyway_core::random::SeededRandom::new(2)).unwrap();
        assert_eq!(run.len(), listing("sqlite").len());
        assert_eq!(columns(&mut conn), before, "{backend:?}");
        assert!(pending(database.url()).unwrap().is_empty());
    }
}

#[test]
fn both_databases_have_the_same_columns() {
    let [sqlite, postgres] = Backend::ALL
        .map(|backend| columns(&mut TestDatabase::new(backend).url().connect(Role::Writer).unwrap()));
    assert_eq!(sqlite, postgres);
}

#[test]
fn every_table_is_as_the_program_sees_it() {
    let database = TestDatabase::sqlite();
    let found = columns(&mut database.url().connect(Role::Writer).unwrap());
    let source = concat!(
        include_str!("../schema.rs"),
        include_str!("../schema/elsewhere.rs"),
        include_str!("../schema/notices.rs"),
        include_str!("../schema/oauth.rs")
    );
    let mut known = BTreeMap::new();
    for block in source.split("diesel::table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).skip_while(|line| line.is_empty());
        let name = lines.next().unwrap().split(' ').next().unwrap().to_owned();
        let columns: Vec<String> = lines
            .take_while(|line| *line != "}")
            .map(|line| {
                let (column, kind) = line.trim_end_matches(',').split_once(" -> ").unwrap();
                let inner = kind.trim_start_matches("Nullable<").trim_end_matches('>');
                let spelt = match inner {
                    "Text" => "TEXT",
                    "BigInt" => "BIGINT",
                    "Binary" => "BYTEA",
                    "Bool" => "BOOLEAN",
                    other => panic!("{name}.{column} is {other}: not in the portable subset"),
                };
                format!("{column} {spelt}{}", if inner == kind { "" } else { "?" })
            })
            .collect();
        known.insert(name, columns);
    }
    assert_eq!(known, found);
}

#[test]
fn two_processes_that_migrate_at_once_wait_for_each_other() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        revert(&mut database.url().connect(Role::Writer).unwrap());
        let run: Vec<usize> = std::thread::scope(|scope| {
            let start = |seed| {
                let url = database.url();
                scope
                    .spawn(move || migrate(url, &keyway_core::random::SeededRandom::new(seed)).unwrap().len())
            };
            let threads: Vec<_> = (0..4).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(run.iter().sum::<usize>(), listing("sqlite").len(), "{backend:?}");
    }
}

#[test]
fn a_missing_or_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url: DatabaseUrl = format!("sqlite://{}/none.db", folder.path().display()).parse().unwrap();
    assert!(matches!(pending(&url), Err(StoreError::Schema(_))));
    assert!(!folder.path().join("none.db").exists());
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
        assert!(matches!(require_current(database.url()), Err(StoreError::Schema(_))), "{backend:?}");
        database.execute("DELETE FROM __diesel_schema_migrations");
        assert!(matches!(require_current(database.url()), Err(StoreError::Schema(_))), "{backend:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let database = TestDatabase::sqlite();
    let DatabaseUrl::Sqlite(path) = database.url() else { unreachable!() };
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}
