use keyway_core::ids::{AuditId, EntityId, OwnerId};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::random::SeededRandom;
use keyway_core::{Duration, Timestamp};

use super::accounts::{Account, StoredPassword};
use super::audit::{Actor, AuditEntry, AuditFilter};
use super::outbox::OutgoingMail;
use super::{accounts, attempts, audit, outbox, owners};
use crate::conn::Role;
use crate::error::StoreError;
use crate::testing::{Backend, START, TestDatabase};
use crate::tx::Tx;

fn person(random: &SeededRandom) -> Owner {
    Owner {
        id: OwnerId::new(START, random),
        kind: OwnerKind::Person,
        name: "Ada".into(),
        suspended_at: None,
        rate: Some("600/min burst=100".parse().unwrap()),
        created_at: START,
    }
}

fn account(owner: &Owner, email: &str, is_admin: bool) -> Account {
    Account {
        owner_id: owner.id,
        email: email.into(),
        email_verified_at: None,
        password: Some(StoredPassword::new("$argon2id$…".into())),
        password_changed_at: Some(START),
        is_admin,
        last_sign_in_at: None,
        created_at: START,
    }
}

#[test]
fn owners_and_accounts_come_back_as_they_went_in() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let (ada, bob) = (person(&random), person(&random));
        owners::insert(conn, &ada).unwrap();
        owners::insert(conn, &bob).unwrap();
        assert_eq!(owners::find(conn, ada.id).unwrap().as_ref(), Some(&ada));
        let hers = account(&ada, "ada@example.com", true);
        accounts::insert(conn, &hers).unwrap();
        accounts::insert(conn, &account(&bob, "bob@example.com", false)).unwrap();
        assert_eq!(accounts::find_by_email(conn, "ada@example.com").unwrap().as_ref(), Some(&hers));
        assert_eq!(accounts::list(conn, "ada@example.com", 10).unwrap().len(), 1);
        let taken = accounts::update_email(conn, bob.id, "ada@example.com", START);
        assert!(matches!(taken, Err(StoreError::Conflict)), "{backend:?}: {taken:?}");
        assert!(!accounts::verify_email(conn, ada.id, "old@example.com", START).unwrap());
        assert!(accounts::verify_email(conn, ada.id, "ada@example.com", START).unwrap());
        assert!(!accounts::verify_email(conn, ada.id, "ada@example.com", START).unwrap());
        assert_eq!(accounts::count_admins(conn).unwrap(), 1);
        assert!(owners::suspend(conn, ada.id, START).unwrap());
        assert!(!owners::suspend(conn, ada.id, START).unwrap());
        assert_eq!(accounts::count_admins(conn).unwrap(), 0);
        assert!(owners::resume(conn, ada.id).unwrap());
        assert!(owners::delete(conn, ada.id, START).unwrap());
        assert_eq!(owners::find(conn, ada.id).unwrap(), None);
        assert!(!owners::lock(conn, ada.id).unwrap());
    }
}

#[test]
fn a_row_that_makes_no_sense_names_its_column() {
    let database = TestDatabase::sqlite();
    let conn = &mut database.url().connect(Role::Writer).unwrap();
    let ada = person(&SeededRandom::new(1));
    owners::insert(conn, &ada).unwrap();
    database.execute("UPDATE owners SET rate = 'fast'");
    let found = owners::find(conn, ada.id);
    assert!(matches!(found, Err(StoreError::Inconsistent { table: "owners", column: "rate" })), "{found:?}");
}

#[test]
fn guesses_are_counted_until_their_window_has_passed() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let window = Duration::minutes(10);
        let mut count = |at: Timestamp| attempts::record_failure(conn, "ada", at, window).unwrap().failures;
        assert_eq!([count(START), count(START), count(START + window)], [1, 2, 3], "{backend:?}");
        assert_eq!(count(START + window + window + Duration::micros(1)), 1, "{backend:?}");
        assert!(attempts::lock_until(conn, "ada", Some(START)).unwrap());
        assert_eq!(attempts::find(conn, "ada").unwrap().unwrap().locked_until, Some(START));
        assert!(attempts::clear(conn, "ada").unwrap());
        assert_eq!(attempts::find(conn, "ada").unwrap(), None);
    }
}

#[test]
fn a_mail_is_claimed_once_and_forgets_its_links() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let mail = OutgoingMail {
            id: EntityId::new(START, &SeededRandom::new(1)),
            recipient: "ada@example.com".into(),
            subject: "Verify your address".into(),
            body_text: "https://…".into(),
            body_html: "<a>".into(),
            created_at: START,
            attempts: 0,
            next_attempt_at: START,
            sent_at: None,
            failed_at: None,
        };
        outbox::insert(conn, &mail).unwrap();
        assert_eq!(outbox::due(conn, START - Duration::micros(1), 10).unwrap(), []);
        assert_eq!(outbox::due(conn, START, 10).unwrap(), std::slice::from_ref(&mail), "{backend:?}");
        let later = START + Duration::minutes(1);
        assert!(outbox::claim(conn, &mail, later).unwrap());
        assert!(!outbox::claim(conn, &mail, later).unwrap());
        assert!(outbox::sent(conn, mail.id, later).unwrap());
        assert_eq!(outbox::due(conn, later, 10).unwrap(), []);
        database.execute("UPDATE outbox SET sent_at = NULL");
        assert_eq!(outbox::due(conn, later, 10).unwrap()[0].body_text, "");
    }
}

#[test]
fn audit_rows_are_paged_without_gaps() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let owner = OwnerId::new(START, &random);
        let entries: Vec<AuditEntry> = (0..5)
            .map(|n| AuditEntry {
                id: AuditId::new(START, &random),
                // Two at the same moment.
                at: START + Duration::seconds(n / 2),
                actor: Actor::person(owner, "ada@example.com"),
                owner_id: Some(owner),
                action: "key.created".into(),
                target_kind: "api_key".into(),
                target_id: format!("{n}"),
                before: None,
                after: Some("{}".into()),
                address: Some("2001:db8::1".parse().unwrap()),
            })
            .collect();
        let mut tx = Tx::new(conn);
        entries.iter().for_each(|entry| tx.audit(entry).unwrap());
        let mut filter = AuditFilter { owner: Some(owner), ..AuditFilter::default() };
        let mut found = Vec::new();
        loop {
            let page = audit::list(conn, &filter, 2).unwrap();
            let Some(last) = page.last() else { break };
            filter.before = Some((last.at, last.id));
            found.extend(page);
        }
        let mut expected = entries.clone();
        expected.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
        assert_eq!(found, expected, "{backend:?}");
    }
}
