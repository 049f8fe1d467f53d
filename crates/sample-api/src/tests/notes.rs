//! Notes: whose they are, pages, versions, and what is refused.

use actix_web::http::Method as Verb;
use keyway_core::Duration;
use keyway_core::owner::Environment;
use serde_json::json;

use super::world::{ALL, World, request};

#[actix_web::test]
async fn a_note_is_made_read_changed_and_deleted() {
    let world = World::new();
    let key = world.any_key();
    let made = world.write(&key, Verb::POST, "/v1/notes", &json!({ "title": "Shopping" })).await.expect(201);
    let path = made.header("location").unwrap();
    assert_eq!(made.json()["body"], "");
    let read = world.call(&key, Verb::GET, path).await.expect(200);
    assert_eq!(read.json(), made.json());
    assert_eq!(read.header("etag"), made.header("etag"));
    world.clock.advance(Duration::seconds(5));
    let draft = json!({ "title": "Shopping", "body": "Bread\nButter" });
    let changed = world.write(&key, Verb::PUT, path, &draft).await.expect(200);
    assert_eq!(changed.json()["body"], "Bread\nButter");
    assert_eq!(changed.json()["created_at"], made.json()["created_at"]);
    assert_ne!(changed.json()["updated_at"], made.json()["updated_at"]);
    assert_ne!(changed.header("etag"), made.header("etag"));
    world.call(&key, Verb::DELETE, path).await.expect(204);
    world.call(&key, Verb::GET, path).await.refused(404, "not_found");
    world.call(&key, Verb::DELETE, path).await.refused(404, "not_found");
}

#[actix_web::test]
async fn notes_belong_to_the_subject_and_live_and_test_are_apart() {
    let world = World::new();
    let owner = world.owner();
    let key = world.key(owner, Environment::Live, ALL);
    let (path, _) = world.note(&key, "Mine").await;
    let second = world.key(owner, Environment::Live, ALL);
    world.call(&second, Verb::GET, &path).await.expect(200);
    let draft = json!({ "title": "Yours" });
    for other in [world.key(owner, Environment::Test, ALL), world.any_key()] {
        world.call(&other, Verb::GET, &path).await.refused(404, "not_found");
        world.write(&other, Verb::PUT, &path, &draft).await.refused(404, "not_found");
        world.call(&other, Verb::DELETE, &path).await.refused(404, "not_found");
        let listed = world.call(&other, Verb::GET, "/v1/notes").await.expect(200).json();
        assert_eq!(listed, json!({ "notes": [], "next": null }));
    }
    assert_eq!(world.call(&key, Verb::GET, &path).await.json()["title"], "Mine");
}

#[actix_web::test]
async fn pages_follow_each_other_and_name_each_note_once() {
    let world = World::new();
    let key = world.any_key();
    for number in 0..5 {
        world.note(&key, &format!("Note {number}")).await;
        world.clock.advance(Duration::millis(1));
    }
    let (mut titles, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = world.call(&key, Verb::GET, &format!("/v1/notes?limit=2{after}")).await.expect(200).json();
        let notes = page["notes"].as_array().unwrap();
        sizes.push(notes.len());
        titles.extend(notes.iter().map(|note| note["title"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(titles, ["Note 0", "Note 1", "Note 2", "Note 3", "Note 4"]);
    let whole = world.call(&key, Verb::GET, "/v1/notes?limit=5").await.json();
    assert_eq!(whole["next"], json!(null));
    for wrong in ["limit=0", "limit=101", "limit=-1", "limit=two", "after=x", "page=2"] {
        let path = format!("/v1/notes?{wrong}");
        world.call(&key, Verb::GET, &path).await.refused(400, "invalid_request");
    }
}

#[actix_web::test]
async fn a_change_of_another_version_is_refused() {
    let world = World::new();
    let key = world.any_key();
    let (path, tag) = world.note(&key, "First").await;
    let put = |tag: &str| request(&key, Verb::PUT, &path).insert_header(("if-match", tag.to_owned()));
    let draft = json!({ "title": "Second" });
    world.send(put(&tag).set_json(&draft)).await.expect(200);
    world.send(put(&tag).set_json(&draft)).await.refused(412, "changed_meanwhile");
    world.send(put("nonsense").set_json(&draft)).await.refused(412, "changed_meanwhile");
    let stale = request(&key, Verb::DELETE, &path).insert_header(("if-match", tag.clone()));
    world.send(stale).await.refused(412, "changed_meanwhile");
    world.send(put("*").set_json(&draft)).await.expect(200);
    let current = world.call(&key, Verb::GET, &path).await.header("etag").unwrap().to_owned();
    let known = |tag: &str| request(&key, Verb::GET, &path).insert_header(("if-none-match", tag.to_owned()));
    let same = world.send(known(&current)).await.expect(304);
    assert_eq!((same.text.as_str(), same.header("etag")), ("", Some(current.as_str())));
    world.send(known(&tag)).await.expect(200);
    let fresh = request(&key, Verb::DELETE, &path).insert_header(("if-match", current));
    world.send(fresh).await.expect(204);
}

#[actix_web::test]
async fn a_note_has_bounds_in_characters() {
    let world = World::new();
    let key = world.any_key();
    let longest = json!({ "title": "ä".repeat(200), "body": "🙂".repeat(10_000) });
    world.write(&key, Verb::POST, "/v1/notes", &longest).await.expect(201);
    // The same with every character escaped.
    let escaped = format!("{{\"title\":\"x\",\"body\":\"{}\"}}", "\\ud83d\\ude42".repeat(10_000));
    let escaped = request(&key, Verb::POST, "/v1/notes")
        .insert_header(("content-type", "application/json"))
        .set_payload(escaped);
    world.send(escaped).await.expect(201);
    for (field, draft) in [
        ("title", json!({ "title": "" })),
        ("title", json!({ "title": " \t " })),
        ("title", json!({ "title": "a".repeat(201) })),
        ("title", json!({ "title": "a\u{7}b" })),
        ("body", json!({ "title": "a", "body": "b".repeat(10_001) })),
        ("body", json!({ "title": "a", "body": "b\u{0}" })),
    ] {
        let problem = world.write(&key, Verb::POST, "/v1/notes", &draft).await.refused(422, "invalid_note");
        assert!(problem["errors"][field].is_string(), "{problem}");
    }
    let both = json!({ "title": "", "body": "b".repeat(10_001) });
    let problem = world.write(&key, Verb::POST, "/v1/notes", &both).await.refused(422, "invalid_note");
    assert_eq!(problem["errors"].as_object().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_body_that_is_no_note_is_a_problem() {
    let world = World::new();
    let key = world.any_key();
    let (path, _) = world.note(&key, "There").await;
    for (verb, path) in [(Verb::POST, "/v1/notes"), (Verb::PUT, path.as_str())] {
        for draft in [
            json!({}),
            json!({ "body": "no title" }),
            json!({ "title": 7 }),
            json!({ "title": null }),
            json!({ "title": "a", "body": ["b"] }),
            json!({ "title": "a", "id": "mine" }),
            json!("a"),
        ] {
            world.write(&key, verb.clone(), path, &draft).await.refused(422, "invalid_body");
        }
        let sent = |kind: &'static str, body: Vec<u8>| {
            request(&key, verb.clone(), path).insert_header(("content-type", kind)).set_payload(body)
        };
        for broken in [&b"{\"title\":"[..], b"", b"{\"title\":\"\xff\"}"] {
            world.send(sent("application/json", broken.to_vec())).await.refused(400, "invalid_request");
        }
        let large = format!("{{\"title\":\"a\",\"body\":\"{}\"}}", "b".repeat(1_000_000));
        world.send(sent("application/json", large.into_bytes())).await.refused(413, "body_too_large");
        let form = sent("application/x-www-form-urlencoded", b"title=a".to_vec());
        world.send(form).await.refused(415, "unsupported_media_type");
        world.send(request(&key, verb.clone(), path)).await.refused(415, "unsupported_media_type");
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_can_be_opened_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    for _ in 0..2 {
        drop(crate::Notes::open(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(crate::Notes::open(&folder.path().join("missing/notes.db")).is_err());
}
