//! The secret keys of the service. They are kept outside the database, so that a dump of the database alone reveals
//! less.
//!
//! The rate limits derive a key from them, so that the counts in the database don't reveal addresses. The audit log
//! derives keys from them, so that a change of its rows shows. The first key is the current one. The others were used
//! before it.

use std::{
    fmt, fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    Engine as _,
    alphabet::{self, Alphabet},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::db::{DB, DbError};

/// The length of a key, in bytes.
const LENGTH: usize = 32;

/// How many hexadecimal digits a fingerprint has: enough to tell keys apart.
const FINGERPRINT: usize = 16;

/// Base64 that accepts text with or without padding.
const fn base64(alphabet: &Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}
const BASE64: GeneralPurpose = base64(&alphabet::STANDARD);
const BASE64_URL: GeneralPurpose = base64(&alphabet::URL_SAFE);

/// The keys of the service. They are never printed, and are wiped from memory after use.
#[derive(Clone)]
pub struct SealingKeys(Arc<Vec<Key>>);

type Key = Zeroizing<[u8; LENGTH]>;

/// The source of the keys.
#[derive(Clone)]
pub enum KeySource {
    /// A text, with one key a line or keys separated by commas.
    Text(Zeroizing<String>),
    /// A file with such a text. If the file is missing, and the database was never used with a key, the file is
    /// created.
    File(PathBuf),
}

/// The reason why the keys can't be used. It contains no key.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The text has no key, or a line that is not a key.
    #[error(
        "contains no key, or something that is not a key: each line, or part between commas, is 32 random bytes in base64, as `openssl rand -base64 32` prints them"
    )]
    Malformed,
    /// The file can't be read or created.
    #[error(
        "can't use the file {}: {cause}. Give the service a folder that it may write to, a file that it may read, or the key \
         itself in BIENVENUE_KEYS",
        .path.display()
    )]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The file is missing, and the database has already been used with a key.
    #[error(
        "names the file {}, which does not exist, and this database is used with the key {fingerprint}. Put that file \
         back, or give its key in BIENVENUE_KEYS. If the key is lost for good, docs/operating.md says what to do",
        .path.display()
    )]
    Missing {
        /// The path of the file.
        path: PathBuf,
        /// The fingerprint of the required key.
        fingerprint: String,
    },
    /// The database is used with another key.
    #[error(
        "gives the key {given}, and this database is used with the key {fingerprint}: every replica needs the same key. \
         To replace a key, give the new one first and the old one after it"
    )]
    OtherKey {
        /// The fingerprint of the first given key.
        given: String,
        /// The fingerprint of the required key.
        fingerprint: String,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl SealingKeys {
    /// Makes one random key.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Key::default();
        getrandom::fill(&mut *key).expect("the system has random numbers");
        Self(Arc::new(vec![key]))
    }

    /// Parses keys: 32 bytes each, in base64 or hexadecimal, one a line or separated by commas.
    ///
    /// # Errors
    /// [`SealingKeyError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SealingKeyError> {
        let lines = text.split(['\n', ',']).map(str::trim);
        let keys = lines.filter(|line| !line.is_empty()).map(parse_key);
        let keys: Option<Vec<_>> = keys.collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(Arc::new(keys))),
            _ => Err(SealingKeyError::Malformed),
        }
    }

    /// Reads the keys from their source, for a database that is used with them. Nothing is written.
    ///
    /// # Errors
    /// [`SealingKeyError`].
    pub async fn of(db: &DB, source: &KeySource) -> Result<Self, SealingKeyError> {
        let keys = match source {
            KeySource::Text(text) => Self::parse(text)?,
            KeySource::File(path) => read(path)?,
        };
        match db.find_key_fingerprint().await? {
            Some(fingerprint) if !keys.has(&fingerprint) => Err(SealingKeyError::OtherKey {
                given: keys.fingerprint(),
                fingerprint,
            }),
            _ => Ok(keys),
        }
    }

    /// The fingerprint of the first key. It identifies the key and reveals nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.first().map(fingerprint).unwrap_or_default()
    }

    /// Derives a key for one purpose from the first key. One block is enough, because the keys are already random.
    /// Source: RFC 5869, 2.3.
    pub(super) fn derive(&self, purpose: &str) -> Hmac<Sha256> {
        let key = self.0.first().map_or(&[][..], |key| &key[..]);
        let derived = derive(key, purpose);
        hmac(&derived[..])
    }

    /// Derives a key for one purpose from each of the keys.
    pub(super) fn derive_all(&self, purpose: &str) -> impl Iterator<Item = Zeroizing<[u8; 32]>> {
        self.0.iter().map(move |key| derive(&key[..], purpose))
    }

    fn has(&self, wanted: &str) -> bool {
        self.0.iter().any(|key| fingerprint(key) == wanted)
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let bytes = hex::decode(line)
        .or_else(|_| BASE64.decode(line))
        .or_else(|_| BASE64_URL.decode(line));
    let bytes = Zeroizing::new(bytes.ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn fingerprint(key: &Key) -> String {
    let mut text = hex::encode(&derive(&key[..], "bienvenue fingerprint")[..]);
    text.truncate(FINGERPRINT);
    text
}

fn derive(key: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut block = hmac(key);
    block.update(purpose.as_bytes());
    block.update(&[1]);
    Zeroizing::new(block.finalize().into_bytes().into())
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({})", self.fingerprint())
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Reads the keys of a service, and checks that they belong to its database. The database stores the fingerprint of the
/// first key that it was used with. If that key is among the given keys but not the first, the fingerprint is replaced
/// by that of the first.
///
/// # Errors
/// [`SealingKeyError`].
pub(super) async fn keys_of(db: &DB, source: &KeySource) -> Result<SealingKeys, SealingKeyError> {
    let stored = db.find_key_fingerprint().await?;
    let (keys, is_new) = match source {
        KeySource::Text(text) => (SealingKeys::parse(text)?, false),
        KeySource::File(path) => read_or_make(path, stored.as_deref())?,
    };
    let given = keys.fingerprint();
    let stored = if let Some(stored) = stored {
        stored
    } else {
        db.add_key_fingerprint(&given).await?;
        // Another process may have stored its fingerprint first.
        let stored = db.find_key_fingerprint().await?;
        stored.unwrap_or_else(|| given.clone())
    };
    if !keys.has(&stored) {
        if let (KeySource::File(path), true) = (source, is_new) {
            // The new key has not been used for anything.
            let _ = fs::remove_file(path);
        }
        let fingerprint = stored;
        return Err(SealingKeyError::OtherKey { given, fingerprint });
    }
    if stored != given {
        db.replace_key_fingerprint(&stored, &given).await?;
    }
    Ok(keys)
}

/// Reads the keys from a file, which is created if it is missing and no key is required yet. Also returns whether it
/// was created.
fn read_or_make(path: &Path, wanted: Option<&str>) -> Result<(SealingKeys, bool), SealingKeyError> {
    let failed = |cause| SealingKeyError::File {
        path: path.to_owned(),
        cause,
    };
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            let mode = fs::metadata(path).map(|file| file.mode());
            if mode.is_ok_and(|mode| mode & 0o007 != 0) {
                let path = path.display();
                tracing::warn!(
                    "everybody on this machine can read the key file {path}: run chmod 600 {path}"
                );
            }
            Ok((SealingKeys::parse(&text)?, false))
        }
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(failed(err)),
        Err(_) => match wanted {
            Some(fingerprint) => Err(SealingKeyError::Missing {
                path: path.to_owned(),
                fingerprint: fingerprint.to_owned(),
            }),
            None if make(path).map_err(failed)? => Ok((read(path)?, true)),
            // Another process created it at the same moment.
            None => Ok((read(path)?, false)),
        },
    }
}

fn read(path: &Path) -> Result<SealingKeys, SealingKeyError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|cause| SealingKeyError::File {
        path: path.to_owned(),
        cause,
    })?;
    SealingKeys::parse(&text)
}

/// Creates a file with a new key, readable only by its owner. The file appears complete or not at all. Returns `false`
/// if it already existed.
fn make(path: &Path) -> io::Result<bool> {
    use std::io::Write as _;
    let keys = SealingKeys::generate();
    let key = keys.0.first().map_or(&[][..], |key| &key[..]);
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key)));
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let unfinished = folder.join(format!(".bienvenue-key-{}", Uuid::new_v4().simple()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a hard link never replaces an existing file.
        .and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    match written {
        Ok(()) => fs::File::open(folder)?.sync_all().map(|()| true),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(err) => Err(err),
    }
}
