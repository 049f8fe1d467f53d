//! Sealing under the master key what must be read back: signing keys, answers kept for a repeated refresh.
//!
//! A sealed value is the key's id ‖ nonce ‖ AES-256-GCM ciphertext, with table, column and row as associated data:
//! it opens only where it was sealed. The master key itself is never in the database nor in a backup.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use diesel::prelude::*;
use keyway_core::Random;
use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::conn::Conn;
use crate::error::StoreError;
use crate::schema::{connections, providers, signing_keys};
use crate::store::Store;
use crate::tables::settings;

/// The length of the master key, in bytes.
pub const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 8;

/// The setting that tells which master key the database belongs to.
const CHECK: &str = "master_key_check";
const CHECK_PLACE: Place<'static> = Place { table: "settings", column: "value", row: CHECK };
const CHECK_TEXT: &[u8] = b"keyway";

/// Where a value is sealed, and the only place where it opens.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// Its column.
    pub column: &'static str,
    /// The row's primary key.
    pub row: &'a str,
}

impl Place<'_> {
    /// Each part with its length before it, so that no two places look the same.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for part in ["keyway sealed value 1", self.table, self.column, self.row] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
    const fn error(&self) -> StoreError {
        StoreError::Sealed { table: self.table, column: self.column }
    }
}

/// The 256-bit key that everything sealed depends on. Shows nothing but its id. All clones are one: while it is
/// being replaced they know the old key and the new one, and what was sealed under either opens.
#[derive(Clone)]
pub struct MasterKey {
    /// The first one seals; never empty.
    known: Arc<RwLock<Vec<Known>>>,
}

/// One key.
#[derive(Clone)]
struct Known {
    /// HKDF's pseudorandom key (RFC 5869 §2.2).
    extracted: Zeroizing<[u8; KEY_LEN]>,
    id: [u8; KEY_ID_LEN],
}

impl Known {
    fn derive(&self, label: &str) -> Zeroizing<[u8; KEY_LEN]> {
        hmac_sha256(&*self.extracted, &[b"keyway ", label.as_bytes(), &[1]])
    }
    fn cipher(&self, place: &Place<'_>) -> Result<LessSafeKey, StoreError> {
        let key = self.derive("seal");
        UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map_err(|_| place.error())
    }
}

impl MasterKey {
    /// From its 32 bytes; `None` if there are more or fewer.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LEN {
            return None;
        }
        let extracted = hmac_sha256(&[0; KEY_LEN], &[bytes]);
        let mut key = Known { extracted, id: [0; KEY_ID_LEN] };
        key.id = *key.derive("key id").first_chunk()?;
        Some(Self { known: Arc::new(RwLock::new(vec![key])) })
    }
    /// The same, opening also what was sealed under `others`.
    #[must_use]
    pub fn and(self, others: &Self) -> Self {
        let others = others.known.read().clone();
        self.known.write().extend(others);
        self
    }
    /// Knows what `other` knows from here on, in its order, in all clones.
    pub fn become_like(&self, other: &Self) {
        let known = other.known.read().clone();
        *self.known.write() = known;
    }
    /// Which key this is, in hexadecimal digits; tells nothing of the key.
    pub fn key_id(&self) -> String {
        self.first().map(|key| hex(&key.id)).unwrap_or_default()
    }
    /// A key for one purpose (HKDF-SHA-256, RFC 5869 §2.3 with one block). One label per purpose.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; KEY_LEN]> {
        self.first().map_or_else(|| Zeroizing::new([0; KEY_LEN]), |key| key.derive(label))
    }
    fn first(&self) -> Option<Known> {
        self.known.read().first().cloned()
    }

    /// Seals `plain` for one place.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it is longer than AES-GCM can take.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0_u8; NONCE_LEN];
        random.fill(&mut nonce);
        let mut body = plain.to_vec();
        let key = self.first().ok_or(place.error())?;
        key.cipher(place)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut body,
            )
            .map_err(|_| place.error())?;
        let mut sealed = Vec::with_capacity(KEY_ID_LEN + NONCE_LEN + body.len());
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`] when another key is needed, [`StoreError::Sealed`] when the value was altered
    /// or moved.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LEN>().ok_or(place.error())?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(place.error())?;
        let key = self.known.read().iter().find(|key| key.id == *id).cloned();
        let key =
            key.ok_or_else(|| StoreError::WrongMasterKey { sealed_under: hex(id), given: self.key_id() })?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .cipher(place)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data()),
                body.as_mut_slice(),
            )
            .map_err(|_| place.error())?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.key_id())
    }
}

/// Binds the database to `key` if it is bound to none, and verifies that it is bound to this one. To be called once
/// after [`Store::open`].
///
/// # Errors
/// [`StoreError::WrongMasterKey`] when the database belongs to another.
pub async fn bind(store: &Store, key: &MasterKey, random: &dyn Random) -> Result<(), StoreError> {
    let check = hex(&key.seal(&CHECK_PLACE, CHECK_TEXT, random)?);
    let key = key.clone();
    store
        .write(move |tx| {
            settings::set_once(tx.conn(), CHECK, &check)?;
            verify(tx.conn(), &key).map(drop)
        })
        .await
}

/// Whether the database is bound to `key`; `false` if it is bound to none.
///
/// # Errors
/// [`StoreError::WrongMasterKey`] when it belongs to another.
pub fn verify(conn: &mut Conn, key: &MasterKey) -> Result<bool, StoreError> {
    let Some(check) = settings::get(conn, CHECK)? else { return Ok(false) };
    let sealed = unhex(&check).ok_or(CHECK_PLACE.error())?;
    let text = key.open(&CHECK_PLACE, &sealed)?;
    if text.as_slice() == CHECK_TEXT { Ok(true) } else { Err(CHECK_PLACE.error()) }
}

/// Seals everything that lies in the database anew under the first of the keys that `key` knows, and binds the
/// database to it. How many values were sealed anew.
///
/// # Errors
/// When a value cannot be opened or a statement fails; nothing is changed then.
pub fn reseal(conn: &mut Conn, key: &MasterKey, random: &dyn Random) -> Result<usize, StoreError> {
    let first = key.first().ok_or(CHECK_PLACE.error())?;
    /// Seals one column of `$table` anew; a row that changes meanwhile was sealed anew by who changed it.
    macro_rules! anew {
        ($table:ident, $column:ident) => {{
            let rows: Vec<(String, Option<Vec<u8>>)> =
                $table::table.select(($table::id, $table::$column.nullable())).load(conn)?;
            let mut count = 0;
            for (id, sealed) in rows {
                let Some(sealed) = sealed.filter(|sealed| !sealed.starts_with(&first.id)) else { continue };
                let place = Place { table: stringify!($table), column: stringify!($column), row: &id };
                let anew = key.seal(&place, &key.open(&place, &sealed)?, random)?;
                let row = $table::table.filter($table::id.eq(&id).and($table::$column.eq(&sealed)));
                count += diesel::update(row).set($table::$column.eq(&anew)).execute(conn)?;
            }
            count
        }};
    }
    let count = anew!(signing_keys, sealed) + anew!(connections, tokens) + anew!(providers, secret);
    settings::set(conn, CHECK, &hex(&key.seal(&CHECK_PLACE, CHECK_TEXT, random)?))?;
    Ok(count)
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let tag = context.sign();
    let mut out = Zeroizing::new([0; KEY_LEN]);
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway_core::random::SeededRandom;

    const PLACE: Place<'static> = Place { table: "signing_keys", column: "sealed", row: "a" };

    fn key(byte: u8) -> MasterKey {
        MasterKey::from_slice(&[byte; KEY_LEN]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_was_sealed() {
        let sealed = key(1).seal(&PLACE, b"secret", &SeededRandom::new(1)).unwrap();
        assert_eq!(key(1).open(&PLACE, &sealed).unwrap().as_slice(), b"secret");
        for elsewhere in [
            Place { row: "b", ..PLACE },
            Place { column: "public_jwk", ..PLACE },
            Place { table: "clients", ..PLACE },
        ] {
            assert!(matches!(key(1).open(&elsewhere, &sealed), Err(StoreError::Sealed { .. })));
        }
    }

    #[test]
    fn a_wrong_key_is_told_from_an_altered_value() {
        let mut sealed = key(1).seal(&PLACE, b"secret", &SeededRandom::new(1)).unwrap();
        assert!(matches!(key(2).open(&PLACE, &sealed), Err(StoreError::WrongMasterKey { .. })));
        *sealed.last_mut().unwrap() ^= 1;
        assert!(matches!(key(1).open(&PLACE, &sealed), Err(StoreError::Sealed { .. })));
        assert!(matches!(key(1).open(&PLACE, &sealed[..10]), Err(StoreError::Sealed { .. })));
    }

    #[test]
    fn while_a_key_is_replaced_both_open_and_the_first_seals() {
        let random = SeededRandom::new(1);
        let old = key(1).seal(&PLACE, b"secret", &random).unwrap();
        let running = key(1);
        let clone = running.clone();
        running.become_like(&key(2).and(&key(1)));
        assert_eq!(clone.open(&PLACE, &old).unwrap().as_slice(), b"secret");
        assert_eq!(clone.key_id(), key(2).key_id());
        let new = clone.seal(&PLACE, b"secret", &random).unwrap();
        assert_eq!(key(2).open(&PLACE, &new).unwrap().as_slice(), b"secret");
        assert!(key(1).open(&PLACE, &new).is_err());
    }

    #[test]
    fn the_same_plain_text_never_seals_alike() {
        let random = SeededRandom::new(1);
        let seal = || key(1).seal(&PLACE, b"secret", &random).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn derived_keys_follow_rfc_5869() {
        // Appendix A.3: no salt, no info; the first block.
        let extracted = hmac_sha256(&[0; KEY_LEN], &[&[0x0b; 22]]);
        let block = hmac_sha256(&*extracted, &[&[1]]);
        assert_eq!(hex(&*extracted), "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
        assert_eq!(hex(&*block), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
        assert_ne!(*key(1).derive("a"), *key(1).derive("b"));
    }

    #[test]
    fn debug_shows_the_id_alone() {
        assert_eq!(format!("{:?}", key(7)), format!("MasterKey({})", key(7).key_id()));
    }
}
