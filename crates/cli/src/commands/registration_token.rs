//! `keyway client registration-token create|list|revoke`: who may let clients register themselves (RFC 7591 §3).

use anyhow::{Context, bail};
use keyway_core::ids::RegistrationTokenId;
use keyway_portal::flows::clients::builtin_owner;
use keyway_portal::flows::registration::{NewToken, create_token, revoke_token};
use keyway_portal::settings::Registration;
use keyway_store::tables::registration_tokens as rows;
use serde::Serialize;

use super::user;
use crate::args::{RegistrationToken, RegistrationTokenCreate};
use crate::config::span;
use crate::house::House;
use crate::output::{Output, say_beside, table};

/// The most tokens that are listed.
const MAX_LIST: u32 = 1_000;
/// The longest note, in characters.
const MAX_NOTE_LEN: usize = 200;

/// Does what was asked for.
///
/// # Errors
/// When an input cannot be used, or the database cannot answer.
pub async fn run(house: &House, which: RegistrationToken, output: Output) -> anyhow::Result<()> {
    match which {
        RegistrationToken::Create(args) => create(house, args, output).await,
        RegistrationToken::List => list(house, output).await,
        RegistrationToken::Revoke { id } => revoke(house, &id, output).await,
    }
}

#[derive(Serialize)]
struct Created {
    id: String,
    token: String,
    uses_left: u64,
    expires_at: String,
}

async fn create(house: &House, args: RegistrationTokenCreate, output: Output) -> anyhow::Result<()> {
    let owner = match &args.owner {
        Some(email) => user::find(&house.store, email).await?,
        None => builtin_owner(),
    };
    if args.note.chars().count() > MAX_NOTE_LEN || args.note.chars().any(keyway_core::text::misleads) {
        bail!("--note has at most {MAX_NOTE_LEN} characters, none of them a control character");
    }
    let span = span::parse(&args.expires).context("--expires")?;
    let act = house.command();
    let new = NewToken { owner, note: args.note, uses: args.uses, expires_at: act.now + span };
    let brand = house.config.shapes.brand.clone();
    let (token, plain) = house.store.write(move |tx| create_token(tx, &act, &brand, new)).await?;
    if house.config.written.oauth.registration == Registration::Off {
        say_beside("Clients cannot register themselves until [oauth] registration is token or open.");
    }
    let created = Created {
        id: token.id.to_string(),
        token: plain.expose().to_owned(),
        uses_left: token.uses_left,
        expires_at: token.expires_at.to_rfc3339(),
    };
    output.print(&created, |c| {
        format!("id       {}\ntoken    {}  (shown only now)\nexpires  {}", c.id, c.token, c.expires_at)
    })
}

#[derive(Serialize)]
struct Listed {
    id: String,
    owner: String,
    note: String,
    state: &'static str,
    uses_left: u64,
    expires_at: String,
}

async fn list(house: &House, output: Output) -> anyhow::Result<()> {
    let now = house.command().now;
    let tokens = house.store.read(|conn| rows::list(conn, MAX_LIST)).await?;
    let owners = user::names(&house.store, tokens.iter().map(|token| token.owner).collect()).await?;
    let listed: Vec<Listed> = tokens
        .into_iter()
        .zip(owners)
        .map(|(token, (_, owner))| Listed {
            id: token.id.to_string(),
            owner,
            state: match (token.revoked_at, token.is_usable(now), token.uses_left) {
                (Some(_), _, _) => "revoked",
                (None, true, _) => "active",
                (None, false, 0) => "used",
                (None, false, _) => "expired",
            },
            note: token.note,
            uses_left: token.uses_left,
            expires_at: token.expires_at.to_rfc3339(),
        })
        .collect();
    output.print(&listed, |list| {
        let row = |t: &Listed| {
            let (left, expires) = (t.uses_left.to_string(), t.expires_at.clone());
            vec![t.id.clone(), t.state.into(), left, expires, t.owner.clone(), t.note.clone()]
        };
        let rows: Vec<Vec<String>> = list.iter().map(row).collect();
        table(&["TOKEN", "STATE", "USES LEFT", "EXPIRES", "OWNER", "NOTE"], &rows)
    })
}

#[derive(Serialize)]
struct Revoked {
    id: String,
}

async fn revoke(house: &House, id: &str, output: Output) -> anyhow::Result<()> {
    let id: RegistrationTokenId = id.parse().context("the token's id")?;
    let act = house.command();
    if !house.store.write(move |tx| revoke_token(tx, &act, id)).await? {
        bail!("there is no such token that works");
    }
    output.print(&Revoked { id: id.to_string() }, |r| format!("Revoked {}.", r.id))
}
