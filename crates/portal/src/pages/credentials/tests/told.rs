//! What is told before a credential stops, what a family did, and the three questions.

use super::*;

#[actix_web::test]
async fn who_would_notice_is_told_before_a_key_is_switched_off_or_loses_a_scope() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let owner = owner_of(&portal, "ada@example.com").await;
        let billing = key(&mut ada, "Billing").await;
        let idle = key(&mut ada, "Idle").await;
        called(&portal, owner, billing, 41, 1).await;
        for action in ["disable", "revoke"] {
            let asked = ada.get(&format!("/keys/{billing}/{action}")).await.expect(200).body;
            for told in ["42 calls", "1 of them refused", "192.0.2.7", "/v1/notes/{id}"] {
                assert!(asked.contains(told), "{backend:?} {action} {told}: {asked}");
            }
            let asked = ada.get(&format!("/keys/{idle}/{action}")).await.expect(200).body;
            assert!(asked.contains("Nothing called with it") && asked.contains("Never used."), "{asked}");
        }

        let cut = [("name", "Renamed"), ("scope", "notes:read"), ("expiry", "keep"), ("version", "0")];
        let (settings, save) = (format!("/keys/{billing}/settings"), format!("/keys/{billing}/edit"));
        let asked = ada.submit(&settings, &save, &cut).await.expect(200);
        assert!(asked.body.contains("Take scopes from “Billing”?"), "{}", asked.body);
        assert!(asked.body.contains("Write your notes (notes:write)") && asked.body.contains("42 calls"));
        assert!(ada.get(&settings).await.body.contains("value=\"Billing\""), "nothing is saved yet");
        let confirmed = [&cut[..], &[("confirmed", "yes")]].concat();
        ada.submit(&settings, &save, &confirmed).await.expect(303);
        assert!(ada.get(&settings).await.body.contains("value=\"Renamed\""));
        // Nobody would notice.
        let page = format!("/keys/{idle}/settings");
        ada.submit(&page, &format!("/keys/{idle}/edit"), &cut).await.expect(303);

        let history = ada.get(&format!("/keys/{billing}/history")).await.expect(200).body;
        assert!(history.contains("Key changed") && history.contains("<ins>Renamed</ins>"), "{history}");
        let log = ada.get(&format!("/keys/{billing}/requests?route=/v1/notes/%7Bid%7D")).await.expect(200);
        assert!(log.body.contains("192.0.2.7") && log.body.contains("aria-current=\"page\">Requests"));
        assert!(!ada.get(&format!("/keys/{idle}/requests")).await.expect(200).body.contains("192.0.2.7"));
        let mut eve = Browser::new(&portal);
        eve.sign_up("eve@example.com").await.expect(303);
        for page in ["", "/requests", "/settings", "/history", "/disable", "/revoke"] {
            eve.get(&format!("/keys/{billing}{page}")).await.expect(404);
        }
    }
}

#[actix_web::test]
async fn what_a_family_did_stands_under_its_name_and_its_page_tells_of_it() {
    for backend in Backend::ALL {
        let portal = TestPortal::new(backend, |_| {});
        let mut ada = Browser::new(&portal);
        ada.sign_up("ada@example.com").await.expect(303);
        let owner = owner_of(&portal, "ada@example.com").await;
        furnish(&portal, owner);
        let now = portal.portal.now();
        let family: keyway_core::ids::EntityId = FAMILY.parse().unwrap();
        let token = keyway_core::ids::TokenId::new(now, &*portal.portal.random).entity();
        let used = keyway_core::record::LastUse {
            credential: family,
            at: now,
            address: Some([192, 0, 2, 8].into()),
        };
        let record = Record {
            at: now,
            request: RequestId::new(now, &*portal.portal.random),
            credential: Some(token),
            root: Some(family),
            owner: Some(owner),
            method: "GET".into(),
            route: "/v1/whoami".into(),
            status: 200,
            failed: None,
            code: None,
            lacked: None,
            address: Some([192, 0, 2, 8].into()),
            latency_us: 1,
            user_agent: None,
        };
        let batch = RecordBatch {
            id: BatchId::new(now, &*portal.portal.random),
            audience: "http://localhost:8081".parse().unwrap(),
            at: now,
            counts: Vec::new(),
            last_uses: vec![used],
            records: vec![record],
            drawn: Vec::new(),
        };
        portal.portal.store.write(move |tx| records::store(tx.conn(), &batch, now)).await.unwrap();
        let log = ada.get(&format!("/requests?credential={FAMILY}")).await.expect(200).body;
        assert!(log.contains("Laptop") && log.contains("/v1/whoami"), "{backend:?} {log}");
        let page = ada.get(&format!("/tokens/{FAMILY}")).await.expect(200).body;
        for told in ["Laptop", "Command line", "Read your notes", "192.0.2.8", "Revoke tokens"] {
            assert!(page.contains(told), "{backend:?} {told}: {page}");
        }
        assert!(!ada.get("/credentials?kind=jwt").await.body.contains("Never used"));
        let mut eve = Browser::new(&portal);
        eve.sign_up("eve@example.com").await.expect(303);
        eve.get(&format!("/tokens/{FAMILY}")).await.expect(404);
    }
}

#[actix_web::test]
async fn keys_that_were_ticked_end_together() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut ada = Browser::new(&portal);
    ada.sign_up("ada@example.com").await.expect(303);
    let (one, two) = (key(&mut ada, "One").await, key(&mut ada, "Two").await);
    let list = ada.get("/keys").await.expect(200).body;
    assert!(list.contains(&format!("value=\"key:{one}\"")) && list.contains("Revoke selected"), "{list}");
    let page = format!("/credentials/revoke?from=/keys&credential=key:{one}&credential=key:{two}");
    let both = format!("key:{one} key:{two}");
    let fields = [("credential", both.as_str()), ("from", "/keys")];
    let done = ada.submit(&page, "/credentials/revoke", &fields).await.expect(303);
    assert_eq!(done.location(), "/keys");
    assert!(!ada.get("/keys").await.expect(200).body.contains("<strong>One</strong>"));
    let away =
        ada.submit("/keys", "/credentials/revoke", &[("from", "https://evil.example")]).await.expect(303);
    assert_eq!(away.location(), "/credentials");
}

#[actix_web::test]
async fn three_answers_lead_to_one_kind() {
    let portal = TestPortal::new(Backend::Sqlite, |_| {});
    let mut ada = Browser::new(&portal);
    ada.sign_up("ada@example.com").await.expect(303);
    let asked = ada.get("/credentials/choose").await.expect(200).body;
    assert!(!asked.contains("The fitting one\""), "{asked}");
    for (query, leads) in [
        ("who=server&place=private&time=long", "href=\"/keys/new\""),
        ("who=people&place=private&time=long", "href=\"/apps/new\""),
        ("who=me&place=private&time=short", "href=\"/tokens\""),
        ("who=%3Cb%3E", "href=\"/keys/new\""),
    ] {
        let body = ada.get(&format!("/credentials/choose?{query}")).await.expect(200).body;
        assert!(body.contains("aria-label=\"The fitting one\"") && body.contains(leads), "{query}: {body}");
        assert!(!body.contains("<b>"));
    }
}
