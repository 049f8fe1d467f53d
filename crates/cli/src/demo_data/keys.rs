//! API keys, one in each state and some more.

use keyway_core::Duration;
use keyway_core::api_key::{ApiKey, Grace};
use keyway_portal::flows::keys::{self, By, RawKey};

use super::Story;
use super::people::{People, Person};
use super::traffic::habits::{self, Habit};
use super::traffic::{Caller, Trouble};
use crate::commands::key::rules;

const BY: By = By::Person { fresh: true };

/// What became of a key.
#[derive(Clone, Copy)]
enum Fate {
    Lives,
    /// Some days ago.
    Disabled(i64),
    /// Some days ago.
    Revoked(i64),
    /// Some hours ago, with a day's grace.
    Rotated(i64),
    /// Of its own.
    Expired,
}

struct Wanted {
    name: &'static str,
    note: &'static str,
    environment: &'static str,
    scopes: &'static str,
    /// Made so many days ago.
    age: i64,
    expires: &'static str,
    rate: &'static str,
    addresses: &'static str,
    fate: Fate,
    habit: Option<Habit>,
}

const PLAIN: Wanted = Wanted {
    name: "",
    note: "",
    environment: "live",
    scopes: "notes:read",
    age: 30,
    expires: "90d",
    rate: "",
    addresses: "",
    fate: Fate::Lives,
    habit: None,
};

const ADAS: [Wanted; 9] = [
    Wanted {
        name: "Billing server",
        note: "Writes invoices as notes. Ask Ada before you touch it.",
        scopes: "notes:read notes:write",
        age: 58,
        expires: "365d",
        habit: Some(habits::SERVER),
        ..PLAIN
    },
    Wanted { name: "Nightly export", age: 87, habit: Some(habits::EXPORT), ..PLAIN },
    Wanted {
        name: "Build server",
        environment: "test",
        scopes: "notes:read notes:write",
        age: 40,
        addresses: "192.0.2.0/24",
        habit: Some(habits::BUILDS),
        ..PLAIN
    },
    Wanted {
        name: "Warehouse",
        scopes: "notes:read notes:write",
        age: 52,
        fate: Fate::Rotated(5),
        habit: Some(habits::WAREHOUSE),
        ..PLAIN
    },
    Wanted {
        name: "Staging",
        environment: "test",
        age: 25,
        fate: Fate::Disabled(6),
        habit: Some(habits::STAGING),
        ..PLAIN
    },
    Wanted {
        name: "Trade fair",
        age: 41,
        expires: "30d",
        fate: Fate::Expired,
        habit: Some(habits::FAIR),
        ..PLAIN
    },
    Wanted {
        name: "Old laptop",
        scopes: "notes:read notes:write",
        age: 70,
        fate: Fate::Revoked(9),
        habit: Some(habits::LAPTOP),
        ..PLAIN
    },
    Wanted { name: "Mobile prototype", age: 94, expires: "never", ..PLAIN },
    Wanted {
        name: "Load test",
        environment: "test",
        age: 12,
        rate: "30/min burst=10",
        habit: Some(habits::LOAD),
        ..PLAIN
    },
];

const GRACES: [Wanted; 2] = [
    Wanted { name: "Analytics", age: 33, expires: "60d", habit: Some(habits::ANALYTICS), ..PLAIN },
    Wanted { name: "Wall display", age: 11, habit: Some(habits::DISPLAY), ..PLAIN },
];

const THE_TEAMS: [Wanted; 1] = [Wanted {
    name: "Payments gateway",
    scopes: "notes:read notes:write",
    expires: "365d",
    habit: Some(habits::GATEWAY),
    ..PLAIN
}];

pub(super) async fn make(story: &Story<'_>, people: &People) -> anyhow::Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for (owner, wanted) in
        [(&people.ada, &ADAS[..]), (&people.grace, &GRACES[..]), (&people.team, &THE_TEAMS[..])]
    {
        for wanted in wanted {
            let key = create(story, owner, wanted).await?;
            let Some(habit) = wanted.habit else { continue };
            let caller = Caller::new(key.id, owner.id, key.created_at, habit);
            callers.extend(follow(story, owner, &key, wanted.fate, caller).await?);
        }
    }
    Ok(callers)
}

async fn create(story: &Story<'_>, owner: &Person, wanted: &Wanted) -> anyhow::Result<ApiKey> {
    let house = story.house;
    let raw = RawKey {
        name: wanted.name.to_owned(),
        note: wanted.note.to_owned(),
        environment: wanted.environment.to_owned(),
        scopes: vec![wanted.scopes.to_owned()],
        expires: wanted.expires.to_owned(),
        rate: wanted.rate.to_owned(),
        addresses: wanted.addresses.to_owned(),
        ..RawKey::default()
    };
    let draft = raw.read().map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    // Nobody gets to see it: the calls of the past are told, not made.
    let secret = keys::new_secret(&house.config.shapes.brand, draft.environment, &*house.random);
    let (act, rules, owner) =
        (story.act(owner, story.ago(Duration::days(wanted.age))), rules(house), owner.id);
    Ok(house.store.write(move |tx| keys::create(tx, &act, &rules, &BY, owner, draft, &secret)).await?)
}

/// Lets its fate happen. Who called with it, and with what took its place.
async fn follow(
    story: &Story<'_>,
    owner: &Person,
    key: &ApiKey,
    fate: Fate,
    mut caller: Caller,
) -> anyhow::Result<Vec<Caller>> {
    let (house, rules, id, whose) = (story.house, rules(story.house), key.id, owner.id);
    match fate {
        Fate::Lives => {}
        Fate::Expired => {
            if let Some(end) = key.ends_at() {
                caller = caller.until(end, Trouble::Expired);
            }
        }
        Fate::Disabled(days) => {
            let at = story.ago(Duration::days(days));
            let act = story.act(owner, at);
            house.store.write(move |tx| keys::set_enabled(tx, &act, &rules, &BY, whose, id, false)).await?;
            caller = caller.until(at, Trouble::Disabled);
        }
        Fate::Revoked(days) => {
            let at = story.ago(Duration::days(days));
            let act = story.act(owner, at);
            house
                .store
                .write(move |tx| keys::revoke(tx, &act, &BY, whose, id, "The laptop was stolen"))
                .await?;
            caller = caller.until(at, Trouble::Revoked);
        }
        Fate::Rotated(hours) => {
            let at = story.ago(Duration::hours(hours));
            let act = story.act(owner, at);
            let secret = keys::new_secret(&house.config.shapes.brand, key.terms.environment, &*house.random);
            let rotated = house
                .store
                .write(move |tx| keys::rotate(tx, &act, &rules, &BY, whose, id, Grace::Hours24, &secret))
                .await?;
            let successor = Caller::new(rotated.new.id, whose, at, caller.habit);
            return Ok(vec![caller, successor]);
        }
    }
    Ok(vec![caller])
}
