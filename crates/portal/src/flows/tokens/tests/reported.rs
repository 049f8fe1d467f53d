//! What a guard may say of families and consents.

use keyway_core::ids::{BatchId, EntityId};
use keyway_core::oauth::{ClientKind, TokenFormat};
use keyway_core::record::{LastUse, RecordBatch};
use keyway_store::StoreError;
use keyway_store::tables::{grants, records};
use keyway_store::testing::Backend;

use super::world::World;

#[tokio::test]
async fn a_guard_says_nothing_of_families_and_consents_that_are_for_another_api() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let client = world.client(ClientKind::Public, TokenFormat::Opaque).await;
        let grant = world.grant(&client).await;
        let code = world.code(&client, grant).await;
        world.redeem(&client, &code).await.unwrap();
        let family = world.families().await[0].id;
        let (now, random) = (world.now(), world.act().random);
        let stranger = EntityId::new(now, &*random);
        let ids = [family.entity(), grant.entity(), stranger];
        for (audience, kept) in
            [("http://localhost:9999", vec![stranger]), ("http://localhost:8081", ids.to_vec())]
        {
            let mut batch = RecordBatch {
                id: BatchId::new(now, &*random),
                audience: audience.parse().unwrap(),
                at: now,
                counts: Vec::new(),
                last_uses: ids.map(|credential| LastUse { credential, at: now, address: None }).to_vec(),
                records: Vec::new(),
                drawn: Vec::new(),
            };
            let store = &world.it.portal.store;
            let told = store.write(move |tx| {
                records::keep_own(tx.conn(), &mut batch)?;
                records::store(tx.conn(), &batch, now)?;
                Ok::<_, StoreError>(batch.last_uses)
            });
            let told: Vec<EntityId> = told.await.unwrap().iter().map(|used| used.credential).collect();
            assert_eq!(told, kept, "{backend:?} {audience}");
        }
        let found = world.it.portal.store.read(move |conn| grants::find(conn, grant)).await;
        assert!(found.map_err(|error: StoreError| error).unwrap().unwrap().last_used_at.is_some());
    }
}
