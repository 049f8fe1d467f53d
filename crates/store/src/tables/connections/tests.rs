use keyway_core::Random;
use keyway_core::ids::EntityId;
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::random::SeededRandom;

use super::*;
use crate::conn::Role;
use crate::tables::owners;
use crate::testing::{Backend, START, TestDatabase};

pub(super) fn connection(owner: OwnerId, subject: &str, random: &dyn Random) -> Connection {
    Connection {
        id: ConnectionId::new(START, random),
        owner,
        provider: "there".into(),
        issuer: "https://there.example".into(),
        subject: subject.into(),
        account: "ada".into(),
        demo: false,
        scopes: vec!["openid".into(), "email".into()],
        connected_at: START,
        last_sign_in_at: None,
        tokens: Some(SealedTokens { sealed: vec![1], expires_at: Some(START), refreshable: true }),
        refreshed_at: None,
        broken_at: None,
    }
}

pub(super) fn owner(conn: &mut Conn, random: &dyn Random) -> OwnerId {
    let id = EntityId::new(START, random).to_string().parse().unwrap();
    let (kind, name) = (OwnerKind::Person, "Ada".to_owned());
    owners::insert(conn, &Owner { id, kind, name, suspended_at: None, rate: None, created_at: START })
        .unwrap();
    id
}

#[test]
fn an_identity_is_connected_once_and_a_person_once_at_a_provider() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let (ada, grace) = (owner(conn, &random), owner(conn, &random));
        let first = connection(ada, "1", &random);
        insert(conn, &first).unwrap();
        assert_eq!(find(conn, first.id).unwrap(), Some(first.clone()), "{backend:?}");
        for other in [connection(grace, "1", &random), connection(ada, "2", &random)] {
            assert!(matches!(insert(conn, &other), Err(StoreError::Conflict)), "{backend:?}");
        }
        insert(conn, &connection(grace, "2", &random)).unwrap();
    }
}

#[test]
fn identities_of_the_demo_provider_count_only_where_it_is_asked_for() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let ada = owner(conn, &random);
        let demo = Connection { demo: true, ..connection(ada, "1", &random) };
        insert(conn, &demo).unwrap();
        let (issuer, subject) = (&demo.issuer, &demo.subject);
        for (asked, found) in [(DemoIdentities::Counted, true), (DemoIdentities::Ignored, false)] {
            let one = find_by_identity(conn, issuer, subject, asked).unwrap();
            let all = of_owner(conn, ada, asked).unwrap();
            assert_eq!((one.is_some(), all.len() == 1), (found, found), "{backend:?} {asked:?}");
        }
        assert_eq!(count_demo(conn).unwrap(), 1);
    }
}

#[test]
fn tokens_are_forgotten_by_provider_and_the_connections_stay() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let conn = &mut database.url().connect(Role::Writer).unwrap();
        let random = SeededRandom::new(1);
        let it = connection(owner(conn, &random), "1", &random);
        insert(conn, &it).unwrap();
        assert_eq!(forget_tokens(conn, &["elsewhere".into()]).unwrap(), 0, "{backend:?}");
        assert_eq!(forget_tokens(conn, &["elsewhere".into(), "there".into()]).unwrap(), 1, "{backend:?}");
        assert_eq!(forget_tokens(conn, &["there".into()]).unwrap(), 0, "{backend:?}");
        assert_eq!(find(conn, it.id).unwrap(), Some(Connection { tokens: None, ..it }), "{backend:?}");
    }
}
