//! The pages of apps, as a browser meets them.

use keyway_store::testing::Backend;

use crate::testing::{Answer, Browser, TestPortal};

const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const FORM: [(&str, &str); 9] = [
    ("name", "Notebook"),
    ("kind", "confidential"),
    ("redirect_uris", "https://app.example.com/callback"),
    ("grant", "authorization_code"),
    ("grant", "refresh_token"),
    ("scope", "notes:read"),
    ("token_format", "jwt"),
    ("id_token_algorithm", "ES256"),
    ("website", "https://app.example.com"),
];

async fn signed_up(portal: &TestPortal) -> Browser<'_> {
    let mut browser = Browser::new(portal);
    browser.sign_up("ada@example.com").await.expect(303);
    browser
}

async fn register(browser: &mut Browser<'_>, extra: &[(&str, &str)]) -> Answer {
    let page = browser.get("/apps/new").await.expect(200);
    let once = once(&page);
    let fields = [&FORM, extra, &[("once", once.as_str())]].concat();
    browser.submit("/apps/new", "/apps", &fields).await
}

#[track_caller]
fn once(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"once\" value=\"").expect("a form");
    rest.split_once('"').unwrap().0.to_owned()
}

#[actix_web::test]
async fn an_app_with_a_key_of_its_own_is_registered_and_changed() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = signed_up(&portal).await;
        let key = [("auth_method", "private_key_jwt"), ("dpop_bound", "yes")];
        let missing = register(&mut browser, &key).await.expect(422);
        assert!(missing.body.contains("id=\"jwks-error\""), "{}", missing.body);
        let private = KEYS.replace("\"kid\"", "\"d\":\"AA\",\"kid\"");
        let refused = register(&mut browser, &[&key[..], &[("jwks", private.as_str())]].concat()).await;
        assert!(refused.expect(422).body.contains("holds a private key"));
        let made = register(&mut browser, &[&key[..], &[("jwks", KEYS)]].concat()).await.expect(303);
        let app = made.location().to_owned();
        let page = browser.get(&app).await.expect(200);
        for shown in ["private_key_jwt", "1 public key", "bound to a key", "ES256", "https://app.example.com"]
        {
            assert!(page.body.contains(shown), "{backend:?}: {shown}: {}", page.body);
        }
        assert!(!page.body.contains("Client secrets"));
        let edit = format!("{app}/edit");
        let changed: Vec<(&str, &str)> = FORM.into_iter().filter(|(name, _)| *name != "website").collect();
        let basic = [
            ("auth_method", "client_secret_basic"),
            ("post_logout_redirect_uris", "https://app.example.com/bye"),
        ];
        browser.submit(&edit, &edit, &[&changed[..], &basic].concat()).await.expect(303);
        let page = browser.get(&app).await.expect(200);
        assert!(
            page.body.contains("client_secret_basic") && page.body.contains("https://app.example.com/bye")
        );
        assert!(page.body.contains("This app has no secret") && !page.body.contains("bound to a key"));
    }
}

#[actix_web::test]
async fn a_secret_may_end_once_another_follows_it() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = signed_up(&portal).await;
    let made = register(&mut browser, &[("auth_method", "client_secret_basic")]).await.expect(303);
    let app = made.location().strip_suffix("/secrets/shown").expect("a secret").to_owned();
    let page = browser.get(&app).await.expect(200);
    assert!(page.body.contains("When revoked"));
    let (once, secrets) = (once(&page), format!("{app}/secrets"));
    let wrong = [("once", once.as_str()), ("overlap", "9y")];
    browser.submit(&app, &secrets, &wrong).await.expect(400);
    let right = [("once", once.as_str()), ("overlap", "24h")];
    browser.submit(&app, &secrets, &right).await.expect(303);
    let page = browser.get(&app).await.expect(200);
    assert_eq!((page.body.matches("In grace").count(), page.body.matches("When revoked").count()), (1, 1));
}

#[actix_web::test]
async fn an_authorization_url_is_built_and_its_dry_run_is_the_consent_page_with_dead_buttons() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = signed_up(&portal).await;
        let extra = [("auth_method", "client_secret_basic"), ("scope", "notes:write")];
        let made = register(&mut browser, &extra).await.expect(303);
        let app = made.location().strip_suffix("/secrets/shown").expect("a secret").to_owned();
        let page = browser.get(&format!("{app}?scope=notes%3Awrite&state=%3Cb%3E")).await.expect(200).body;
        assert!(
            page.contains("scope=notes%3Awrite&amp;state=%3Cb%3E&amp;code_challenge=CODE_CHALLENGE"),
            "{page}"
        );
        assert!(!page.contains("<b>"));

        let uri = "redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback";
        let dry = browser.get(&format!("{app}/dry-run?{uri}&scope=notes%3Awrite")).await.expect(200);
        for shown in ["Authorize Notebook?", "Write your notes", "app.example.com", "Its buttons do nothing"]
        {
            assert!(dry.body.contains(shown), "{backend:?} {shown}: {}", dry.body);
        }
        assert!(!dry.body.contains("<form") && dry.body.matches("disabled").count() == 2, "{}", dry.body);
        assert!(!dry.body.contains("Read your notes"));
        browser.get(&format!("{app}/dry-run?redirect_uri=https%3A%2F%2Fevil.example")).await.expect(400);
        let consents = browser.get("/authorized").await.expect(200).body;
        assert!(!consents.contains("Notebook"), "{consents}");
        let mut other = Browser::new(&portal);
        other.sign_up("bob@example.com").await.expect(303);
        other.get(&format!("{app}/dry-run?{uri}&scope=notes%3Awrite")).await.expect(404);
    }
}
