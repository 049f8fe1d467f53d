//! The pages of API keys, as a browser meets them.

use keyway_core::Duration;
use keyway_store::testing::Backend;

use crate::settings::VerifyEmail;
use crate::testing::{Answer, Browser, TestPortal};

const READ: (&str, &str) = ("scope", "notes:read");
const FORM: [(&str, &str); 3] = [("name", "Billing"), ("environment", "live"), ("expiry", "90")];

/// The value of the input of this name.
#[track_caller]
fn field<'a>(page: &'a Answer, name: &str) -> &'a str {
    let marked = format!("name=\"{name}\"");
    let input = page.body.split("<input").find(|input| input.contains(&marked)).expect("a field");
    let (_, rest) = input.split_once("value=\"").expect("a value");
    rest.split_once('"').unwrap().0
}

fn secret(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("id=\"secret\">").expect("a secret");
    rest.split_once('<').unwrap().0.to_owned()
}

async fn signed_up(portal: &TestPortal) -> Browser<'_> {
    let mut browser = Browser::new(portal);
    browser.sign_up("ada@example.com").await.expect(303);
    browser
}

/// Creates a key and gives its address.
async fn create(browser: &mut Browser<'_>, extra: &[(&str, &str)]) -> String {
    let fields = [&FORM, extra].concat();
    let answer = browser.submit("/keys/new", "/keys", &fields).await.expect(303);
    answer.location().strip_suffix("/shown").expect("a key's page").to_owned()
}

#[actix_web::test]
async fn the_first_key_takes_one_press() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = signed_up(&portal).await;
        browser.get("/keys").await.expect(200);
        let form = browser.get("/keys/new").await.expect(200);
        assert_eq!(field(&form, "name"), "My first key");
        assert!(form.body.contains("value=\"notes:read\" data-access=\"read\""), "{}", form.body);
        let ticked = form.body.matches("type=\"checkbox\" name=\"scope\"").count();
        assert!(ticked > 1);
        // What the browser sends if nothing is changed.
        let fields = [
            ("csrf", form.csrf()),
            ("once", field(&form, "once").to_owned()),
            ("name", "My first key".to_owned()),
            ("environment", "live".to_owned()),
            ("scope", "notes:read".to_owned()),
            ("expiry", "90".to_owned()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let first = browser.post_raw("/keys", &fields).await.expect(303);
        let again = browser.post_raw("/keys", &fields).await.expect(303);
        assert_eq!(first.location(), again.location(), "a double submit makes one key");

        let shown = browser.get(first.location()).await.expect(200);
        let secret = secret(&shown);
        assert!(secret.starts_with("keyway_live_"));
        assert!(shown.body.contains("http://localhost:8081/v1/whoami"));
        assert!(
            shown.header("content-security-policy").contains("connect-src 'self' http://localhost:8081;")
        );
        assert_eq!(shown.header("cache-control"), "no-store");
        let reloaded = browser.get(first.location()).await.expect(200);
        assert!(!reloaded.body.contains(&secret));
        assert!(browser.get("/keys").await.expect(200).body.contains("My first key"));
    }
}

#[actix_web::test]
async fn bad_input_is_named_beside_its_field_and_kept() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = signed_up(&portal).await;
    let long = "x".repeat(501);
    let cases: [(&str, &str); 9] = [
        ("name", ""),
        ("name", "a\u{7}b"),
        ("environment", "prod"),
        ("scope", "notes:fly"),
        ("scope", ""),
        ("expiry", "forever"),
        ("rate", "many"),
        ("addresses", "10.0.0.0/33"),
        ("note", &long),
    ];
    for (name, value) in cases {
        let mut fields: Vec<(&str, &str)> = [&FORM[..], &[READ]].concat();
        fields.retain(|(other, _)| *other != name);
        fields.push((name, value));
        let again = browser.submit("/keys/new", "/keys", &fields).await.expect(422);
        assert!(again.body.contains("Nothing was saved."), "{name}={value}");
        if name != "name" {
            assert_eq!(field(&again, "name"), "Billing");
        }
    }
    let past = [&FORM[..2], &[READ, ("expiry", "custom"), ("expires_on", "2020-01-01")]].concat();
    browser.submit("/keys/new", "/keys", &past).await.expect(422);
    assert!(browser.get("/keys").await.expect(200).body.contains("You have no API keys yet"));
    for path in ["/keys/nothing", "/keys/0193a0c0-0000-7000-8000-000000000000"] {
        browser.get(path).await.expect(404);
        browser.get(&format!("{path}/shown")).await.expect(404);
        browser.get(&format!("{path}/revoke")).await.expect(404);
        browser.submit("/keys/new", &format!("{path}/rotate"), &[("grace", "1h")]).await.expect(404);
        browser.submit("/keys/new", &format!("{path}/revoke"), &[]).await.expect(404);
    }
    browser.get("/keys?environment=%00&status=x&before=y&q=%25").await.expect(200);
}

#[actix_web::test]
async fn a_key_is_edited_disabled_rotated_and_revoked() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut browser = signed_up(&portal).await;
        let key = create(&mut browser, &[READ, ("addresses", "192.0.2.0/24\n2001:db8::/32")]).await;
        let detail = browser.get(&key).await.expect(200);
        assert!(detail.body.contains("Billing") && detail.body.contains("Read your notes"));

        let edit = format!("{key}/edit");
        let form = browser.get(&edit).await.expect(200);
        let version = field(&form, "version").to_owned();
        let change = [("name", "Invoices"), READ, ("expiry", "keep"), ("version", &version)];
        assert_eq!(browser.submit(&edit, &edit, &change).await.expect(303).location(), key);
        // The same version again is another's change by now.
        browser.submit(&edit, &edit, &change).await.expect(422);
        assert!(browser.get(&key).await.expect(200).body.contains("Invoices"));

        browser.submit(&key, &format!("{key}/disable"), &[]).await.expect(303);
        let refused = browser.submit(&key, &format!("{key}/rotate"), &[("grace", "1h")]).await;
        refused.expect(422);
        browser.submit(&key, &format!("{key}/enable"), &[]).await.expect(303);
        browser.submit(&key, &format!("{key}/rotate"), &[("grace", "soon")]).await.expect(422);

        let rotate = browser.submit(&key, &format!("{key}/rotate"), &[("grace", "1h")]).await.expect(303);
        let new = rotate.location().strip_suffix("/shown").unwrap().to_owned();
        assert!(secret(&browser.get(rotate.location()).await.expect(200)).starts_with("keyway_live_"));
        assert!(browser.get(&new).await.expect(200).body.contains("Two secrets work at present"));
        browser.get(&key).await.expect(200);
        browser.submit(&new, &format!("{new}/grace/extend"), &[("grace", "6h")]).await.expect(303);
        browser.submit(&new, &format!("{new}/grace/finish"), &[]).await.expect(303);
        browser.submit(&new, &format!("{new}/grace/finish"), &[]).await.expect(422);

        let confirm = format!("{new}/revoke");
        assert!(browser.get(&confirm).await.expect(200).body.contains("Revoke “Invoices”?"));
        assert_eq!(browser.submit(&confirm, &confirm, &[]).await.expect(303).location(), "/keys");
        browser.get("/keys").await.expect(200);
        let list = browser.get("/keys?revoked=yes").await.expect(200);
        assert_eq!(list.body.matches("<strong>Invoices</strong>").count(), 2);
        browser.get(&edit).await.expect(404);
        let settings = format!("href=\"{new}/settings\"");
        assert!(
            !browser.get(&new).await.expect(200).body.contains(&settings),
            "nothing leads where nothing is"
        );
        browser.get(&format!("{new}/settings")).await.expect(404);
    }
}

#[actix_web::test]
async fn a_stale_sign_in_is_mended_before_a_key_that_writes_and_what_was_typed_is_kept() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut browser = signed_up(&portal).await;
    portal.clock.advance(Duration::minutes(11));
    create(&mut browser, &[READ]).await;
    let fields =
        [&FORM[..], &[("scope", "notes:read"), ("scope", "notes:write"), ("note", "a & b")]].concat();
    let to = browser.submit("/keys/new", "/keys", &fields).await.expect(303).location().to_owned();
    let (_, query) = to.split_once("/fresh?").expect("the page that asks who one is");
    let (_, back) = url::form_urlencoded::parse(query.as_bytes()).next().unwrap();
    let form = browser.get(&back).await.expect(200);
    assert_eq!(field(&form, "name"), "Billing");
    assert!(form.body.contains("a &amp; b"));
    assert_eq!(form.body.matches("\" checked><span>").count(), 2, "{}", form.body);
}

#[actix_web::test]
async fn other_peoples_keys_are_not_there() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut ada = signed_up(&portal).await;
    let key = create(&mut ada, &[READ]).await;
    let mut eve = Browser::new(&portal);
    eve.sign_up("eve@example.com").await.expect(303);
    for path in [key.clone(), format!("{key}/edit"), format!("{key}/shown"), format!("{key}/revoke")] {
        eve.get(&path).await.expect(404);
    }
    for action in ["edit", "rotate", "disable", "enable", "grace/extend", "grace/finish", "revoke"] {
        let fields = [&FORM[..], &[READ, ("grace", "1h")]].concat();
        eve.submit("/keys/new", &format!("{key}/{action}"), &fields).await.expect(404);
    }
    // Nor did her trying use the secret up.
    assert!(secret(&ada.get(&format!("{key}/shown")).await.expect(200)).starts_with("keyway_live_"));
}

#[actix_web::test]
async fn live_keys_wait_for_the_verified_address() {
    let portal =
        TestPortal::new(Backend::Sqlite, |settings| settings.verify_email = VerifyEmail::BeforeLiveKey);
    let mut browser = Browser::new(&portal);
    // Signing up says the same to everybody; the account is there all the same.
    browser.sign_up("ada@example.com").await;
    browser.sign_in("ada@example.com", "correct horse 42").await.expect(303);
    let fields = [&FORM[..], &[READ]].concat();
    browser.submit("/keys/new", "/keys", &fields).await.expect(422);
    let test = [("name", "Test"), ("environment", "test"), ("expiry", "90"), READ];
    browser.submit("/keys/new", "/keys", &test).await.expect(303);
}
