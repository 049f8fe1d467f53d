//! What `keyway dev --demo-data` fills in.

use std::collections::BTreeSet;

use keyway_cli::demo_data;
use keyway_core::Clock as _;
use keyway_core::api_key::KeyStatus;
use keyway_portal::passwords::PasswordCost;
use keyway_store::StoreError;
use keyway_store::tables::api_keys::{self, KeyFilter};
use keyway_store::tables::request_log::{self, RequestFilter};
use keyway_store::tables::{accounts, families};

use crate::harness::app::{Backend, TestApp};
use crate::harness::browser::Browser;

#[tokio::test]
async fn demo_data_has_every_state_is_made_once_and_its_people_sign_in() {
    for backend in Backend::ALL {
        let app = TestApp::start(backend).await;
        let password = demo_data::fill(&app.house, PasswordCost::TESTING).await.unwrap();
        let first = counts(&app).await;
        let again = demo_data::fill(&app.house, PasswordCost::TESTING).await.unwrap();
        assert_eq!((counts(&app).await, again.expose()), (first.clone(), password.expose()), "{backend:?}");

        let (keys, pairs, requests) = first;
        assert_eq!(keys.len(), 7, "a key in each state: {keys:?}");
        assert!(pairs >= 5 && requests >= 1_000, "{pairs} pairs, {requests} requests");

        let browser = app.browser();
        let page = browser.get("/sign-in").await.expect(200);
        let form = Browser::form(&page, "/sign-in")
            .set("email", demo_data::ADDRESSES[0])
            .set("password", password.expose());
        browser.submit(&form).await.expect(200);
        for (path, text) in [
            ("/keys", "Billing server"),
            ("/tokens", "Terminal at my desk"),
            ("/apps", "Pocket Notes"),
            ("/authorized", "Insight Boards"),
            ("/requests?outcome=refused", "Refused: scope"),
        ] {
            let page = browser.get(path).await.expect(200);
            assert!(page.body.contains(text), "{backend:?} {path}");
        }
        app.stop().await;
    }
}

/// The states of Ada's keys, how many of her JWT pairs there are, and how many single requests of everybody's.
async fn counts(app: &TestApp) -> (BTreeSet<String>, usize, usize) {
    let now = app.clock.now();
    let read = app.house.store.read(move |conn| {
        let ada = accounts::find_by_email(conn, demo_data::ADDRESSES[0])?.unwrap().owner_id;
        let own = KeyFilter { owner: Some(ada), with_revoked: true, ..KeyFilter::default() };
        let keys = api_keys::list(conn, &own, now, 100)?;
        let mut states: BTreeSet<String> = keys.iter().map(|key| format!("{:?}", key.status(now))).collect();
        if keys.iter().any(|key| key.status(now) == KeyStatus::Active && key.last_used_at.is_none()) {
            states.insert("never used".to_owned());
        }
        let pairs = families::list_by_owner(conn, ada, None, 100)?.len();
        let requests = request_log::list(conn, &RequestFilter::default(), 20_000)?.len();
        Ok::<_, StoreError>((states, pairs, requests))
    });
    read.await.unwrap()
}
