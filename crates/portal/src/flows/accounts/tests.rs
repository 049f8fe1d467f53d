mod told;

use std::sync::Arc;

use keyway_core::credential::{Brand, Shapes};
use keyway_core::ids::{OwnerId, SessionId};
use keyway_core::random::SeededRandom;
use keyway_core::secret::SecretDigest;
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::tables::accounts::{self as rows, StoredPassword};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::mail_links::LinkPurpose;
use keyway_store::tables::{mail_links, outbox, owners};
use keyway_store::testing::{Backend, START, TestDatabase};
use keyway_store::{Store, StoreError};

use super::*;
use crate::flows::inputs::Email;
use crate::flows::links::{self, LinkError, NewLink};
use crate::flows::{Act, bootstrap};
use crate::render::Mail;
use crate::testing::silent;

struct Home {
    _database: TestDatabase,
    store: Store,
    random: Arc<SeededRandom>,
}

fn homes() -> Vec<Home> {
    Backend::ALL
        .into_iter()
        .map(|backend| {
            let database = TestDatabase::new(backend);
            let (store, _clock) = database.store_at_start();
            Home { _database: database, store, random: Arc::new(SeededRandom::new(1)) }
        })
        .collect()
}

fn email() -> Email {
    Email::parse("ada@example.com").unwrap()
}

fn letter(subject: &str) -> Mail {
    Mail { subject: subject.into(), text: "text".into(), html: "html".into() }
}

impl Home {
    fn act(&self, now: Timestamp) -> Act {
        let random: Arc<dyn Random> = self.random.clone();
        Act { now, random, actor: Actor::system(), address: None }
    }
    fn new_account(&self, is_admin: bool, verified: bool) -> NewAccount {
        NewAccount {
            id: OwnerId::new(START, &*self.random),
            email: email(),
            name: "Ada".into(),
            password: Some(StoredPassword::new("old".into())),
            verified,
            is_admin,
        }
    }
    fn link(&self, purpose: LinkPurpose, owner: OwnerId, session: Option<SessionId>) -> NewLink {
        let brand = Brand::default();
        NewLink::to_account(purpose, owner, email().as_str(), session, START, &*self.random, &brand)
    }
    async fn sign_up(&self, session: Option<SessionId>) -> (OwnerId, Option<SecretDigest>) {
        let (act, new) = (self.act(START), self.new_account(false, false));
        let (id, link) = (new.id, self.link(LinkPurpose::Verify, new.id, session));
        let digest = links::digest(&Shapes::default(), link.token.expose());
        self.store
            .write(move |tx| sign_up_to_verify(tx, &act, &new, &link, &letter("verify"), &letter("already")))
            .await
            .unwrap();
        (id, digest)
    }
    async fn verify(
        &self,
        digest: Option<SecretDigest>,
        here: SessionId,
    ) -> Result<VerifiedAccount, LinkError> {
        let act = self.act(START);
        self.store.write(move |tx| verify(tx, &act, digest, here, None)).await
    }
    async fn account(&self, owner: OwnerId) -> Option<rows::Account> {
        self.store.read(move |conn| rows::find(conn, owner)).await.unwrap()
    }
    async fn subjects(&self) -> Vec<String> {
        let mails = self.store.read(|conn| outbox::due(conn, START, 10)).await.unwrap();
        mails.into_iter().map(|mail| mail.subject).collect()
    }
}

#[tokio::test]
async fn an_address_has_one_account() {
    for home in homes() {
        let (act, new) = (home.act(START), home.new_account(false, true));
        home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        let (act, new) = (home.act(START), home.new_account(false, true));
        let second = home.store.write(move |tx| create(tx, &act, &new)).await;
        assert!(matches!(second, Err(CreateError::Taken)));
    }
}

#[tokio::test]
async fn a_known_address_gets_another_mail_and_the_same_answer() {
    for home in homes() {
        let session = SessionId::new(START, &*home.random);
        let (owner, digest) = home.sign_up(Some(session)).await;
        home.verify(digest, session).await.unwrap();
        home.sign_up(None).await;
        assert_eq!(home.subjects().await, ["verify", "already"]);
        assert!(home.account(owner).await.unwrap().password.is_some());
    }
}

#[tokio::test]
async fn an_unverified_account_does_not_block_its_address() {
    for home in homes() {
        let (first, old_link) = home.sign_up(None).await;
        let session = SessionId::new(START, &*home.random);
        let (second, link) = home.sign_up(Some(session)).await;
        assert!(home.account(first).await.is_none());
        assert!(matches!(home.verify(old_link, session).await, Err(LinkError::Gone)));
        let verified = home.verify(link, session).await.unwrap();
        assert_eq!(verified, VerifiedAccount { owner: second, elsewhere: false });
        assert!(matches!(home.verify(link, session).await, Err(LinkError::Gone)), "a link works once");
    }
}

#[tokio::test]
async fn verifying_in_another_browser_ends_what_was_made_before() {
    for home in homes() {
        let (owner, digest) = home.sign_up(Some(SessionId::new(START, &*home.random))).await;
        let head = home.store.head();
        let verified = home.verify(digest, SessionId::new(START, &*home.random)).await.unwrap();
        assert!(verified.elsewhere);
        assert!(home.account(owner).await.unwrap().password.is_none());
        assert!(home.store.head() > head, "the guards are told");
    }
}

#[tokio::test]
async fn a_reset_works_once_and_within_an_hour() {
    for home in homes() {
        let (act, new) = (home.act(START), home.new_account(false, true));
        let owner = new.id;
        home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        let reset = async |at: Timestamp, link: &NewLink| {
            let digest = links::digest(&Shapes::default(), link.token.expose());
            let act = home.act(at);
            let password = StoredPassword::new("new".into());
            home.store
                .write(move |tx| reset_password(tx, &act, digest, &password, Also::default(), &silent()))
                .await
        };
        let (late, link) =
            (home.link(LinkPurpose::Reset, owner, None), home.link(LinkPurpose::Reset, owner, None));
        let kept = [late.row.clone(), link.row.clone()];
        home.store
            .write(move |tx| -> Result<(), StoreError> {
                kept.iter().try_for_each(|row| mail_links::insert(tx.conn(), row))
            })
            .await
            .unwrap();
        assert!(matches!(reset(START + Duration::hours(1), &late).await, Err(LinkError::Gone)));
        assert_eq!(reset(START, &link).await.unwrap(), owner);
        assert!(matches!(reset(START, &link).await, Err(LinkError::Gone)));
        assert!(
            matches!(reset(START, &late).await, Err(LinkError::Gone)),
            "a reset withdraws the other links"
        );
        assert_eq!(home.account(owner).await.unwrap().password, Some(StoredPassword::new("new".into())));
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_be_suspended() {
    for home in homes() {
        let (act, new) = (home.act(START), home.new_account(true, true));
        let owner = new.id;
        home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        let act = home.act(START);
        let refused = home.store.write(move |tx| suspend(tx, &act, owner)).await;
        assert!(matches!(refused, Err(SuspendError::LastAdministrator)));
        let found = home.store.read(move |conn| owners::find(conn, owner)).await.unwrap();
        assert_eq!(found.unwrap().suspended_at, None);
    }
}

#[tokio::test]
async fn two_administrators_cannot_suspend_each_other_at_once() {
    for home in homes() {
        let mut ids = Vec::new();
        for address in ["ada@example.com", "bob@example.com"] {
            let act = home.act(START);
            let new = NewAccount { email: Email::parse(address).unwrap(), ..home.new_account(true, true) };
            ids.push(new.id);
            home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        }
        let (a, b) = (ids[0], ids[1]);
        let (first, second) = (home.act(START), home.act(START));
        let (first, second) = tokio::join!(
            home.store.write(move |tx| suspend(tx, &first, a)),
            home.store.write(move |tx| suspend(tx, &second, b)),
        );
        assert!(first.is_ok() != second.is_ok(), "exactly one is suspended");
    }
}

#[tokio::test]
async fn suspending_and_resuming_tell_the_guards() {
    for home in homes() {
        let (act, new) = (home.act(START), home.new_account(false, true));
        let owner = new.id;
        home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        for expected in 1..=2 {
            let act = home.act(START);
            let done = home.store.write(move |tx| match expected {
                1 => suspend(tx, &act, owner),
                _ => resume(tx, &act, owner),
            });
            done.await.unwrap();
            assert_eq!(home.store.head().0, expected);
        }
    }
}

#[tokio::test]
async fn there_is_one_first_administrator() {
    for home in homes() {
        let (act, new) = (home.act(START), home.new_account(false, true));
        let owner = new.id;
        home.store.write(move |tx| create(tx, &act, &new)).await.unwrap();
        let issue = async || {
            let random = Arc::clone(&home.random);
            let issued =
                home.store.write(move |tx| bootstrap::issue(tx, START, &*random, &Brand::default())).await;
            issued.unwrap().map(|token| links::digest(&Shapes::default(), token.expose()))
        };
        let (replaced, link) = (issue().await.unwrap(), issue().await.unwrap());
        let take = async |digest| {
            let act = home.act(START);
            home.store.write(move |tx| bootstrap::become_administrator(tx, &act, digest, owner)).await
        };
        assert!(matches!(take(replaced).await, Err(LinkError::Gone)));
        take(link).await.unwrap();
        assert!(home.account(owner).await.unwrap().is_admin);
        assert!(matches!(take(link).await, Err(LinkError::Gone)));
        assert!(issue().await.is_none(), "there is no second link");
    }
}
