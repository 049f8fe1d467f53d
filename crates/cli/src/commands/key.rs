//! `keyway key create|list|revoke|rotate`.

use std::sync::Arc;

use anyhow::Context as _;
use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, Grace};
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::secret::PlainSecret;
use keyway_portal::flows::keys::{self, By, KeyRules, RawKey};
use keyway_store::tables::api_keys::{self, KeyFilter};
use serde::Serialize;

use super::{key_import, user};
use crate::args::{Key, KeyCreate};
use crate::house::House;
use crate::output::{Output, table};

/// Keys read at once.
const PAGE: u32 = 500;

/// Does what was asked for.
///
/// # Errors
/// When an input cannot be used or the flow refuses.
pub async fn run(house: &House, which: Key, output: Output) -> anyhow::Result<()> {
    match which {
        Key::Create(args) => create(house, args, output).await,
        Key::List { user } => list(house, user.as_deref(), output).await,
        Key::Revoke { id, reason } => revoke(house, &id, reason, output).await,
        Key::Rotate { id, grace } => rotate(house, &id, &grace, output).await,
        Key::Import { file } => key_import::run(house, &file, rules(house), output).await,
    }
}

/// What the operator's keys rest on.
pub fn rules(house: &House) -> KeyRules {
    KeyRules {
        catalogue: Arc::new(house.config.catalogue.clone()),
        limits: house.limit_defaults(),
        // The operator vouches for whom the key is made for.
        live_needs_verified: false,
    }
}

#[derive(Serialize)]
struct Made {
    id: String,
    key: String,
    prefix: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
}

impl Made {
    fn of(key: &ApiKey, secret: &PlainSecret) -> Self {
        Self {
            id: key.id.to_string(),
            key: secret.expose().to_owned(),
            prefix: key.prefix.clone(),
            scopes: key.terms.scopes.iter().map(ToString::to_string).collect(),
            expires_at: key.terms.expires_at.map(Timestamp::to_rfc3339),
        }
    }
    fn text(&self) -> String {
        format!(
            "id       {}\nkey      {}  (shown only now)\nscopes   {}\nexpires  {}",
            self.id,
            self.key,
            self.scopes.join(" "),
            self.expires_at.as_deref().unwrap_or("never"),
        )
    }
}

async fn create(house: &House, args: KeyCreate, output: Output) -> anyhow::Result<()> {
    let owner = user::find(&house.store, &args.user).await?;
    let environment = if args.test { Environment::Test } else { Environment::Live };
    let raw = RawKey {
        name: args.name,
        note: args.note,
        environment: environment.as_str().to_owned(),
        audiences: args.audience,
        scopes: args.scope,
        expires: args.expires,
        rate: args.rate.unwrap_or_default(),
        quota_day: args.quota_day.map(|calls| calls.to_string()).unwrap_or_default(),
        quota_month: args.quota_month.map(|calls| calls.to_string()).unwrap_or_default(),
        addresses: args.address.join(" "),
    };
    let draft = raw.read().map_err(|errors| {
        let lines: Vec<String> =
            errors.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        anyhow::anyhow!(lines.join("; "))
    })?;
    let secret = keys::new_secret(&house.config.shapes.brand, environment, &*house.random);
    let (act, rules, kept) = (house.command(), rules(house), secret.clone());
    let key = house
        .store
        .write(move |tx| keys::create(tx, &act, &rules, &By::Operator, owner, draft, &kept))
        .await?;
    output.print(&Made::of(&key, &secret), Made::text)
}

#[derive(Serialize)]
struct Listed {
    id: String,
    user: String,
    name: String,
    prefix: String,
    environment: &'static str,
    status: &'static str,
    scopes: Vec<String>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

async fn list(house: &House, email: Option<&str>, output: Output) -> anyhow::Result<()> {
    let owner = match email {
        Some(email) => Some(user::find(&house.store, email).await?),
        None => None,
    };
    let now = house.clock.now();
    let mut found: Vec<ApiKey> = Vec::new();
    loop {
        let filter = KeyFilter {
            owner,
            with_revoked: true,
            before: found.last().map(|key| key.id),
            ..KeyFilter::default()
        };
        let page = house.store.read(move |conn| api_keys::list(conn, &filter, now, PAGE)).await?;
        let full = page.len() == PAGE as usize;
        found.extend(page);
        if !full {
            break;
        }
    }
    let owners = user::names(&house.store, found.iter().map(|key| key.owner).collect()).await?;
    let listed: Vec<Listed> = found
        .iter()
        .zip(owners)
        .map(|(key, (_, user))| Listed {
            id: key.id.to_string(),
            user,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            environment: key.terms.environment.as_str(),
            status: key.status(now).as_str(),
            scopes: key.terms.scopes.iter().map(ToString::to_string).collect(),
            expires_at: key.terms.expires_at.map(Timestamp::to_rfc3339),
            last_used_at: key.last_used_at.map(Timestamp::to_rfc3339),
        })
        .collect();
    output.print(&listed, |list| {
        let row = |k: &Listed| {
            vec![k.id.clone(), k.user.clone(), k.name.clone(), format!("{}…", k.prefix), k.status.into()]
        };
        let rows: Vec<Vec<String>> = list.iter().map(row).collect();
        table(&["ID", "USER", "NAME", "KEY", "STATUS"], &rows)
    })
}

/// The key's id and whose it is.
async fn find(house: &House, id: &str) -> anyhow::Result<(ApiKeyId, OwnerId, Environment)> {
    let id: ApiKeyId = id.parse().context("the key's id")?;
    let key = house.store.read(move |conn| api_keys::find(conn, id)).await?;
    let key = key.with_context(|| format!("there is no key {id}"))?;
    Ok((id, key.owner, key.terms.environment))
}

#[derive(Serialize)]
struct Revoked {
    id: String,
    status: &'static str,
}

async fn revoke(house: &House, id: &str, reason: String, output: Output) -> anyhow::Result<()> {
    let (id, owner, _) = find(house, id).await?;
    let act = house.command();
    let now = act.now;
    let key = house.store.write(move |tx| keys::revoke(tx, &act, &By::Operator, owner, id, &reason)).await?;
    let revoked = Revoked { id: id.to_string(), status: key.status(now).as_str() };
    output.print(&revoked, |r| format!("{} is revoked, with everything that it made.", r.id))
}

async fn rotate(house: &House, id: &str, grace: &str, output: Output) -> anyhow::Result<()> {
    let grace: Grace = grace.parse().map_err(|_| {
        let choices: Vec<&str> = Grace::ALL.iter().map(|grace| grace.as_str()).collect();
        anyhow::anyhow!("--grace is one of {}", choices.join(", "))
    })?;
    let (id, owner, environment) = find(house, id).await?;
    let secret = keys::new_secret(&house.config.shapes.brand, environment, &*house.random);
    let (act, rules, kept) = (house.command(), rules(house), secret.clone());
    let rotated = house
        .store
        .write(move |tx| keys::rotate(tx, &act, &rules, &By::Operator, owner, id, grace, &kept))
        .await?;
    output.print(&Made::of(&rotated.new, &secret), Made::text)
}
