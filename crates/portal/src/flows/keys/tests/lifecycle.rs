use keyway_core::api_key::{Grace, KeyStatus, Lifetime};
use keyway_core::secret::SecretDigest;
use keyway_store::tables::audit::{self, AuditFilter};

use keyway_core::quota::{Quotas, Window};

use super::*;

#[tokio::test]
async fn a_key_is_found_by_the_digest_of_its_secret_alone() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let (act, owner, rules, secret) =
            (world.act(), world.owner, world.rules.clone(), world.secret(Environment::Live));
        let digest = secret.digest();
        let key = world
            .store
            .write(move |tx| create(tx, &act, &rules, &FRESH, owner, draft("notes:read"), &secret))
            .await
            .unwrap();
        let found = world.store.read(move |conn| api_keys::find_by_digest(conn, &digest)).await.unwrap();
        assert_eq!(found, Some(key.clone()));
        assert_eq!(key.terms.expires_at, Some(world.now() + Duration::days(90)));
        assert!(key.prefix.starts_with("keyway_live_") && key.prefix.len() == 16);
    }
}

#[tokio::test]
async fn an_owner_has_at_most_fifty_keys_even_if_two_come_at_once() {
    for backend in Backend::ALL {
        let world = Arc::new(World::new(backend).await);
        for _ in 0..49 {
            world.create(FRESH, draft("notes:read")).await.unwrap();
        }
        let two = (0..2).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.create(FRESH, draft("notes:read")).await.map(|key| key.id) })
        });
        let mut made = Vec::new();
        for one in two.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(id) => made.push(id),
                Err(KeyError::TooMany) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(made.len(), 1, "{backend:?}");
        // Rotation with a grace would make one more; without, it would not.
        assert!(matches!(world.rotate(FRESH, made[0], Grace::Hour).await, Err(KeyError::TooMany)));
        world.rotate(FRESH, made[0], Grace::Now).await.unwrap();
    }
}

#[tokio::test]
async fn what_an_owner_may_not_have_is_refused() {
    for backend in Backend::ALL {
        let mut world = World::new(backend).await;
        let stale = By::Person { fresh: false };
        assert!(matches!(world.create(stale.clone(), draft("notes:write")).await, Err(KeyError::NotFresh)));
        world.create(stale, draft("notes:read")).await.unwrap();
        assert!(matches!(world.create(FRESH, draft("notes:purge")).await, Err(KeyError::NotGrantable(_))));
        let fast = KeyDraft { rate: Some("1201/min burst=1".parse().unwrap()), ..draft("notes:read") };
        assert!(matches!(world.create(FRESH, fast).await, Err(KeyError::RateAboveOwner(_))));
        world.rules.limits.owner_quotas.month = "1000".parse().unwrap();
        let many = |calls: &str| {
            let quotas = Quotas { month: calls.parse().unwrap(), ..Quotas::OFF };
            KeyDraft { quotas, ..draft("notes:read") }
        };
        let refused = world.create(FRESH, many("1001")).await;
        assert!(matches!(refused, Err(KeyError::QuotaAboveOwner(Window::Month, _))), "{refused:?}");
        assert_eq!(world.create(FRESH, many("1000")).await.unwrap().terms.quotas.month.to_string(), "1000");
        world.rules.live_needs_verified = true;
        assert!(matches!(world.create(FRESH, draft("notes:read")).await, Err(KeyError::Unverified)));
        let test = KeyDraft { environment: Environment::Test, ..draft("notes:read") };
        world.create(FRESH, test.clone()).await.unwrap();

        let (owner, now) = (world.owner, world.now());
        world.store.write(move |tx| owners::suspend(tx.conn(), owner, now)).await.unwrap();
        assert!(matches!(world.create(FRESH, test).await, Err(KeyError::Suspended)));
    }
}

#[tokio::test]
async fn only_what_takes_away_ends_what_descends() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let key = world.create(FRESH, draft("notes:read notes:write")).await.unwrap();
        let edit = |patch| world.edit(FRESH, key.id, patch);
        edit(KeyPatch { name: Some("Other".into()), ..KeyPatch::default() }).await.unwrap();
        assert!(world.told(key.id).await.is_empty());
        edit(KeyPatch { lifetime: Some(Lifetime::Never), ..KeyPatch::default() }).await.unwrap();
        assert_eq!(world.told(key.id).await, ["changed"]);
        let cuts = [
            KeyPatch { lifetime: Some(Lifetime::For(Duration::seconds(1))), ..KeyPatch::default() },
            KeyPatch { scopes: Some("notes:read".parse().unwrap()), ..KeyPatch::default() },
            KeyPatch { addresses: Some("192.0.2.0/24".parse().unwrap()), ..KeyPatch::default() },
            KeyPatch { rate: Some(Some("1/min".parse().unwrap())), ..KeyPatch::default() },
        ];
        let count = cuts.len();
        for cut in cuts {
            edit(cut).await.unwrap();
        }
        assert_eq!(world.told(key.id).await[1..], vec!["ended"; count]);
        world.enable(FRESH, key.id, false).await.unwrap();
        world.enable(FRESH, key.id, false).await.unwrap();
        world.enable(FRESH, key.id, true).await.unwrap();
        world.revoke(FRESH, key.id).await.unwrap();
        world.revoke(FRESH, key.id).await.unwrap();
        assert_eq!(world.told(key.id).await[1 + count..], ["ended", "changed", "ended"]);
        assert!(matches!(world.enable(FRESH, key.id, true).await, Err(KeyError::Revoked)));
        assert!(matches!(edit(KeyPatch::default()).await, Err(KeyError::Revoked)));
    }
}

#[tokio::test]
async fn widening_what_writes_wants_a_fresh_sign_in_and_narrowing_does_not() {
    let world = World::new(Backend::Sqlite).await;
    let key = world.create(FRESH, draft("notes:read notes:write")).await.unwrap();
    let stale = By::Person { fresh: false };
    let narrower = KeyPatch { scopes: Some("notes:read".parse().unwrap()), ..KeyPatch::default() };
    world.edit(stale.clone(), key.id, narrower).await.unwrap();
    let wider = KeyPatch { scopes: Some("notes:read notes:write".parse().unwrap()), ..KeyPatch::default() };
    assert!(matches!(world.edit(stale, key.id, wider.clone()).await, Err(KeyError::NotFresh)));
    let seen = KeyPatch { version: Some(0), ..wider.clone() };
    assert!(matches!(world.edit(FRESH, key.id, seen).await, Err(KeyError::ChangedMeanwhile)));
    world.edit(FRESH, key.id, wider).await.unwrap();
}

#[tokio::test]
async fn a_rotated_key_works_until_its_grace_ends() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let key = world.create(FRESH, draft("notes:read")).await.unwrap();
        let Rotated { new, old } = world.rotate(FRESH, key.id, Grace::Hours24).await.unwrap();
        assert_eq!((old.replaced_by, new.replaces), (Some(new.id), Some(old.id)));
        assert_eq!(old.status(world.now()), KeyStatus::InGrace);
        assert_eq!(old.ends_at(), Some(world.now() + Duration::hours(24)));
        assert_eq!(new.terms, key.terms);
        assert!(matches!(world.rotate(FRESH, key.id, Grace::Hour).await, Err(KeyError::AlreadyReplaced)));

        world.clock.advance(Duration::hours(6));
        let longer = world.change_grace(key.id, Grace::Days7).await.unwrap();
        // A week from the rotation, not from now.
        assert_eq!(longer.ends_at(), Some(new.created_at + Duration::days(7)));
        let shorter = world.change_grace(key.id, Grace::Minutes15).await.unwrap();
        assert_eq!(shorter.ends_at(), Some(world.now() + Duration::minutes(15)));
        assert_eq!(world.told(key.id).await, ["changed", "changed", "ended"]);
        world.clock.advance(Duration::minutes(15));
        assert_eq!(world.facts(key.id).await.expires_at, Some(world.now()));
        assert!(matches!(world.change_grace(key.id, Grace::Hour).await, Err(KeyError::NotInGrace)));
        assert_eq!(world.find(new.id).await.status(world.now()), KeyStatus::Active);
    }
}

#[tokio::test]
async fn without_a_grace_the_old_key_is_revoked_and_of_two_rotations_one_succeeds() {
    for backend in Backend::ALL {
        let world = Arc::new(World::new(backend).await);
        let key = world.create(FRESH, draft("notes:read")).await.unwrap();
        let two: Vec<_> = (0..2)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { world.rotate(FRESH, key.id, Grace::Now).await.is_ok() })
            })
            .collect();
        let mut succeeded = 0;
        for one in two {
            succeeded += usize::from(one.await.unwrap());
        }
        assert_eq!(succeeded, 1);
        assert_eq!(world.find(key.id).await.status(world.now()), KeyStatus::Revoked);
        assert_eq!(world.told(key.id).await, ["ended"]);
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let mut ids = Vec::new();
        for name in ["100%_sure", "Über", "gone", "off", "old"] {
            let draft = KeyDraft { name: name.into(), ..draft("notes:read") };
            ids.push(world.create(FRESH, draft).await.unwrap().id);
            world.clock.advance(Duration::seconds(1));
        }
        world.revoke(FRESH, ids[2]).await.unwrap();
        world.enable(FRESH, ids[3], false).await.unwrap();
        world.rotate(FRESH, ids[4], Grace::Hour).await.unwrap();
        let owner = world.owner;
        let listed = async |filter: api_keys::KeyFilter| {
            let (now, filter) = (world.now(), api_keys::KeyFilter { owner: Some(owner), ..filter });
            let keys = world.store.read(move |conn| api_keys::list(conn, &filter, now, 100)).await.unwrap();
            keys.into_iter().map(|key| key.name).collect::<Vec<_>>()
        };
        let filter = api_keys::KeyFilter::default;
        assert_eq!(listed(filter()).await, ["old", "old", "off", "Über", "100%_sure"]);
        assert_eq!(listed(api_keys::KeyFilter { with_revoked: true, ..filter() }).await.len(), 6);
        let named = |name: &str| api_keys::KeyFilter { search: Some(name.into()), ..filter() };
        assert_eq!(listed(named("0%_S")).await, ["100%_sure"]);
        assert!(listed(named("%_%")).await.is_empty());
        let with = |status| api_keys::KeyFilter { status: Some(status), ..filter() };
        assert_eq!(listed(with(KeyStatus::Revoked)).await, ["gone"]);
        assert_eq!(listed(with(KeyStatus::Disabled)).await, ["off"]);
        assert_eq!(listed(with(KeyStatus::InGrace)).await, ["old"]);
        assert_eq!(listed(with(KeyStatus::Active)).await, ["old", "Über", "100%_sure"]);
        assert_eq!(listed(api_keys::KeyFilter { before: Some(ids[1]), ..filter() }).await, ["100%_sure"]);
        world.clock.advance(Duration::hours(1));
        assert_eq!(listed(with(KeyStatus::Expired)).await, ["old"]);
        world.clock.advance(Duration::days(89));
        assert_eq!(listed(with(KeyStatus::ExpiringSoon)).await, ["old", "Über", "100%_sure"]);
    }
}

#[tokio::test]
async fn an_import_names_each_line_that_it_leaves_out() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        world.person("grace@example.com").await;
        let digest = |text: &str| {
            SecretDigest::of(text.as_bytes())
                .as_bytes()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        };
        let line = |sha256: &str, user: &str, scope: &str| {
            let text = serde_json::json!({
                "sha256": sha256, "user": user, "name": "Old", "scopes": [scope], "prefix": "sk_live_"
            });
            parse_import_line(&text.to_string()).unwrap()
        };
        assert!(parse_import_line(r#"{"sha256":"", "owner": "x"}"#).is_err());
        let lines = [
            line(&digest("one"), "Ada@Example.com", "notes:read"),
            line(&digest("two"), "nobody@example.com", "notes:read"),
            line("12", "ada@example.com", "notes:read"),
            line(&digest("four"), "ada@example.com", "notes:nothing"),
            line(&digest("five"), "ada@example.com", "notes:read"),
            line(&digest("five"), "ada@example.com", "notes:read"),
            line(&digest("five"), "grace@example.com", "notes:read"),
        ];
        let (mut batch, mut refused) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(lines) {
            match check_import_line(&world.rules, line, world.act().now) {
                Ok(key) => batch.push((number, key)),
                Err(_) => refused.push(number),
            }
        }
        assert_eq!(refused, [3, 4]);
        let (act, again) = (world.act(), batch.clone());
        let report = world.store.write(move |tx| import(tx, &act, batch)).await.unwrap();
        assert_eq!((report.imported, report.present), (2, 1));
        assert_eq!(report.refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 7]);
        let act = world.act();
        let report = world.store.write(move |tx| import(tx, &act, again)).await.unwrap();
        assert_eq!((report.imported, report.present), (0, 3));
        // One row for the batch, since it imported two of one owner.
        let filter = AuditFilter { area: Some("key".into()), ..AuditFilter::default() };
        let rows = world.store.read(move |conn| audit::list(conn, &filter, 10)).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].action == "key.imported" && rows[0].after.as_ref().unwrap().contains(r#""keys":2"#));

        let found = SecretDigest::of(b"one");
        let key =
            world.store.read(move |conn| api_keys::find_by_digest(conn, &found)).await.unwrap().unwrap();
        assert!(key.imported && key.terms.expires_at.is_none() && key.prefix == "sk_live_");
    }
}
