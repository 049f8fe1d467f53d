//! Whatever ends a browser session tells the clients that got an ID token in it.

use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_store::Tx;
use keyway_store::tables::logout_notices;
use keyway_store::tables::sessions::{self, Session};

use super::*;
use crate::flows::tokens::tests::world::World;

/// Two signed-in browsers of one person, each with two clients of which one wants to be told.
struct Told {
    it: World,
    here: SessionId,
    there: SessionId,
    teller: Client,
}

impl Told {
    async fn new(backend: Backend) -> Self {
        let it = World::new(backend).await;
        let mut teller = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let silent = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let uri = "https://app.example.com/signed-out";
        it.it.execute(&format!(
            "UPDATE clients SET backchannel_logout_uri = '{uri}' WHERE id = '{}'",
            teller.id
        ));
        teller.backchannel_logout_uri = Some(uri.into());
        let (here, there) = (session(&it).await, session(&it).await);
        for client in [&teller, &silent] {
            let grant = it.grant(client).await;
            for (sid, scopes) in [(here, "openid notes:read"), (there, "openid"), (here, "notes:read")] {
                family(&it, client, grant, sid, scopes).await;
            }
        }
        Self { it, here, there, teller }
    }

    async fn after<E>(
        &self,
        ending: impl FnOnce(&mut Tx<'_>, &Act) -> Result<(), E> + Send + 'static,
    ) -> Vec<SessionId>
    where
        E: From<StoreError> + std::fmt::Debug + Send + 'static,
    {
        let (act, now) = (self.it.act(), self.it.now());
        self.it.it.portal.store.write(move |tx| ending(tx, &act)).await.unwrap();
        let due = move |conn: &mut keyway_store::Conn| logout_notices::due(conn, now, 100);
        let due = self.it.it.portal.store.read::<_, StoreError, _>(due).await.unwrap();
        assert!(due.iter().all(|told| told.client == self.teller.id && told.subject == self.it.owner));
        due.into_iter().map(|told| told.sid).collect()
    }
}

async fn session(it: &World) -> SessionId {
    let (now, random) = (it.now(), &*it.it.portal.random);
    let id = SessionId::new(now, random);
    let row = Session {
        digest: SecretDigest::of(id.to_string().as_bytes()),
        id,
        owner_id: Some(it.owner),
        state: "{}".into(),
        created_at: now,
        last_seen_at: now,
        expires_at: now + Duration::days(30),
        address: None,
        user_agent: None,
    };
    it.it.portal.store.write(move |tx| sessions::insert(tx.conn(), &row)).await.unwrap();
    id
}

/// Tokens of `scopes` that were given to `client` in the session `sid`.
async fn family(it: &World, client: &Client, grant: keyway_core::ids::GrantId, sid: SessionId, scopes: &str) {
    let code = it.code(client, grant).await;
    it.redeem(client, &code).await.unwrap();
    it.it.execute(&format!("UPDATE families SET sid = '{sid}', scopes = '{scopes}' WHERE sid IS NULL"));
}

#[tokio::test]
async fn signing_out_and_ending_a_session_tell_of_that_one() {
    for backend in Backend::ALL {
        let told = Told::new(backend).await;
        let (owner, here, there) = (told.it.owner, told.here, told.there);
        assert_eq!(told.after(move |tx, act| sign_out(tx, act, owner, here)).await, [here]);
        let ended = move |tx: &mut Tx<'_>, act: &Act| end_session(tx, act, owner, there).map(drop);
        assert_eq!(told.after(ended).await.len(), 2);
        let gone = move |tx: &mut Tx<'_>, act: &Act| end_session(tx, act, owner, there).map(drop);
        assert_eq!(told.after(gone).await.len(), 2, "what has ended is told once");
    }
}

#[tokio::test]
async fn ending_the_others_tells_of_the_others() {
    for backend in Backend::ALL {
        let told = Told::new(backend).await;
        let (owner, here, there) = (told.it.owner, told.here, told.there);
        let others = move |tx: &mut Tx<'_>, act: &Act| end_other_sessions(tx, act, owner, here).map(drop);
        assert_eq!(told.after(others).await, [there]);
        let told = Told::new(backend).await;
        let (owner, here, there) = (told.it.owner, told.here, told.there);
        let also = Also::default();
        let password = StoredPassword::new("new".into());
        let change = move |tx: &mut Tx<'_>, act: &Act| {
            change_password(tx, act, owner, &password, here, also, &silent())
        };
        assert_eq!(told.after(change).await, [there]);
    }
}

#[tokio::test]
async fn suspending_tells_of_all() {
    for backend in Backend::ALL {
        let told = Told::new(backend).await;
        let (owner, mut both) = (told.it.owner, vec![told.here, told.there]);
        let mut of = told.after(move |tx, act| suspend(tx, act, owner)).await;
        both.sort_unstable();
        of.sort_unstable();
        assert_eq!(of, both);
    }
}
