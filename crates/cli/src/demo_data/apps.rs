//! OAuth apps, and who authorised them.

use std::sync::Arc;

use keyway_core::audience::Audience;
use keyway_core::ids::{GrantId, SessionId};
use keyway_core::oauth::pkce::Challenge;
use keyway_core::oauth::{AuthMethod, Client, ClientKind, GrantType};
use keyway_core::{Duration, Timestamp};
use keyway_portal::flows::Act;
use keyway_portal::flows::authorize::{self, AuthorizationRequest, Prompt, User};
use keyway_portal::flows::clients::{self, NewClient, Profile};
use keyway_portal::flows::grants;
use keyway_portal::flows::tokens::{client_credentials, code};
use keyway_store::StoreError;
use keyway_store::tables::{clients as client_rows, grants as grant_rows};
use oauth2::PkceCodeChallenge;

use super::Story;
use super::people::{People, Person};
use super::traffic::habits;
use super::traffic::{Caller, Trouble};

pub(super) async fn make(story: &Story<'_>, people: &People) -> anyhow::Result<Vec<Caller>> {
    let (ada, grace) = (&people.ada, &people.grace);
    let days = Duration::days;
    let asking = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    let boards = Profile {
        name: "Insight Boards".to_owned(),
        website: Some("https://boards.example.com".to_owned()),
        grant_types: asking.clone(),
        scopes: "notes:read offline_access".parse()?,
        redirect_uris: vec!["https://boards.example.com/callback".parse()?],
        ..Profile::default()
    };
    let pocket = Profile {
        name: "Pocket Notes".to_owned(),
        auth_method: AuthMethod::None,
        grant_types: asking,
        scopes: "notes:read notes:write offline_access".parse()?,
        redirect_uris: vec!["com.example.pocket:/callback".parse()?, "http://127.0.0.1/callback".parse()?],
        ..Profile::default()
    };
    let robot = Profile {
        name: "Invoice robot".to_owned(),
        grant_types: vec![GrantType::ClientCredentials],
        scopes: "notes:read notes:write".parse()?,
        ..Profile::default()
    };
    let boards = register(story, grace, ClientKind::Confidential, boards, days(29)).await?;
    let pocket = register(story, ada, ClientKind::Public, pocket, days(36)).await?;
    let robot = register(story, ada, ClientKind::Confidential, robot, days(20)).await?;

    let mut living = Vec::new();
    let mut callers = vec![Caller::of_tokens(robot.id, ada.id, story.ago(days(20)), habits::ROBOT)];
    for (user, app, age, habit) in [
        (ada, &boards, days(24), habits::BOARDS),
        (grace, &pocket, days(21), habits::POCKET),
        (ada, &pocket, days(34), habits::POCKET),
    ] {
        let grant = authorise(story, user, app, age).await?;
        let mut caller = Caller::of_tokens(grant, user.id, story.ago(age), habit);
        if user.id == app.owner {
            let at = story.ago(days(7));
            let (act, owner) = (story.act(user, at), user.id);
            story.house.store.write(move |tx| grants::revoke(tx, &act, owner, grant)).await?;
            caller = caller.until(at, Trouble::Revoked);
        } else {
            living.push(grant);
        }
        callers.push(caller);
    }
    let (apps, at) = ([boards.id, pocket.id, robot.id], story.ago(Duration::minutes(11)));
    let used = story.house.store.write(move |tx| {
        apps.iter().try_for_each(|app| client_rows::touch(tx.conn(), *app, at))?;
        living.iter().try_for_each(|grant| grant_rows::touch(tx.conn(), *grant, at))
    });
    used.await.map_err(|error: StoreError| error)?;
    token_of_its_own(story, robot, at).await?;
    Ok(callers)
}

/// What the app got for itself when it was last used.
async fn token_of_its_own(story: &Story<'_>, client: Client, at: Timestamp) -> anyhow::Result<()> {
    let (house, issuance) = (story.house, story.house.issuance());
    let (context, owner, format) = (issuance.clone(), client.owner, client.token_format);
    let ground = house.store.read(move |conn| context.ground(conn, owner, format)).await?;
    let asked = client_credentials::Asked {
        client: Arc::new(client),
        ground,
        scope: None,
        resource: None,
        proven: None,
    };
    let act = Act { now: at, ..house.command() };
    client_credentials::run(&house.store, &issuance, &act, asked).await?;
    Ok(())
}

async fn register(
    story: &Story<'_>,
    owner: &Person,
    kind: ClientKind,
    profile: Profile,
    age: Duration,
) -> anyhow::Result<Client> {
    let config = &story.house.config;
    let (catalogue, brand) = (config.catalogue.clone(), config.shapes.brand.clone());
    let act = story.act(owner, story.ago(age));
    let new = NewClient { owner: owner.id, kind, audience: None, registration: None, profile };
    let registered = story.house.store.write(move |tx| clients::register(tx, &act, &catalogue, &brand, new));
    Ok(registered.await?.0)
}

/// Consents in the browser and redeems the code, as the app does.
async fn authorise(
    story: &Story<'_>,
    user: &Person,
    client: &Client,
    age: Duration,
) -> anyhow::Result<GrantId> {
    let house = story.house;
    let act = story.act(user, story.ago(age));
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let audience: Audience = house.config.sample_audience().parse()?;
    let request = AuthorizationRequest {
        scopes: client.scopes.iter().filter(|scope| scope.as_str() != "offline_access").cloned().collect(),
        offline: true,
        audience,
        challenge: Challenge::parse(challenge.as_str())?,
        nonce: None,
        prompt: Prompt::default(),
        max_age: None,
        bound_to: None,
        expected: None,
        pushed_at: None,
    };
    let session = SessionId::new(act.now, &*house.random);
    let by = User { owner: user.id, session, auth_time: act.now, amr: "pwd" };
    let redirect_uri = client.redirect_uris.first().map(ToString::to_string).unwrap_or_default();
    let (brand, app, to, made) =
        (house.config.shapes.brand.clone(), client.clone(), redirect_uri.clone(), act.clone());
    let notices = story.notices.clone();
    let code = house.store.write(move |tx| {
        let code = authorize::approve(tx, &made, &brand, &app, &to, &request, &by, &notices)?;
        let grant = grant_rows::find_of(tx.conn(), by.owner, app.id)?;
        Ok::<_, StoreError>((code, grant))
    });
    let (code, grant) = code.await?;
    let presented = code::Presented {
        code,
        client: client.clone(),
        redirect_uri: Some(redirect_uri),
        verifier: Some(verifier.secret().to_owned()),
        resource: None,
        proven: None,
    };
    code::run(&house.store, &house.issuance(), act, presented).await?;
    grant.map(|grant| grant.id).ok_or_else(|| anyhow::anyhow!("the consent is missing"))
}
