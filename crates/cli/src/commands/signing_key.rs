//! `keyway signing-key list|rotate|revoke|import`.

use std::path::Path;

use anyhow::{Context, bail};
use keyway_core::jwt::{Algorithm, Purpose};
use keyway_portal::flows::jwt;
use keyway_store::tables::signing_keys;
use serde::Serialize;

use crate::args::{KeyPurpose, SigningKey};
use crate::house::House;
use crate::output::{Output, table};

/// The most keys that are listed.
const MAX_LIST: u32 = 200;
/// The largest JWK file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

#[derive(Serialize)]
struct Listed {
    kid: String,
    purpose: &'static str,
    algorithm: &'static str,
    state: &'static str,
    created_at: String,
}

#[derive(Serialize)]
struct Current {
    kid: String,
}

/// Does what was asked for.
///
/// # Errors
/// When the flow refuses or a file cannot be read.
pub async fn run(house: &House, which: SigningKey, output: Output) -> anyhow::Result<()> {
    let ring = house.key_ring();
    let act = house.command();
    match which {
        SigningKey::List => list(house, output).await,
        SigningKey::Rotate { purpose, algorithm, now } => {
            let purpose = line(purpose)(algorithm.into());
            let kid = jwt::rotate(&house.store, &ring, act, purpose, now).await?;
            output.print(&Current { kid }, |c| format!("{} signs now.", c.kid))
        }
        SigningKey::Revoke { kid } => {
            let current = jwt::revoke(&house.store, &ring, act, kid.clone()).await?;
            output.print(&Current { kid: current }, |c| {
                format!("{kid} is revoked, with everything that it signed. {} signs now.", c.kid)
            })
        }
        SigningKey::Import { file, purpose, now } => {
            let jwk = read(&file)?;
            let kid = jwt::import(&house.store, &ring, act.clone(), &jwk, purpose.map(line)).await?;
            if !now {
                return output.print(&Current { kid }, |c| format!("{} signs next.", c.kid));
            }
            let wanted = kid.clone();
            let key = house.store.read(move |conn| signing_keys::find(conn, &wanted)).await?;
            let purpose = key.context("the key is gone")?.purpose;
            let kid = jwt::rotate(&house.store, &ring, act, purpose, true).await?;
            output.print(&Current { kid }, |c| format!("{} signs now.", c.kid))
        }
    }
}

/// The line of keys of a purpose, by the algorithm of a key.
fn line(purpose: KeyPurpose) -> fn(Algorithm) -> Purpose {
    match purpose {
        KeyPurpose::AccessToken => |_| Purpose::AccessToken,
        KeyPurpose::IdToken => Purpose::IdToken,
    }
}

async fn list(house: &House, output: Output) -> anyhow::Result<()> {
    let keys = house.store.read(|conn| signing_keys::list(conn, MAX_LIST)).await?;
    let keys: Vec<Listed> = keys
        .iter()
        .map(|key| Listed {
            kid: key.kid().to_owned(),
            purpose: key.purpose.as_str(),
            algorithm: key.algorithm.as_str(),
            state: key.state.as_str(),
            created_at: key.created_at.to_rfc3339(),
        })
        .collect();
    output.print(&keys, |keys| {
        let row = |k: &Listed| {
            vec![k.kid.clone(), k.purpose.into(), k.algorithm.into(), k.state.into(), k.created_at.clone()]
        };
        let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
        table(&["KID", "SIGNS", "ALGORITHM", "STATE", "MADE"], &rows)
    })
}

fn read(file: &Path) -> anyhow::Result<zeroize::Zeroizing<String>> {
    if std::fs::metadata(file).with_context(|| file.display().to_string())?.len() > MAX_FILE {
        bail!("{} is larger than {MAX_FILE} bytes", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(zeroize::Zeroizing::new(text))
}
