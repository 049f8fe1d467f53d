//! Importing keys by their SHA-256: Keyway-shaped or issued elsewhere.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, MAX_NAME_LEN, Terms};
use keyway_core::facts::Ancestors;
use keyway_core::ids::{ApiKeyId, OwnerId};
use keyway_core::owner::Environment;
use keyway_core::scope::{Scope, ScopeSet};
use keyway_core::secret::SecretDigest;
use keyway_core::text::misleads;
use keyway_store::tables::{accounts, api_keys};
use keyway_store::{StoreError, Tx};
use serde::Deserialize;
use serde_json::json;

use super::{KeyRules, state};
use crate::flows::{Act, Deed};

/// The longest prefix that is kept, in characters.
const MAX_PREFIX_LEN: usize = 32;

/// A line of a file to import: one key as JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportLine {
    /// SHA-256 of the whole key, in hexadecimal digits.
    pub sha256: String,
    /// The e-mail address of the owner.
    pub user: String,
    /// 1 to 100 characters.
    pub name: String,
    /// At least one.
    pub scopes: Vec<String>,
    /// The APIs it is for; those to which the scopes belong unless named.
    #[serde(default)]
    pub audience: Vec<String>,
    /// `live` unless said.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// RFC 3339; never unless said.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// What the key begins with, for lists.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// What became of a batch. Every line is in one of the three.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// How many keys were added.
    pub imported: u64,
    /// How many lines name a key that the same owner has already: importing a file twice is harmless.
    pub present: u64,
    /// The lines that were left out, by number, and why.
    pub refused: Vec<(u64, String)>,
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse_import_line(text: &str) -> Result<ImportLine, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A line that says nothing wrong: a key but for its owner.
#[derive(Clone, Debug)]
pub struct ImportKey {
    digest: SecretDigest,
    email: String,
    name: String,
    prefix: String,
    terms: Terms,
}

/// Checks all of a line that can be told without the database, so that no transaction waits for it.
///
/// # Errors
/// What is wrong with it.
pub fn check_import_line(rules: &KeyRules, line: ImportLine, now: Timestamp) -> Result<ImportKey, String> {
    let digest = SecretDigest::from_hex(&line.sha256).ok_or("sha256 is not 64 hexadecimal digits")?;
    let email = line.user.trim().to_lowercase();
    let (name, prefix, terms) = read(rules, line, now)?;
    Ok(ImportKey { digest, email, name, prefix, terms })
}

/// Imports a batch of numbered lines in one transaction. A line that cannot be imported is named, and the others
/// are imported. The batch has one audit row for each owner.
///
/// # Errors
/// When the database cannot take the batch; then none of it is there.
pub fn import(tx: &mut Tx<'_>, act: &Act, batch: Vec<(u64, ImportKey)>) -> Result<ImportReport, StoreError> {
    let mut report = ImportReport::default();
    let digests: Vec<SecretDigest> = batch.iter().map(|(_, key)| key.digest).collect();
    // Nothing fails in the database that a look-up could have told, so that the transaction goes on.
    let mut holders: HashMap<[u8; 32], OwnerId> = api_keys::owners_by_digest(tx.conn(), &digests)?
        .into_iter()
        .map(|(digest, owner)| (*digest.as_bytes(), owner))
        .collect();
    let mut owners: HashMap<String, Option<OwnerId>> = HashMap::new();
    let mut new: Vec<(ApiKey, SecretDigest)> = Vec::with_capacity(batch.len());
    for (number, key) in batch {
        let owner = match owners.get(&key.email) {
            Some(known) => *known,
            None => {
                let found = accounts::find_by_email(tx.conn(), &key.email)?.map(|account| account.owner_id);
                owners.insert(key.email.clone(), found);
                found
            }
        };
        let Some(owner) = owner else {
            report.refused.push((number, format!("there is no account {}", key.email)));
            continue;
        };
        match holders.entry(*key.digest.as_bytes()) {
            Entry::Vacant(free) => {
                free.insert(owner);
                new.push((imported(act, owner, key.name, key.prefix, key.terms), key.digest));
            }
            Entry::Occupied(holder) if *holder.get() == owner => report.present += 1,
            Entry::Occupied(_) => report.refused.push((number, "another account has this key".into())),
        }
    }
    // In the order of the index that they are spread over: each of its pages is then visited once.
    new.sort_unstable_by_key(|(_, digest)| *digest.as_bytes());
    api_keys::insert_all(tx.conn(), &new)?;
    report.imported = new.len() as u64;
    audit(tx, act, &new)?;
    Ok(report)
}

fn imported(act: &Act, owner: OwnerId, name: String, prefix: String, terms: Terms) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(act.now, &*act.random),
        owner,
        creator: owner,
        prefix,
        last4: String::new(),
        name,
        note: String::new(),
        terms,
        ancestors: Ancestors::new(),
        created_at: act.now,
        disabled_at: None,
        revoked_at: None,
        revoked_reason: None,
        replaced_by: None,
        grace_ends_at: None,
        replaces: None,
        imported: true,
        last_used_at: None,
        last_used_address: None,
        version: 0,
    }
}

/// One row for each owner. Of a single key it tells as if it had been created; several are those that were imported
/// at the row's time.
fn audit(tx: &mut Tx<'_>, act: &Act, new: &[(ApiKey, SecretDigest)]) -> Result<(), StoreError> {
    let mut by_owner: BTreeMap<OwnerId, Vec<&ApiKey>> = BTreeMap::new();
    for (key, _) in new {
        by_owner.entry(key.owner).or_default().push(key);
    }
    for (owner, keys) in by_owner {
        let deed = match keys.as_slice() {
            [key] => Deed::new(Some(owner), "key.imported", "api_key", key.id).after(state(key)),
            keys => {
                let after = json!({ "keys": keys.len(), "created_at": act.now.to_rfc3339() });
                Deed::new(Some(owner), "key.imported", "api_keys", owner).after(after)
            }
        };
        act.audit(tx, deed)?;
    }
    Ok(())
}

fn read(rules: &KeyRules, line: ImportLine, now: Timestamp) -> Result<(String, String, Terms), String> {
    let name = line.name.trim().to_owned();
    if !(1..=MAX_NAME_LEN).contains(&name.chars().count()) || name.chars().any(misleads) {
        return Err("a name has 1 to 100 characters".into());
    }
    let prefix = line.prefix.unwrap_or_default();
    if prefix.len() > MAX_PREFIX_LEN || !prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a prefix has at most 32 printable characters".into());
    }
    let scopes: ScopeSet = line
        .scopes
        .iter()
        .map(|scope| scope.parse::<Scope>().map_err(|error| format!("{scope:?}: {error}")))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .collect();
    let apis = rules.audiences(&line.audience, &scopes).map_err(|error| error.to_string())?;
    let expires_at = match line.expires_at.as_deref().map(Timestamp::parse_rfc3339) {
        None => None,
        Some(Some(end)) if end > now => Some(end),
        Some(Some(_)) => return Err("the key has expired".into()),
        Some(None) => return Err("expires_at is not a time such as 2027-01-31T00:00:00Z".into()),
    };
    let terms = Terms {
        environment: line.environment.unwrap_or(Environment::Live),
        audiences: apis.iter().map(|api| api.audience.clone()).collect(),
        scopes,
        addresses: keyway_core::address::AddressList::default(),
        rate: None,
        quotas: keyway_core::quota::Quotas::OFF,
        expires_at,
    };
    Ok((name, prefix, terms))
}
