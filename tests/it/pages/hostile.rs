//! What people type is shown as they typed it and does nothing: on every page, in every mail, in every file.

use std::collections::{BTreeSet, VecDeque};

use keyway_core::oauth::ClientKind;
use keyway_core::text::misleads;
use keyway_portal::mail::{Mailer, deliver_due, list_folder};
use keyway_store::tables::outbox::{self, OutgoingMail};

use crate::harness::actors::{Actor, OauthClient};
use crate::harness::app::{Backend, PASSWORD, TestApp};
use crate::harness::browser::Browser;
use crate::harness::html::{Form, forms, unescape};
use crate::harness::reply::Reply;

/// What may be kept, and must be shown harmless. All fit into the shortest field that people name things by.
const KEPT: [&str; 6] = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror=pwned()>",
    "{{7191*7}}{% raw %}${7191*7}",
    "=HYPERLINK(\"http://evil.example\")",
    "+cmd|' /C calc'!A0",
    "javascript:pwned()//' onclick=pwned()",
];
/// What no name may hold: it would change how its neighbours are read.
const REFUSED: [&str; 5] = ["a\0b", "a\r\nBcc: eve@evil.example", "a\nb", "ab\u{202e}gpj.exe", "a\u{2028}b"];
/// A browser that calls itself so; headers hold no more.
const AGENT: &str = "\"><script>window.pwned=1</script>=cmd|' /C calc'!A0{{7191*7}}";

/// Whether a page or the HTML of a mail does nothing but show.
#[track_caller]
fn harmless(what: &str, html: &str) {
    let low = html.to_lowercase();
    for live in [
        "<script>window",
        "<img src=x",
        "50337",
        "href=\"javascript:",
        "action=\"javascript:",
        "src=\"javascript:",
    ] {
        assert!(!low.contains(live), "{what}: {live}: {}", around(&low, live));
    }
    // Whatever is inside a tag stays inside its quotes.
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let outside: String = tag.split('"').step_by(2).collect();
        assert!(!outside.contains("onclick") && !outside.contains("onerror"), "{what}: <{tag}>");
    }
}

/// The same, with nothing in it that changes how its neighbours are read.
#[track_caller]
fn plain(what: &str, html: &str) {
    harmless(what, html);
    let strange = html.chars().find(|c| *c != '\n' && misleads(*c));
    assert_eq!(strange, None, "{what}");
}

fn around(text: &str, word: &str) -> String {
    let at = text.find(word).unwrap_or_default();
    text.chars().skip(text[..at].chars().count().saturating_sub(120)).take(300).collect()
}

/// No cell of a file begins as a formula does.
#[track_caller]
fn is_no_formula(what: &str, file: &str) {
    assert!(file.lines().count() > 1, "{what} is empty");
    for line in file.lines() {
        for start in ["=", "+", "-", "@", "\t"] {
            let begins = line.starts_with(&format!("\"{start}")) || line.contains(&format!(",\"{start}"));
            assert!(!begins, "{what}: {line}");
        }
    }
}

/// Every page that links lead to, from the overview on; how many there were.
async fn crawl(browser: &Browser) -> BTreeSet<String> {
    let mut waiting: VecDeque<String> = ["/".to_owned()].into();
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        let base = path.split('?').next().unwrap_or_default().to_owned();
        let variants = seen.iter().filter(|known: &&String| known.split('?').next() == Some(&base)).count();
        if path.starts_with("/static/") || variants > 3 || !seen.insert(path.clone()) {
            continue;
        }
        let page = browser.get_only(&path).await;
        assert!(page.status.as_u16() < 500, "{path}: {}", page.body);
        if page.status.is_redirection() {
            waiting.push_back(page.location());
            continue;
        }
        if page.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")) {
            is_no_formula(&path, &page.body);
            continue;
        }
        plain(&path, &page.body);
        for link in page.body.split("href=\"").skip(1) {
            let link = unescape(link.split('"').next().unwrap_or_default());
            let link = link.split('#').next().unwrap_or_default().to_owned();
            if link.starts_with('/') && !link.starts_with("//") {
                waiting.push_back(link);
            }
        }
    }
    seen
}

/// Puts every hostile text into every field of the forms of a page, one after the other: whatever is answered does
/// nothing, and what is refused stands harmless in the form again.
async fn sweep(browser: &Browser, path: &str) {
    let page = browser.get(path).await.expect(200);
    let long = "<b>x".repeat(2_500);
    let open = |form: &&Form| form.method == "post" && !form.action.starts_with("/sign-out");
    for form in forms(&page.body).iter().filter(open) {
        for name in form.names.iter().filter(|name| *name != "csrf" && *name != "once") {
            for text in KEPT.into_iter().chain(REFUSED).chain([long.as_str()]) {
                let answer = browser.submit_only(&form.clone().set(name, text)).await;
                assert!(answer.status.as_u16() < 500, "{path} {name}: {}", answer.body);
                harmless(&format!("{path} with {name} = {text:.40?}"), &answer.body);
            }
        }
    }
}

/// Sends the form of a page with these fields.
async fn submit(browser: &Browser, path: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
    let page = browser.get(path).await.expect(200);
    let mut form = Browser::form(&page, action);
    for (name, value) in fields {
        form = form.set(name, value);
    }
    browser.submit_only(&form).await
}

struct World {
    app: TestApp,
    ada: Browser,
    bob: Browser,
    root: Browser,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let off = [("KEYWAY_LIMITS__SIGN_IN", "off"), ("KEYWAY_LIMITS__AUTHORIZE", "off")];
        let app = TestApp::start_with(backend, &off).await;
        app.person("bob@example.com", false).await;
        app.person("root@example.com", true).await;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(AGENT)
            .build()
            .unwrap();
        let ada = Browser::new(http.clone(), &app.portal);
        let fields = [("name", KEPT[0]), ("email", "ada@example.com"), ("password", PASSWORD)];
        submit(&ada, "/sign-up", "/sign-up", &fields).await.expect(303);
        let bob = app.signed_in("bob@example.com").await;
        let root = app.signed_in("root@example.com").await;
        // A second browser of hers, of which a mail tells.
        let second = Browser::new(http, &app.portal);
        let fields = [("email", "ada@example.com"), ("password", PASSWORD)];
        submit(&second, "/sign-in", "/sign-in", &fields).await.expect(303);
        Self { app, ada, bob, root }
    }

    /// Names of all kinds; each is kept as it was typed.
    async fn fill(&self) {
        for (n, text) in KEPT.into_iter().enumerate() {
            let key = [("name", text), ("note", text), ("environment", "live")];
            let made = submit(&self.ada, "/keys/new", "/keys", &key).await.expect(303);
            let page = self.ada.get(&made.location()).await.expect(200);
            harmless("/keys/…/shown", &page.body);
            let pair = [("name", text), ("scope", "notes:read")];
            let made = submit(&self.ada, "/tokens", "/tokens", &pair).await.expect(303);
            harmless("/tokens/…/shown", &self.ada.get(&made.location()).await.expect(200).body);
            let app = [
                ("name", text),
                ("kind", ClientKind::Public.as_str()),
                ("redirect_uris", "https://app.example.com/callback"),
                ("scope", "notes:read"),
                ("website", "https://app.example.com/?%3Cscript%3E"),
            ];
            let made = submit(&self.ada, "/apps/new", "/apps", &app).await.expect(303);
            self.consent(&made.location()).await;
            let id = format!("hostile{n}");
            let label: String = text.chars().take(40).collect();
            let solid = text.replace(' ', "_");
            let provider = [
                ("id", id.as_str()),
                ("kind", "oidc"),
                ("label", &label),
                ("issuer", "https://issuer.example.com"),
                ("client_id", &solid),
                ("client_secret", &solid),
            ];
            let made = submit(&self.root, "/admin/providers/new", "/admin/providers", &provider).await;
            assert!(made.status.is_redirection(), "{label}: {}", made.body);
        }
    }

    /// Another person authorises an app, and so reads its name and gets a mail with it.
    async fn consent(&self, location: &str) {
        let id = location.split('/').nth(2).unwrap().to_owned();
        let http = self.app.anonymous.http.clone();
        let client = OauthClient { http, portal: self.app.portal.clone(), id, secret: None };
        let given = client.authorize(&self.bob, &[("scope", "notes:read"), ("state", KEPT[1])]).await;
        let answers = given.answers();
        assert_eq!(answers.get("state").map(String::as_str), Some(KEPT[1]));
        assert!(answers.contains_key("code"), "{answers:?}");
    }

    async fn mails(&self) -> Vec<OutgoingMail> {
        let now = self.app.house.clock.now();
        self.app.house.store.read(move |conn| outbox::due(conn, now, 1_000)).await.unwrap()
    }
}

#[tokio::test]
async fn what_people_type_is_harmless_on_every_page_in_every_mail_and_file() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let app = &world.app;
        world.fill().await;
        let owner = world.ada.get("/audit").await.expect(200);
        assert!(owner.body.contains("&lt;script&gt;window.pwned=1"), "{}", owner.body);
        // Calls whose path, and who made them, are hostile too.
        let request = app.anonymous.http.get(app.api("/v1/%3Cscript%3Ewindow.pwned=1%3C%2Fscript%3E"));
        app.anonymous.send(request.header("user-agent", AGENT)).await;
        let id = app.person("eve@example.com", false).await;
        let key = app.key_with(id, "notes:read", |raw| raw.name = KEPT[3].into()).await;
        key.send(key.http.get(app.api("/v1/whoami")).header("user-agent", AGENT)).await.expect(200);
        app.guard.flush().await;

        let (ada, root) = (crawl(&world.ada).await, crawl(&world.root).await);
        for path in [
            "/",
            "/keys",
            "/tokens",
            "/apps",
            "/audit",
            "/requests",
            "/settings/notifications",
            "/settings/sessions",
        ] {
            assert!(ada.contains(path), "{path} is not linked to: {ada:#?}");
        }
        assert!(root.contains("/admin/providers"), "{root:#?}");
        for path in ["/requests?all=yes", "/audit?all=yes", "/dev/mail", "/authorized"] {
            harmless(path, &world.root.get(path).await.expect(200).body);
            harmless(path, &world.bob.get(path).await.expect(200).body);
        }
        for path in ["/audit.csv?all=yes", "/requests.csv?all=yes", "/usage.csv"] {
            let reader = if path.starts_with("/usage") {
                app.signed_in("eve@example.com").await
            } else {
                app.signed_in("root@example.com").await
            };
            is_no_formula(path, &reader.get(path).await.expect(200).body);
        }
        let stranger = app.browser();
        harmless("/sign-in", &stranger.get("/sign-in").await.expect(200).body);

        let mails = world.mails().await;
        for text in KEPT {
            assert!(mails.iter().any(|mail| mail.subject.ends_with(text)), "no mail about {text}");
        }
        assert!(mails.iter().any(|mail| mail.subject.starts_with("New sign-in")));
        for mail in &mails {
            plain(&mail.subject, &mail.body_html);
            assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
            assert!(mail.body_text.chars().all(|c| c == '\n' || !misleads(c)));
            assert!(!mail.subject.contains("50337") && !mail.body_text.contains("50337"));
        }
        let folder = app.house.config.data_dir.clone();
        while deliver_due(&app.data, &Mailer::folder(&folder)).await.unwrap() > 0 {}
        let list = list_folder(&folder, 1_000);
        assert_eq!(list.len(), mails.len());
        assert!(list.iter().all(|mail| mail.to.ends_with("@example.com") && !mail.to.contains("evil")));
        let page = world.root.get("/dev/mail").await.expect(200);
        harmless("/dev/mail", &page.body);
        harmless("/dev/mail/…", &world.root.get(&format!("/dev/mail/{}", list[0].id)).await.expect(200).body);
        world.app.stop().await;
    }
}

#[tokio::test]
async fn hostile_text_in_any_field_is_refused_or_shown_harmless() {
    let world = World::new(Backend::Sqlite).await;
    for path in ["/sign-up", "/sign-in", "/forgot"] {
        sweep(&world.app.browser(), path).await;
    }
    for path in ["/keys/new", "/tokens", "/apps/new", "/settings/profile", "/device"] {
        sweep(&world.ada, path).await;
    }
    sweep(&world.root, "/admin/providers/new").await;
    crawl(&world.ada).await;
    crawl(&world.root).await;
}

#[tokio::test]
async fn a_name_that_changes_how_its_neighbours_are_read_is_refused_everywhere() {
    let world = World::new(Backend::Sqlite).await;
    let web = ("redirect_uris", "https://app.example.com/callback");
    for text in REFUSED {
        let forms = [
            ("/settings/profile", "/settings/profile", vec![("name", text)]),
            ("/keys/new", "/keys", vec![("name", text)]),
            ("/tokens", "/tokens", vec![("name", text), ("scope", "notes:read")]),
            ("/apps/new", "/apps", vec![("name", text), ("scope", "notes:read"), web]),
        ];
        for (path, action, fields) in forms {
            let refused = submit(&world.ada, path, action, &fields).await;
            // NUL is in no form at all.
            let expected = if text.contains('\0') { 400 } else { 422 };
            assert_eq!(refused.status, expected, "{action} with {text:?}: {}", refused.body);
        }
    }
    for uri in ["javascript:pwned()", "data:text/html,<script>", "https://a\r\nb.example", "https://\"><b>"] {
        let redirect = [("name", "An app"), ("scope", "notes:read"), ("redirect_uris", uri)];
        submit(&world.ada, "/apps/new", "/apps", &redirect).await.expect(422);
        let website = [("name", "An app"), ("scope", "notes:read"), web, ("website", uri)];
        submit(&world.ada, "/apps/new", "/apps", &website).await.expect(422);
    }
}
