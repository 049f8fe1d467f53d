use keyway_core::api_key::{Excess, Grace, Lifetime};
use keyway_core::facts::State;

use super::*;

async fn maker(world: &World) -> ApiKey {
    let terms = KeyDraft {
        addresses: "192.0.2.0/24".parse().unwrap(),
        rate: Some("60/min".parse().unwrap()),
        ..draft("keys:write notes:read")
    };
    world.create(FRESH, terms).await.unwrap()
}

async fn by(world: &World, key: &ApiKey) -> By {
    By::Credential(world.facts(key.id).await)
}

#[tokio::test]
async fn a_key_cannot_mint_wider_keys() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let maker = maker(&world).await;
        let by = by(&world, &maker).await;
        let refused = async |draft: KeyDraft| match world.create(by.clone(), draft).await {
            Err(KeyError::BeyondMaker(excess)) => excess,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(draft("notes:write")).await, Excess::Scope("notes:write".into()));
        let test = KeyDraft { environment: Environment::Test, ..draft("notes:read") };
        assert_eq!(refused(test).await, Excess::Environment);
        let never = KeyDraft { lifetime: Some(Lifetime::Never), ..draft("notes:read") };
        assert_eq!(refused(never).await, Excess::Expiry);
        let everywhere = KeyDraft { addresses: "0.0.0.0/0".parse().unwrap(), ..draft("notes:read") };
        assert_eq!(refused(everywhere).await, Excess::Addresses);
        let fast = KeyDraft { rate: Some("1/min".parse().unwrap()), ..draft("notes:read") };
        assert!(matches!(world.create(by.clone(), fast).await, Err(KeyError::RateOfMaker)));

        world.clock.advance(Duration::days(1));
        let child = world.create(by, draft("notes:read")).await.unwrap();
        assert_eq!(child.ancestors.as_slice(), [maker.id.entity()]);
        assert_eq!(child.terms.addresses, maker.terms.addresses);
        assert_eq!(child.terms.expires_at, maker.terms.expires_at);
        let facts = world.facts(child.id).await;
        assert_eq!(facts.budgets.root, maker.id.entity());
    }
}

#[tokio::test]
async fn a_key_dies_with_the_key_that_made_it() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let maker = maker(&world).await;
        let child = world.create(by(&world, &maker).await, draft("keys:write notes:read")).await.unwrap();
        world.clock.advance(Duration::seconds(1));
        let grandchild = world.create(by(&world, &child).await, draft("notes:read")).await.unwrap();
        let lost = {
            let (maker, now) = (maker.clone(), world.now());
            world.store.read(move |conn| losses(conn, &maker, now)).await.unwrap()
        };
        assert_eq!(lost.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [child.id, grandchild.id]);

        world.enable(FRESH, maker.id, false).await.unwrap();
        assert_eq!(world.facts(grandchild.id).await.state, State::Disabled);
        world.enable(FRESH, maker.id, true).await.unwrap();
        assert_eq!(world.facts(grandchild.id).await.state, State::Active);
        world.revoke(FRESH, maker.id).await.unwrap();
        assert_eq!(world.facts(grandchild.id).await.state, State::Revoked);
    }
}

#[tokio::test]
async fn a_key_made_by_a_token_ends_with_the_tokens_family() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let maker = maker(&world).await;
        let family = keyway_core::ids::FamilyId::new(world.now(), &*world.random);
        let mut token = (*world.facts(maker.id).await).clone();
        token.method = keyway_core::facts::Method::Jwt;
        token.id = keyway_core::ids::EntityId::new(world.now(), &*world.random);
        token.ancestors = [family.entity(), world.owner.entity()].into_iter().collect();
        let (act, rules, owner, secret) =
            (world.act(), world.rules.clone(), world.owner, world.secret(Environment::Live));
        let digest = secret.digest();
        let by = By::Credential(Arc::new(token));
        let made =
            world.store.write(move |tx| create(tx, &act, &rules, &by, owner, draft("notes:read"), &secret));
        let made = made.await.unwrap();
        assert!(made.ancestors.contains(&family.entity()));
        let state = async || {
            let limits = world.rules.limits;
            let facts = world.store.read(move |conn| keyway_store::facts::api_key(conn, digest, &limits));
            facts.await.unwrap().unwrap().state
        };
        world.clock.advance(Duration::minutes(1));
        assert_eq!(state().await, State::Active);
        let renewed = world.rotate(FRESH, made.id, Grace::Hour).await;
        assert!(matches!(renewed, Err(KeyError::BeyondMaker(Excess::Expiry))), "{renewed:?}");
        let ended = keyway_core::change::NewChange::ended(
            keyway_core::change::EntityKind::Family,
            family,
            world.now(),
        );
        let end = world.store.write(move |tx| {
            tx.publish(ended);
            Ok::<_, StoreError>(())
        });
        end.await.unwrap();
        assert_eq!(state().await, State::Revoked);
    }
}

#[tokio::test]
async fn a_credential_widens_only_what_it_made() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let maker = maker(&world).await;
        let by = by(&world, &maker).await;
        let other = world.create(FRESH, draft("notes:write")).await.unwrap();
        let wider = |scopes: &str| KeyPatch { scopes: Some(scopes.parse().unwrap()), ..KeyPatch::default() };
        let widened = world.edit(by.clone(), other.id, wider("notes:read notes:write")).await;
        assert!(matches!(widened, Err(KeyError::NotMadeByIt)), "{widened:?}");
        // Its secret would be the credential's to use.
        assert!(matches!(world.rotate(by.clone(), other.id, Grace::Hour).await, Err(KeyError::NotMadeByIt)));
        world.enable(by.clone(), other.id, false).await.unwrap();
        assert!(matches!(world.enable(by.clone(), other.id, true).await, Err(KeyError::NotMadeByIt)));
        world.revoke(by.clone(), other.id).await.unwrap();

        let child = world.create(by.clone(), draft("notes:read")).await.unwrap();
        world.edit(by.clone(), child.id, wider("keys:write notes:read")).await.unwrap();
        assert!(matches!(
            world.edit(by.clone(), child.id, wider("notes:write")).await,
            Err(KeyError::BeyondMaker(Excess::Scope(_)))
        ));
        // Not even its owner can lift it above its maker.
        assert!(matches!(
            world.edit(FRESH, child.id, wider("notes:write")).await,
            Err(KeyError::BeyondMaker(Excess::Scope(_)))
        ));
    }
}

#[tokio::test]
async fn a_key_may_rotate_itself_without_outliving_its_end() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let maker = maker(&world).await;
        world.clock.advance(Duration::days(30));
        let by = by(&world, &maker).await;
        let Rotated { new, .. } = world.rotate(by, maker.id, Grace::Hour).await.unwrap();
        assert_eq!(new.terms, maker.terms);
        assert!(new.ancestors.is_empty());
        // Its owner renews the lifetime.
        let Rotated { new, .. } = world.rotate(FRESH, new.id, Grace::Hour).await.unwrap();
        assert_eq!(new.terms.expires_at, Some(world.now() + Duration::days(60)));
    }
}

#[tokio::test]
async fn other_peoples_keys_and_those_of_the_other_environment_do_not_exist() {
    for backend in Backend::ALL {
        let mut world = World::new(backend).await;
        let live = maker(&world).await;
        let test = KeyDraft { environment: Environment::Test, ..draft("keys:write") };
        let test = world.create(FRESH, test).await.unwrap();
        let by = by(&world, &test).await;
        assert!(matches!(world.revoke(by, live.id).await, Err(KeyError::NotFound)));
        world.owner = world.person("eve@example.com").await;
        assert!(matches!(world.revoke(FRESH, live.id).await, Err(KeyError::NotFound)));
        assert!(matches!(world.rotate(FRESH, live.id, Grace::Now).await, Err(KeyError::NotFound)));
    }
}
