//! Importing keys by their SHA-256: Keyway-shaped or issued elsewhere.

use keyway_core::Timestamp;
use keyway_core::api_key::{ApiKey, MAX_NAME_LEN, Terms};
use keyway_core::facts::Ancestors;
use keyway_core::ids::ApiKeyId;
use keyway_core::owner::Environment;
use keyway_core::scope::{Scope, ScopeSet};
use keyway_core::secret::SecretDigest;
use keyway_store::tables::{accounts, api_keys};
use keyway_store::{StoreError, Tx};
use serde::Deserialize;

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

/// Imports a batch of numbered lines in one transaction. A line that cannot be imported is named, and the others
/// are imported.
///
/// # Errors
/// When the database cannot take the batch; then none of it is there.
pub fn import(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    batch: Vec<(u64, ImportLine)>,
) -> Result<ImportReport, StoreError> {
    let mut report = ImportReport::default();
    for (number, line) in batch {
        match import_line(tx, act, rules, line)? {
            Ok(true) => report.imported += 1,
            Ok(false) => report.present += 1,
            Err(problem) => report.refused.push((number, problem)),
        }
    }
    Ok(report)
}

/// `Ok(false)` when the key is there already. Nothing fails in the database that a look-up could have told, so that
/// the transaction goes on.
fn import_line(
    tx: &mut Tx<'_>,
    act: &Act,
    rules: &KeyRules,
    line: ImportLine,
) -> Result<Result<bool, String>, StoreError> {
    let email = line.user.trim().to_lowercase();
    let Some(account) = accounts::find_by_email(tx.conn(), &email)? else {
        return Ok(Err(format!("there is no account {email}")));
    };
    let Some(digest) = SecretDigest::from_hex(&line.sha256) else {
        return Ok(Err("sha256 is not 64 hexadecimal digits".into()));
    };
    if let Some(present) = api_keys::find_by_digest(tx.conn(), &digest)? {
        let same = present.owner == account.owner_id;
        return Ok(if same { Ok(false) } else { Err("another account has this key".into()) });
    }
    let (name, prefix, terms) = match read(rules, line, act.now) {
        Ok(read) => read,
        Err(problem) => return Ok(Err(problem)),
    };
    let key = ApiKey {
        id: ApiKeyId::new(act.now, &*act.random),
        owner: account.owner_id,
        creator: account.owner_id,
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
    };
    api_keys::insert(tx.conn(), &key, &digest)?;
    act.audit(tx, Deed::new(Some(key.owner), "key.imported", "api_key", key.id).after(state(&key)))?;
    Ok(Ok(true))
}

fn read(rules: &KeyRules, line: ImportLine, now: Timestamp) -> Result<(String, String, Terms), String> {
    let name = line.name.trim().to_owned();
    if !(1..=MAX_NAME_LEN).contains(&name.chars().count()) || name.chars().any(char::is_control) {
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
        expires_at,
    };
    Ok((name, prefix, terms))
}
