//! The data folder and what lies in it: the database, the master key, mails, notes. Made readable by its owner alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use keyway_core::Random;
use keyway_core::secret::PlainSecret;
use keyway_store::DatabaseUrl;
use keyway_store::seal::{KEY_LEN, MasterKey};
use zeroize::Zeroizing;

use crate::config::Config;

/// The longest master key file, in bytes.
const MAX_KEY_FILE: u64 = 4_096;

/// The password of the demo people: in the data folder, made if it is missing.
///
/// # Errors
/// When the file cannot be read or written.
pub fn demo_password(folder: &Path, make: impl FnOnce() -> PlainSecret) -> anyhow::Result<PlainSecret> {
    let path = folder.join("demo-password");
    if !path.exists() {
        write_private(&path, make().expose()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).with_context(|| path.display().to_string())?);
    Ok(PlainSecret::new(text.trim()))
}

/// Makes the data folder and the database's, if they are missing.
///
/// # Errors
/// When a folder cannot be made.
pub fn prepare(config: &Config) -> anyhow::Result<()> {
    make_folder(&config.data_dir)?;
    if let DatabaseUrl::Sqlite(path) = &config.database
        && let Some(folder) = path.parent()
    {
        make_folder(folder)?;
    }
    Ok(())
}

/// The master key; where `create` says so, a missing one is made.
///
/// # Errors
/// When the file is missing, or holds something else than 64 hexadecimal digits.
pub fn master_key(config: &Config, create: bool, random: &dyn Random) -> anyhow::Result<MasterKey> {
    let path = &config.master_key_file;
    match read_key(path)? {
        Some(key) => Ok(key),
        None if create => {
            // Two processes that start at once: the first file stays, both read it.
            match write_private(path, &new_master_key(random)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
            }
            read_key(path)?.with_context(|| format!("{} vanished", path.display()))
        }
        None => bail!(
            "there is no master key at {}: `keyway dev` makes one; for a server make it with `openssl rand -hex 32`, or \
             set KEYWAY_MASTER_KEY_FILE",
            path.display()
        ),
    }
}

fn read_key(path: &Path) -> anyhow::Result<Option<MasterKey>> {
    let size = match std::fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if size > MAX_KEY_FILE {
        bail!("{} is no master key: it is larger than {MAX_KEY_FILE} bytes", path.display());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(|| path.display().to_string())?);
    let unfit = || format!("{} is no master key: 64 hexadecimal digits", path.display());
    // While the key is being replaced, both stand in the file: the first seals, both open.
    let mut keys =
        text.lines().map(|line| bytes(line.trim()).and_then(|bytes| MasterKey::from_slice(&bytes)));
    let mut key = keys.next().flatten().with_context(unfit)?;
    for other in keys {
        key = key.and(&other.with_context(unfit)?);
    }
    Ok(Some(key))
}

fn digits(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2 + 1));
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    text
}

fn bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(KEY_LEN));
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for pair in pairs {
        out.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
    }
    rest.is_empty().then_some(out)
}

/// The lines of the master key file: digits of the key that seals, then of those that open as well.
///
/// # Errors
/// When it cannot be read.
pub fn master_key_lines(path: &Path) -> anyhow::Result<Vec<Zeroizing<String>>> {
    read_key(path)?.with_context(|| format!("there is no master key at {}", path.display()))?;
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(|| path.display().to_string())?);
    Ok(text.lines().map(|line| Zeroizing::new(line.trim().to_owned())).collect())
}

/// Puts these lines in the place of the master key file, at once.
///
/// # Errors
/// When a file cannot be written.
pub fn replace_master_key(path: &Path, lines: &[&Zeroizing<String>]) -> anyhow::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for line in lines {
        text.push_str(line.trim());
        text.push('\n');
    }
    let beside = path.with_extension("new");
    drop(std::fs::remove_file(&beside));
    write_private(&beside, &text).with_context(|| beside.display().to_string())?;
    std::fs::rename(&beside, path).with_context(|| path.display().to_string())
}

/// Digits of a new master key.
pub fn new_master_key(random: &dyn Random) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    random.fill(&mut *bytes);
    digits(&*bytes)
}

/// Writes a file that must not exist, mode 0600.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Sources};
    use keyway_core::random::SeededRandom;

    fn config(folder: &Path) -> Config {
        let flags = vec![("data_dir", folder.join("var").display().to_string())];
        Config::load(&Sources { file: Some("/dev/null".into()), environment: Vec::new(), flags }, Mode::Dev)
            .unwrap()
    }

    #[test]
    fn the_master_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        prepare(&config).unwrap();
        let random = SeededRandom::new(1);
        assert!(
            master_key(&config, false, &random)
                .unwrap_err()
                .to_string()
                .starts_with("there is no master key")
        );
        let made = master_key(&config, true, &random).unwrap();
        assert_eq!(master_key(&config, true, &random).unwrap().key_id(), made.key_id());
        assert_eq!(master_key(&config, false, &random).unwrap().key_id(), made.key_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&config.master_key_file), mode(&config.data_dir)), (0o600, 0o700));
        }
    }

    #[test]
    fn what_is_no_master_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        prepare(&config).unwrap();
        for bad in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66), &"0".repeat(5_000)] {
            std::fs::write(&config.master_key_file, bad).unwrap();
            let error = master_key(&config, true, &SeededRandom::new(1)).unwrap_err();
            assert!(error.to_string().contains("is no master key"), "{bad}: {error}");
        }
    }
}
