//! Every page and mail in every state of `web/samples`, and the static files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

fn renderer() -> Renderer {
    Renderer::embedded(Branding::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn chrome() -> Chrome {
    Chrome {
        csrf: "token-of-the-session".to_owned(),
        user: Some(ChromeUser {
            name: "Ada Example".to_owned(),
            email: "ada@example.com".to_owned(),
            is_admin: true,
        }),
        path: "/keys".to_owned(),
        flash: Some(Flash { kind: FlashKind::Ok, text: "Key created.".to_owned() }),
        dev: true,
        now: NOW,
    }
}

/// Template name without suffix, and its states.
fn samples() -> Vec<(String, BTreeMap<String, Value>)> {
    fn collect(folder: &Path, root: &Path, found: &mut Vec<(String, BTreeMap<String, Value>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().with_extension("");
                let states = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                found.push((name.to_str().unwrap().replace('\\', "/"), states));
            }
        }
    }
    let root = web().join("samples");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found
}

#[test]
fn every_page_renders_in_every_state() {
    let renderer = renderer();
    for (name, states) in samples().into_iter().filter(|(name, _)| !name.starts_with("mails/")) {
        for (state, context) in states {
            let mut chrome = chrome();
            if state == "signed out" {
                chrome.user = None;
            }
            let page = renderer.render(&format!("{name}.html"), context, &chrome);
            let page = page.unwrap_or_else(|e| panic!("{name}, {state}: {e}"));
            assert!(page.starts_with("<!doctype html>"), "{name}, {state} starts with {:?}", page.get(..40));
            assert!(!page.contains("<script>") && !page.contains("style="), "{name}, {state}: inline code");
            for form in page.split("<form method=\"post\"").skip(1) {
                let form = form.split("</form>").next().unwrap();
                assert!(
                    form.contains("name=\"csrf\" value=\"token-of-the-session\""),
                    "{name}, {state}: {form}"
                );
            }
        }
    }
}

#[test]
fn every_mail_renders_twice_with_a_subject() {
    let renderer = renderer();
    for (name, states) in samples() {
        let Some(mail) = name.strip_prefix("mails/") else { continue };
        for (state, context) in states {
            let mail = renderer.mail(mail, context, NOW).unwrap_or_else(|e| panic!("{name}, {state}: {e}"));
            assert!(!mail.subject.contains('\n') && mail.subject.len() < 100, "{name}: {}", mail.subject);
            assert!(mail.text.starts_with("Hello Ada,"), "{name}: {}", mail.text);
            assert!(!mail.text.contains("&amp;"), "{name}: plain text is not escaped");
            assert!(mail.html.starts_with("<!doctype html>"), "{name}");
        }
    }
}

#[test]
fn every_page_and_mail_has_samples() {
    let known: Vec<String> = samples().into_iter().map(|(name, _)| name).collect();
    for (file, _) in Source::Embedded.texts("templates").unwrap() {
        let name = file.rsplit_once('.').unwrap().0.to_owned();
        let part = name.split('/').next().unwrap();
        assert!(matches!(part, "layouts" | "components") || known.contains(&name), "{name} has no samples");
    }
}

/// What follows `{% component ` or `<` up to the end of the name.
fn names<'a>(text: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
    let name = |rest: &'a str| rest.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).next().unwrap();
    text.split(before).skip(1).map(name).collect::<Vec<_>>().into_iter()
}

#[test]
fn the_gallery_shows_every_component() {
    let texts: BTreeMap<_, _> = Source::Embedded.texts("templates").unwrap().into_iter().collect();
    let mut bodies = BTreeMap::new();
    for (file, text) in texts.iter().filter(|(file, _)| file.starts_with("components/")) {
        // Mails have a page of their own for each in `web/samples`.
        for component in text.split("{% component ").skip(1).filter(|_| file != "components/mail.html") {
            bodies.insert(component.split('(').next().unwrap(), component);
        }
    }
    let mut shown = std::collections::BTreeSet::new();
    let mut waiting = vec![texts["gallery.html"].as_str(), texts["layouts/app.html"].as_str()];
    while let Some(text) = waiting.pop() {
        let used = names(text, "{{<").chain(names(text, "{% <"));
        waiting.extend(used.filter(|name| shown.insert(*name)).filter_map(|name| bodies.get(name)).copied());
    }
    let missing: Vec<_> = bodies.keys().filter(|name| !shown.contains(**name)).collect();
    assert!(missing.is_empty(), "the gallery lacks {missing:?}");
}

#[test]
fn what_users_type_is_escaped() {
    let context = serde_json::json!({
        "form": { "email": "\"><script>alert(1)</script>" }, "errors": { "email": "<b>no</b>" },
    });
    let page = renderer().render("pages/forgot.html", context, &chrome()).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<b>no</b>"));
    assert!(page.contains("&lt;script&gt;alert"));
}

#[test]
fn a_missing_variable_is_an_error() {
    let refused = renderer().render("pages/verify.html", serde_json::json!({ "token": "t" }), &chrome());
    assert!(matches!(refused, Err(RenderError::Page { .. })));
}

#[test]
fn a_fingerprinted_name_leads_to_the_same_file_and_an_old_one_to_none() {
    let renderer = renderer();
    for name in ["app.css", "app.js", "icons.svg", "favicon.svg", "brand.css"] {
        let url = renderer.loaded.files.url(name).unwrap();
        let asked = url.strip_prefix("/static/").unwrap();
        let (plain, kept) = (renderer.static_file(name).unwrap(), renderer.static_file(asked).unwrap());
        assert_eq!(plain.bytes, kept.bytes);
        assert!(kept.immutable && !plain.immutable);
        assert!(asked.contains(&plain.fingerprint));
    }
    assert!(renderer.static_file("app.0000000000.css").is_none());
    assert!(renderer.static_file("../templates/error.html").is_none());
}

#[test]
fn the_files_stay_small() {
    // A page with all of them is held to 60 kB compressed by the browser tests; these shrink to about a quarter.
    let size = |name: &str| renderer().static_file(name).unwrap().bytes.len();
    assert!(size("app.css") <= 40_000, "{}", size("app.css"));
    assert!(size("app.js") <= 20_000, "{}", size("app.js"));
}

#[test]
fn a_folder_is_read_like_the_binary() {
    let folder = Renderer::from_dir(web(), Branding::default()).unwrap();
    let context = serde_json::json!({ "token": "t", "email": "a@example.com" });
    let page = |renderer: &Renderer| renderer.render("pages/verify.html", &context, &chrome()).unwrap();
    assert_eq!(page(&folder), page(&renderer()));
    assert!(folder.static_file("app.css").is_some());
    assert!(matches!(
        Renderer::from_dir("/nowhere/at/all", Branding::default()),
        Err(RenderError::Folder { .. })
    ));
}
