//! `keyway dev --demo-data`: two people, a team, credentials in every state, apps with consents, and 30 days of calls,
//! made once, in the past, by the same flows that pages and guards use. Nothing but `dev` makes it.
//!
//! The people's password is random and lies in the data folder. A team is an owner without an account: its credentials
//! work, and show among everybody's for administrators; nobody signs in as a team.

mod apps;
mod keys;
mod people;
mod tokens;
mod traffic;

use std::net::IpAddr;

use anyhow::bail;
use keyway_core::secret::PlainSecret;
use keyway_core::{Duration, Timestamp};
use keyway_portal::flows::Act;
use keyway_portal::flows::notices::Notices;
use keyway_portal::passwords::PasswordCost;
use keyway_portal::render::{Branding, Renderer};
use keyway_store::tables::audit::Actor;

use crate::commands::user::make_password;
use crate::home;
use crate::house::House;
use people::Person;

pub use people::ADDRESSES;

/// How much of the past has calls.
const DAYS: i64 = 30;
/// From where the people work.
const DESK: [u8; 4] = [198, 51, 100, 23];

/// Makes it, unless it was made before. The password of its people.
///
/// # Errors
/// In one line: the sample API is left out, an address is taken, or the database failed.
pub async fn fill(house: &House, cost: PasswordCost) -> anyhow::Result<PlainSecret> {
    let audience = house.config.sample_audience();
    let api = house.config.catalogue.find(&audience);
    if !api.is_some_and(|api| ["notes:read", "notes:write"].iter().all(|name| api.scope(name).is_some())) {
        bail!("it is made of calls to the sample API, which the settings leave out");
    }
    let password = home::demo_password(&house.config.data_dir, || make_password(house))?;
    // Nobody is told of what is long past.
    let notices =
        Notices::new(&Renderer::embedded(Branding::default())?, house.config.public_url.as_str(), true);
    let story = Story { house, now: house.clock.now(), notices };
    let Some(people) = people::make(&story, &password, cost).await? else { return Ok(password) };
    let mut callers = keys::make(&story, &people).await?;
    callers.extend(tokens::make(&story, &people).await?);
    callers.extend(apps::make(&story, &people).await?);
    traffic::tell(&story, audience.parse()?, callers).await?;
    Ok(password)
}

/// Where it is told, and the moment at which it ends.
struct Story<'h> {
    house: &'h House,
    now: Timestamp,
    notices: Notices,
}

impl Story<'_> {
    fn ago(&self, time: Duration) -> Timestamp {
        self.now - time
    }

    /// What `person` did from their desk at that time.
    fn act(&self, person: &Person, at: Timestamp) -> Act {
        Act {
            now: at,
            actor: Actor::person(person.id, person.email),
            address: Some(IpAddr::from(DESK)),
            ..self.house.command()
        }
    }
}
