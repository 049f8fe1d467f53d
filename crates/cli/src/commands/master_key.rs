//! `keyway master-key rotate`: a new key takes over in steps, so that running servers always know both.

use std::time::Duration;

use keyway_store::{StoreError, seal};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::MasterKey;
use crate::home;
use crate::house::House;
use crate::output::{Output, say_beside};
use crate::tasks::KEY_FILE_ROUND;

/// How long running servers get to read the changed file.
const LEARNING: Duration = Duration::from_secs(KEY_FILE_ROUND.as_secs() * 3);

#[derive(Serialize)]
struct Rotated {
    master_key: String,
    resealed: usize,
}

/// Does what was asked for. Interrupted, it can be run again: nothing is sealed under a key that the file does not
/// hold.
///
/// # Errors
/// When the file cannot be written or a value cannot be opened.
pub async fn run(house: &House, which: &MasterKey, output: Output) -> anyhow::Result<()> {
    let MasterKey::Rotate = which;
    let path = &house.config.master_key_file;
    let mut lines = home::master_key_lines(path)?;
    if lines.len() > 1 {
        // An earlier run was interrupted: back to the key that stands first.
        reseal(house).await?;
        home::replace_master_key(path, &lines.iter().take(1).collect::<Vec<_>>())?;
        lines.truncate(1);
    }
    let Some(old) = lines.pop() else { anyhow::bail!("{} is empty", path.display()) };
    let new = home::new_master_key(&*house.random);
    say_beside("Running servers learn the new key; this takes a few seconds.");
    step(house, &[&old, &new]).await?;
    step(house, &[&new, &old]).await?;
    let resealed = reseal(house).await?;
    home::replace_master_key(path, &[&new])?;
    let rotated = Rotated { master_key: house.master_key.key_id(), resealed };
    output.print(&rotated, |r| {
        format!(
            "{} seals now; {} values were sealed anew. Servers on other machines need the new file before they start \
             again. Everybody signs in again after the portal's next start.",
            r.master_key, r.resealed
        )
    })
}

/// Writes the file, and waits until every running server has read it.
async fn step(house: &House, lines: &[&Zeroizing<String>]) -> anyhow::Result<()> {
    home::replace_master_key(&house.config.master_key_file, lines)?;
    house.master_key.become_like(&home::master_key(&house.config, false, &*house.random)?);
    tokio::time::sleep(LEARNING).await;
    Ok(())
}

async fn reseal(house: &House) -> Result<usize, StoreError> {
    let (key, random) = (house.master_key.clone(), std::sync::Arc::clone(&house.random));
    house.store.write(move |tx| seal::reseal(tx.conn(), &key, &*random)).await
}
