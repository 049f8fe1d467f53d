//! JWT pairs: one that is refreshed, one that ran out, one that was revoked, one that was stolen.

use anyhow::Context as _;
use keyway_core::Duration;
use keyway_core::ids::{ClientId, FamilyId};
use keyway_core::jwt::ACCESS_TOKEN_LIFETIME;
use keyway_core::secret::PlainSecret;
use keyway_portal::flows::tokens::mint::{self, Order};
use keyway_portal::flows::tokens::{TokenError, families, refresh};
use keyway_store::tables::clients;

use super::Story;
use super::people::{People, Person};
use super::traffic::habits;
use super::traffic::{Caller, Trouble};

pub(super) async fn make(story: &Story<'_>, people: &People) -> anyhow::Result<Vec<Caller>> {
    let (ada, grace) = (&people.ada, &people.grace);
    let (days, hours) = (Duration::days, Duration::hours);
    let caller =
        |id: FamilyId, owner: &Person, age, habit| Caller::of_tokens(id, owner.id, story.ago(age), habit);

    let (desk, token) = mint(story, ada, "Terminal at my desk", days(12), true).await?;
    refresh_at(story, ada, token, &[days(6), days(1), hours(2)]).await?;
    let (script, _) = mint(story, ada, "Release script", hours(20), false).await?;
    let (shared, _) = mint(story, ada, "Shared notebook", days(15), true).await?;
    let act = story.act(ada, story.ago(days(4)));
    let owner = ada.id;
    story.house.store.write(move |tx| families::end(tx, &act, owner, shared)).await?;
    let (_, stolen) = mint(story, ada, "Tablet", days(18), true).await?;
    refresh_at(story, ada, stolen.clone(), &[days(17), hours(16 * 24)]).await?;
    // Who presents a token that was spent long ago stole it: that is refused, and ends the pair.
    match refresh(story, ada, stolen, days(15)).await {
        Err(error) if error.is::<TokenError>() => {}
        Ok(_) => anyhow::bail!("a spent refresh token was taken"),
        Err(error) => return Err(error),
    }
    let (notebook, token) = mint(story, grace, "Notebook", days(5), true).await?;
    refresh_at(story, grace, token, &[hours(3)]).await?;

    Ok(vec![
        caller(desk, ada, days(12), habits::TERMINAL),
        caller(shared, ada, days(15), habits::NOTEBOOK).until(story.ago(days(4)), Trouble::Revoked),
        caller(script, ada, hours(20), habits::RELEASE).until(story.ago(hours(19)), Trouble::Expired),
        caller(notebook, grace, days(5), habits::NOTEBOOK),
    ])
}

async fn mint(
    story: &Story<'_>,
    owner: &Person,
    name: &str,
    age: Duration,
    with_refresh: bool,
) -> anyhow::Result<(FamilyId, PlainSecret)> {
    let house = story.house;
    let order = Order {
        owner: owner.id,
        is_admin: false,
        name: name.to_owned(),
        audience: None,
        scopes: "notes:read notes:write".parse()?,
        lifetime: if with_refresh { ACCESS_TOKEN_LIFETIME } else { Duration::minutes(60) },
        refresh: with_refresh,
    };
    let act = story.act(owner, story.ago(age));
    let minted = mint::prepare(&house.store, &house.issuance(), &act, order).await?;
    let (id, refresh) = (minted.family.id, minted.response().refresh_token);
    house.store.write(move |tx| minted.keep(tx, &act)).await?;
    Ok((id, refresh.unwrap_or_else(|| PlainSecret::new(""))))
}

/// Refreshes so long ago, one after the other.
async fn refresh_at(
    story: &Story<'_>,
    owner: &Person,
    mut token: PlainSecret,
    times: &[Duration],
) -> anyhow::Result<()> {
    for age in times {
        token = refresh(story, owner, token, *age).await?;
    }
    Ok(())
}

async fn refresh(
    story: &Story<'_>,
    owner: &Person,
    token: PlainSecret,
    age: Duration,
) -> anyhow::Result<PlainSecret> {
    let house = story.house;
    let client = house.store.read(|conn| clients::find(conn, ClientId::CLI)).await?;
    let client = client.context("the built-in client is missing")?;
    let presented = refresh::Presented { token, client, scope: None, resource: None, proven: None };
    let act = story.act(owner, story.ago(age));
    let answer = refresh::run(&house.store, &house.issuance(), act, presented, story.notices.clone()).await?;
    let answer: serde_json::Value = serde_json::from_str(answer.expose())?;
    let next = answer.get("refresh_token").and_then(|token| token.as_str());
    Ok(PlainSecret::new(next.context("there is no next refresh token")?))
}
