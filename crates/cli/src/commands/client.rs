//! `keyway client create|list|delete`.

use anyhow::{Context, bail};
use keyway_core::audience::Catalogue;
use keyway_core::ids::ClientId;
use keyway_core::oauth::{AuthMethod, ClientKeys, ClientKind, GrantType, RedirectUri, TokenFormat};
use keyway_core::scope::{Scope, ScopeSet};
use keyway_portal::flows::clients::{self, NewClient, Profile};
use keyway_store::tables::clients as rows;
use serde::Serialize;

use super::{registration_token, user};
use crate::args::{self, Client, ClientCreate, Format, Method};
use crate::house::House;
use crate::output::{Output, table};

/// The most clients that are listed.
const MAX_LIST: u32 = 1_000;

/// Does what was asked for.
///
/// # Errors
/// When an input cannot be used or the flow refuses.
pub async fn run(house: &House, which: Client, output: Output) -> anyhow::Result<()> {
    match which {
        Client::Create(args) => create(house, *args, output).await,
        Client::List => list(house, output).await,
        Client::RegistrationToken(which) => registration_token::run(house, which, output).await,
        Client::Delete { id } => delete(house, &id, output).await,
    }
}

#[derive(Serialize)]
struct Created {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

async fn create(house: &House, args: ClientCreate, output: Output) -> anyhow::Result<()> {
    let owner = match &args.owner {
        Some(email) => user::find(&house.store, email).await?,
        None => clients::builtin_owner(),
    };
    let new = read(args, owner, &house.config.catalogue)?;
    let act = house.command();
    let (catalogue, brand) = (house.config.catalogue.clone(), house.config.shapes.brand.clone());
    let (client, secret) =
        house.store.write(move |tx| clients::register(tx, &act, &catalogue, &brand, new)).await?;
    let created = Created {
        client_id: client.id.to_string(),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
    };
    output.print(&created, |c| match &c.client_secret {
        Some(secret) => format!("client_id      {}\nclient_secret  {secret}  (shown only now)", c.client_id),
        None => format!("client_id      {}", c.client_id),
    })
}

fn read(
    args: ClientCreate,
    owner: keyway_core::ids::OwnerId,
    catalogue: &Catalogue,
) -> anyhow::Result<NewClient> {
    let auth_method = match args.auth_method {
        Method::None => AuthMethod::None,
        Method::ClientSecretBasic => AuthMethod::ClientSecretBasic,
        Method::ClientSecretPost => AuthMethod::ClientSecretPost,
        Method::PrivateKeyJwt => AuthMethod::PrivateKeyJwt,
    };
    let kind = match (args.resource_server, auth_method) {
        (true, _) => ClientKind::ResourceServer,
        (false, AuthMethod::None) => ClientKind::Public,
        (false, _) => ClientKind::Confidential,
    };
    if args.audience.is_some() && !args.resource_server {
        bail!("--audience belongs to --resource-server");
    }
    let scopes = args.scope.iter().map(|s| s.parse::<Scope>().with_context(|| format!("--scope {s}")));
    let mut scopes = scopes.collect::<anyhow::Result<ScopeSet>>()?;
    let grant_types = grants(&args);
    if scopes.is_empty() && kind != ClientKind::ResourceServer {
        scopes = everything_to_read(catalogue);
    }
    let uris = |list: &[String]| {
        let uri = |text: &String| text.parse::<RedirectUri>().with_context(|| text.clone());
        list.iter().map(uri).collect::<anyhow::Result<Vec<_>>>()
    };
    let jwks = args.jwks.as_ref().map(|file| {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        text.parse::<ClientKeys>().with_context(|| file.display().to_string())
    });
    Ok(NewClient {
        owner,
        kind,
        audience: args.audience.map(|a| a.parse()).transpose()?,
        registration: None,
        profile: Profile {
            name: args.name,
            website: args.website,
            auth_method,
            jwks: jwks.transpose()?,
            grant_types,
            scopes,
            redirect_uris: uris(&args.redirect_uri)?,
            post_logout_redirect_uris: uris(&args.post_logout_redirect_uri)?,
            backchannel_logout_uri: args.backchannel_logout_uri,
            token_format: match args.token_format {
                Format::Opaque => TokenFormat::Opaque,
                Format::Jwt => TokenFormat::Jwt,
            },
            id_token_algorithm: args.id_token_alg.into(),
            dpop_bound: args.dpop_bound,
        },
    })
}

/// The grants that were named, or those that go with what else was: codes where there is somewhere to send them.
fn grants(args: &ClientCreate) -> Vec<GrantType> {
    let named = args.grant.iter().map(|grant| match grant {
        args::GrantType::AuthorizationCode => GrantType::AuthorizationCode,
        args::GrantType::RefreshToken => GrantType::RefreshToken,
        args::GrantType::ClientCredentials => GrantType::ClientCredentials,
        args::GrantType::TokenExchange => GrantType::TokenExchange,
        args::GrantType::DeviceCode => GrantType::DeviceCode,
    });
    let named: Vec<GrantType> = named.collect();
    match (named.is_empty(), args.resource_server, args.redirect_uri.is_empty()) {
        (false, _, _) => named,
        (true, true, _) => Vec::new(),
        (true, false, false) => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        (true, false, true) => vec![GrantType::ClientCredentials],
    }
}

/// The reading scopes of the first API.
fn everything_to_read(catalogue: &Catalogue) -> ScopeSet {
    let first = catalogue.apis().iter().take(1).flat_map(|api| &api.scopes);
    let reading = first.filter(|scope| scope.access == keyway_core::audience::Access::Read);
    reading.filter_map(|scope| scope.name.parse::<Scope>().ok()).collect()
}

#[derive(Serialize)]
struct Listed {
    client_id: String,
    name: String,
    kind: &'static str,
    owner: String,
    origin: &'static str,
    auth_method: &'static str,
    grant_types: Vec<GrantType>,
    scopes: ScopeSet,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    backchannel_logout_uri: Option<String>,
    token_format: &'static str,
    id_token_algorithm: &'static str,
    dpop_bound: bool,
    jwks: Option<ClientKeys>,
    suspended: bool,
    created_at: String,
}

async fn list(house: &House, output: Output) -> anyhow::Result<()> {
    let clients = house.store.read(|conn| rows::list(conn, MAX_LIST)).await?;
    let owners = user::names(&house.store, clients.iter().map(|client| client.owner).collect()).await?;
    let listed: Vec<Listed> = clients
        .iter()
        .zip(owners)
        .map(|(client, (_, owner))| Listed {
            client_id: client.id.to_string(),
            name: client.name.clone(),
            kind: client.kind.as_str(),
            owner,
            origin: client.origin.as_str(),
            auth_method: client.auth_method.as_str(),
            grant_types: client.grant_types.clone(),
            scopes: client.scopes.clone(),
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: client.backchannel_logout_uri.clone(),
            token_format: client.token_format.as_str(),
            id_token_algorithm: client.id_token_algorithm.as_str(),
            dpop_bound: client.dpop_bound,
            jwks: client.jwks.clone(),
            suspended: client.suspended_at.is_some(),
            created_at: client.created_at.to_rfc3339(),
        })
        .collect();
    output.print(&listed, |list| {
        let row = |c: &Listed| {
            let proof = if c.dpop_bound { "DPoP" } else { "bearer" };
            let tokens = format!("{} {proof}", c.token_format);
            let (id, name, owner) = (c.client_id.clone(), c.name.clone(), c.owner.clone());
            vec![id, name, c.kind.into(), c.auth_method.into(), tokens, c.origin.into(), owner]
        };
        let rows: Vec<Vec<String>> = list.iter().map(row).collect();
        table(&["CLIENT", "NAME", "KIND", "PROVES BY", "TOKENS", "ORIGIN", "OWNER"], &rows)
    })
}

#[derive(Serialize)]
struct Deleted {
    client_id: String,
}

async fn delete(house: &House, id: &str, output: Output) -> anyhow::Result<()> {
    let id: ClientId = id.parse().context("the client's id")?;
    let act = house.command();
    let done = house.store.write(move |tx| {
        let client = rows::find(tx.conn(), id).map_err(clients::ClientError::from)?;
        let owner = client.ok_or(clients::ClientError::NotFound)?.owner;
        clients::delete(tx, &act, owner, id)
    });
    match done.await {
        Err(clients::ClientError::NotFound) => bail!("there is no client {id}"),
        done => done?,
    }
    output.print(&Deleted { client_id: id.to_string() }, |d| {
        format!("Deleted {}; its tokens are dead.", d.client_id)
    })
}
