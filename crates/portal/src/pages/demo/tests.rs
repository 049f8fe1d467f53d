//! The demo provider as browsers that an app sent find it.

use keyway_core::oauth::{Client, ClientKind, GrantType};
use keyway_store::testing::Backend;

use super::*;
use crate::flows::accounts::NewAccount;
use crate::flows::clients::{self, NewClient, Profile, builtin_owner};
use crate::flows::inputs::Email;
use crate::testing::{Answer, Browser, TestPortal};

const CALLBACK: &str = "http://localhost:8080/connections/demo/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The provider with one account, and an app of `owner`.
async fn provider(backend: Backend, demo: bool, own_app: bool) -> (TestPortal, OwnerId, Client) {
    let it = TestPortal::new(backend, |settings| settings.demo = demo);
    let portal = it.portal.clone();
    let act = portal.act(Actor::system(), "127.0.0.1".parse().unwrap());
    let ada = OwnerId::new(act.now, &*act.random);
    let account = NewAccount {
        id: ada,
        email: Email::parse("ada@demo.example").unwrap(),
        name: "Ada".into(),
        password: None,
        verified: true,
        is_admin: false,
    };
    let profile = Profile {
        name: "Notebook".into(),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: "openid email offline_access".parse().unwrap(),
        redirect_uris: vec![CALLBACK.parse().unwrap()],
        ..Profile::default()
    };
    let client = it.portal.store.write(move |tx| -> Result<_, clients::ClientError> {
        clients::ensure_builtin(tx, &act, &portal.catalogue)?;
        accounts::create(tx, &act, &account).unwrap();
        let owner = if own_app { builtin_owner() } else { ada };
        let kind = ClientKind::Confidential;
        let new = NewClient { owner, kind, audience: None, registration: None, profile };
        clients::register(tx, &act, &portal.catalogue, &portal.shapes.brand, new)
    });
    let (client, _) = client.await.unwrap();
    (it, ada, client)
}

fn request(client: &Client) -> String {
    let id = client.id.to_string();
    crate::state::with_query(
        "/oauth/authorize",
        &[
            ("client_id", &id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email offline_access"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("max_age", "0"),
        ],
    )
}

/// Goes to the sign-in page that the request leads to, and chooses an account.
async fn choose(browser: &mut Browser<'_>, request: &str, account: OwnerId) -> Answer {
    let sign_in = browser.get(request).await.expect(303).location().to_owned();
    assert!(sign_in.starts_with("/sign-in?return_to="), "{sign_in}");
    let page = browser.get(&sign_in).await.expect(200);
    assert!(page.body.contains("Continue as Ada") && page.body.contains("ada@demo.example"), "{}", page.body);
    assert!(page.header("content-security-policy").contains("form-action 'self' http://localhost:8080"));
    let (_, return_to) = page.body.split_once("name=\"return_to\" value=\"").unwrap();
    let return_to = return_to.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#x2F;", "/");
    let fields = [("csrf", &*page.csrf()), ("account", &account.to_string()), ("return_to", &return_to)];
    browser.post_raw("/sign-in/demo", &fields).await
}

#[tokio::test]
async fn an_account_is_chosen_each_time_and_that_is_all() {
    for backend in Backend::ALL {
        let (it, ada, client) = provider(backend, true, true).await;
        let mut browser = Browser::new(&it);
        for _ in 0..2 {
            let back = choose(&mut browser, &request(&client), ada).await.expect(303).location().to_owned();
            let answer = browser.get(&back).await.expect(303);
            assert!(answer.location().starts_with(&format!("{CALLBACK}?code=")), "{}", answer.location());
            assert_eq!(browser.get("/keys").await.expect(303).location(), "/sign-in?return_to=%2Fkeys");
        }
    }
}

#[tokio::test]
async fn who_looks_around_at_the_provider_itself_chooses_again_for_an_app() {
    let (it, ada, client) = provider(Backend::Sqlite, true, true).await;
    let mut browser = Browser::new(&it);
    browser.submit("/sign-in", "/sign-in/demo", &[("account", &ada.to_string())]).await.expect(303);
    browser.get("/keys").await.expect(200);
    it.clock.advance(keyway_core::Duration::seconds(1));
    let fresh = browser.get(&request(&client)).await.expect(303).location().to_owned();
    assert!(fresh.starts_with("/fresh?return_to="), "{fresh}");
    let sign_in = browser.get(&fresh).await.expect(303).location().to_owned();
    assert!(browser.get(&sign_in).await.expect(200).body.contains("Continue as Ada"));
}

#[tokio::test]
async fn apps_of_others_ask_for_consent() {
    let (it, ada, client) = provider(Backend::Sqlite, true, false).await;
    let mut browser = Browser::new(&it);
    let back = choose(&mut browser, &request(&client), ada).await.expect(303).location().to_owned();
    assert!(browser.get(&back).await.expect(200).body.contains("/oauth/consent"));
}

#[tokio::test]
async fn elsewhere_nobody_chooses_an_account() {
    let (it, ada, _) = provider(Backend::Sqlite, false, true).await;
    let mut browser = Browser::new(&it);
    let fields = [("account", &*ada.to_string())];
    browser.submit("/sign-in", "/sign-in/demo", &fields).await.expect(404);
    assert!(!browser.get("/sign-in").await.expect(200).body.contains("Continue as"));
}

#[tokio::test]
async fn an_account_with_a_password_or_none_at_all_is_not_to_be_chosen() {
    let (it, _, _) = provider(Backend::Sqlite, true, true).await;
    let mut browser = Browser::new(&it);
    browser.sign_up("grace@demo.example").await.expect(303);
    browser.submit("/", "/sign-out", &[]).await.expect(303);
    let grace = it
        .portal
        .store
        .read(|conn| -> Result<_, StoreError> { rows::find_by_email(conn, "grace@demo.example") });
    let grace = grace.await.unwrap().unwrap().owner_id;
    for account in [grace.to_string(), builtin_owner().to_string()] {
        browser.submit("/sign-in", "/sign-in/demo", &[("account", &account)]).await.expect(404);
    }
}
