//! Who is there: two people who sign in, and a team.

use keyway_core::Duration;
use keyway_core::ids::OwnerId;
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::secret::PlainSecret;
use keyway_portal::flows::Deed;
use keyway_portal::flows::accounts::{self, CreateError, NewAccount};
use keyway_portal::flows::inputs::Email;
use keyway_portal::passwords::{PasswordCost, PasswordPool};
use keyway_store::tables::{owners, settings};

use super::Story;

/// What the settings table remembers the making under.
const MADE: &str = "demo_data";
/// As whom one signs in.
pub const ADDRESSES: [&str; 2] = ["ada@example.com", "grace@example.com"];
const TEAM: &str = "Payments team";

/// Somebody, or a team, that owns credentials.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) id: OwnerId,
    pub(super) email: &'static str,
}

/// All of them.
pub(super) struct People {
    pub(super) ada: Person,
    pub(super) grace: Person,
    pub(super) team: Person,
}

/// Makes them; nothing if that was done before.
pub(super) async fn make(
    story: &Story<'_>,
    password: &PlainSecret,
    cost: PasswordCost,
) -> anyhow::Result<Option<People>> {
    let house = story.house;
    if house.store.read(|conn| settings::get(conn, MADE)).await?.is_some() {
        return Ok(None);
    }
    let pool = PasswordPool::start(cost, 1, 1, &*house.random)?;
    let stored = pool.hash(password.clone(), &*house.random).await?;
    let [ada, grace] = ADDRESSES;
    let (came, followed, met) = (Duration::days(100), Duration::days(48), Duration::days(45));
    let person = |email, age| Person { id: OwnerId::new(story.ago(age), &*house.random), email };
    let people = People { ada: person(ada, came), grace: person(grace, followed), team: person(ada, met) };
    let mut accounts = Vec::new();
    for (person, name, age) in
        [(&people.ada, "Ada Lovelace", came), (&people.grace, "Grace Hopper", followed)]
    {
        let account = NewAccount {
            id: person.id,
            email: Email::parse(person.email)?,
            name: name.to_owned(),
            password: Some(stored.clone()),
            verified: true,
            is_admin: false,
        };
        accounts.push((story.act(person, story.ago(age)), account));
    }
    let team = Owner {
        id: people.team.id,
        kind: OwnerKind::Team,
        name: TEAM.to_owned(),
        suspended_at: None,
        rate: None,
        created_at: story.ago(met),
    };
    let act = story.act(&people.ada, team.created_at);
    let made = house.store.write(move |tx| {
        // Of two processes at once, one makes it.
        if !settings::set_once(tx.conn(), MADE, "made")? {
            return Ok(false);
        }
        for (act, account) in &accounts {
            accounts::sign_up(tx, act, account)?;
        }
        owners::insert(tx.conn(), &team)?;
        act.audit(tx, Deed::new(Some(team.id), "team.created", "team", team.id))?;
        Ok::<_, CreateError>(true)
    });
    Ok(made.await?.then_some(people))
}
