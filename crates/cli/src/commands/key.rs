//! `keyway key create|list|revoke|rotate|import`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, Grace};
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::secret::PlainSecret;
use keyway_portal::flows::keys::{self, By, ImportLine, ImportReport, KeyRules, RawKey};
use keyway_store::StoreError;
use keyway_store::tables::api_keys::{self, KeyFilter};
use serde::Serialize;

use super::user;
use crate::args::{Key, KeyCreate};
use crate::house::House;
use crate::output::{Output, table};

/// Keys read at once.
const PAGE: u32 = 500;
/// Lines imported in one transaction.
const BATCH: usize = 500;
/// The longest line of a file to import, in bytes.
const MAX_LINE: usize = 16 * 1024;

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
        Key::Import { file } => import(house, &file, output).await,
    }
}

fn rules(house: &House) -> KeyRules {
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

#[derive(Serialize)]
struct Imported {
    imported: u64,
    present: u64,
    refused: Vec<RefusedLine>,
}

#[derive(Serialize)]
struct RefusedLine {
    line: u64,
    problem: String,
}

async fn import(house: &House, file: &Path, output: Output) -> anyhow::Result<()> {
    let mut reader = BufReader::new(File::open(file).with_context(|| file.display().to_string())?);
    let mut report = ImportReport::default();
    let mut batch: Vec<(u64, ImportLine)> = Vec::new();
    let mut number = 0;
    while let Some(line) = next_line(&mut reader).with_context(|| file.display().to_string())? {
        number += 1;
        match line {
            Err(problem) => report.refused.push((number, problem)),
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => match keys::parse_import_line(&text) {
                Ok(line) => batch.push((number, line)),
                Err(problem) => report.refused.push((number, problem)),
            },
        }
        if batch.len() == BATCH {
            keep(house, std::mem::take(&mut batch), &mut report).await?;
        }
    }
    keep(house, batch, &mut report).await?;
    report.refused.sort_unstable();
    let refused = report.refused.into_iter().map(|(line, problem)| RefusedLine { line, problem }).collect();
    let imported = Imported { imported: report.imported, present: report.present, refused };
    output.print(&imported, |i| {
        let mut text = format!("Imported {} keys; {} were there already.\n", i.imported, i.present);
        for refused in &i.refused {
            text.push_str(&format!("  line {}: {}\n", refused.line, refused.problem));
        }
        text
    })?;
    match imported.refused.len() {
        0 => Ok(()),
        count => bail!("{count} of {number} lines were left out"),
    }
}

async fn keep(
    house: &House,
    batch: Vec<(u64, ImportLine)>,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let (act, rules) = (house.command(), rules(house));
    let done = house.store.write(move |tx| keys::import(tx, &act, &rules, batch)).await?;
    report.imported += done.imported;
    report.present += done.present;
    report.refused.extend(done.refused);
    Ok(())
}

/// The next line, of bounded length; what is wrong with it, if something is. `None` at the end.
fn next_line(reader: &mut impl BufRead) -> std::io::Result<Option<Result<String, String>>> {
    let (mut line, mut too_long, mut any) = (Vec::new(), false, false);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = buffer.iter().position(|b| *b == b'\n');
        let taken = end.map_or(buffer.len(), |at| at + 1);
        let room = MAX_LINE.saturating_sub(line.len());
        too_long |= taken > room;
        line.extend(buffer.iter().take(taken.min(room)));
        reader.consume(taken);
        if end.is_some() {
            break;
        }
    }
    Ok(any.then(|| {
        if too_long {
            return Err(format!("longer than {MAX_LINE} bytes"));
        }
        String::from_utf8(line).map_err(|_| "not UTF-8".to_owned())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_never_beyond_their_bound() {
        let long = "x".repeat(MAX_LINE + 1);
        let text = format!("one\n\n{long}\ntwo");
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).unwrap() {
            lines.push(line.map(|text| text.trim_end().to_owned()));
        }
        let too_long = Err(format!("longer than {MAX_LINE} bytes"));
        assert_eq!(lines, [Ok("one".into()), Ok(String::new()), too_long, Ok("two".into())]);
    }
}
