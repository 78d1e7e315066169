//! The service's own secret, which is outside the database: a dump of the database alone is worth less for it.
//!
//! From it are derived the keys under which attempts are counted (see the rate limits), so that nobody who reads the table
//! can find out which addresses are in it. The first key is used for what is new; the others are those that were used before.

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

use super::{Auth, DbError, throttle::Throttle};

/// The length of a key, in bytes.
const LENGTH: usize = 32;

/// How many hexadecimal digits a fingerprint has: enough to tell keys apart.
const FINGERPRINT: usize = 16;

/// Base64 with padding or without.
const fn base64(alphabet: &Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}
const BASE64: GeneralPurpose = base64(&alphabet::STANDARD);
const BASE64_URL: GeneralPurpose = base64(&alphabet::URL_SAFE);

/// The keys of the service. Not printed, and wiped from memory after use.
#[derive(Clone)]
pub struct SealingKeys(Arc<Vec<Key>>);

type Key = Zeroizing<[u8; LENGTH]>;

/// Where the keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A text, one key a line or separated by commas.
    Text(Zeroizing<String>),
    /// A file with such a text. It is made where it is missing and the database was not used with a key before.
    File(PathBuf),
}

/// Why the keys can't be used. No key is part of it.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The text holds no key, or something that is none.
    #[error(
        "holds no key, or a line that is none: each line is 32 random bytes in base64, as `openssl rand -base64 32` prints them"
    )]
    Malformed,
    /// The file can't be read or made.
    #[error(
        "can't use the file {}: {cause}. Give the service a folder that it may write to, a file that it may read, or the key \
         itself in BIENVENUE_KEYS",
        .path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file is missing, and the database has been used with a key before.
    #[error(
        "names the file {}, which is not there, and this database is used with the key {fingerprint}. Put that file \
         back, or give its key in BIENVENUE_KEYS. If the key is lost for good, docs/operating.md says what to do",
        .path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What tells the key that is wanted from others.
        fingerprint: String,
    },
    /// The database is used with another key.
    #[error(
        "gives the key {given}, and this database is used with the key {fingerprint}: every replica needs the same key. \
         To replace a key, give the new one first and the old one after it"
    )]
    OtherKey {
        /// What tells the first key that was given from others.
        given: String,
        /// What tells the key that is wanted from others.
        fingerprint: String,
    },
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for SealingKeyError {
    fn from(err: DbError) -> Self {
        Self::Db(err)
    }
}

impl SealingKeys {
    /// One new key.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Key::default();
        getrandom::fill(&mut *key).expect("the system has random numbers");
        Self(Arc::new(vec![key]))
    }

    /// Reads keys: 32 bytes each, in base64 or hexadecimal, one a line or separated by commas.
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

    /// What tells the first key from others, and gives nothing of it away.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.first().map(fingerprint).unwrap_or_default()
    }

    /// A key for one purpose, derived from the first. Source: RFC 5869, 2.3, of one block, as the keys are random already.
    pub(super) fn derive(&self, purpose: &str) -> Hmac<Sha256> {
        let key = self.0.first().map_or(&[][..], |key| &key[..]);
        let derived = derive(key, purpose);
        hmac(&derived[..])
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

impl Auth {
    /// The same service with these keys, if they are those that its database is used with. The database remembers the
    /// fingerprint of the first one that it was used with; where that is among the keys but not the first, it is replaced.
    ///
    /// Without this, a service has a random key of its own, and forgets with it what it counted.
    ///
    /// # Errors
    /// [`SealingKeyError`].
    pub async fn with_keys(self, source: &KeySource) -> Result<Auth, SealingKeyError> {
        let stored = self.db.find_key_fingerprint().await?;
        let (keys, is_new) = match source {
            KeySource::Text(text) => (SealingKeys::parse(text)?, false),
            KeySource::File(path) => read_or_make(path, stored.as_deref())?,
        };
        let given = keys.fingerprint();
        let stored = if let Some(stored) = stored {
            stored
        } else {
            self.db.add_key_fingerprint(&given).await?;
            // Another process may have been first.
            let stored = self.db.find_key_fingerprint().await?;
            stored.unwrap_or_else(|| given.clone())
        };
        if !keys.has(&stored) {
            if let (KeySource::File(path), true) = (source, is_new) {
                // Nothing has used it.
                let _ = fs::remove_file(path);
            }
            let fingerprint = stored;
            return Err(SealingKeyError::OtherKey { given, fingerprint });
        }
        if stored != given {
            self.db.replace_key_fingerprint(&stored, &given).await?;
        }
        let throttle = Throttle::new(self.db.clone(), self.policy.throttle, &keys);
        Ok(Auth { throttle, ..self })
    }
}

/// The keys in a file, which is made if it may be; and whether it was.
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
                    "everybody on this machine can read the key file {path}: chmod 600 {path}"
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
            // Another process made it at the same moment.
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

/// Makes a file with a new key, for its owner's eyes alone; whole, or not at all. Says whether it was not there already.
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
        // Unlike a rename, it replaces nothing.
        .and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    match written {
        Ok(()) => fs::File::open(folder)?.sync_all().map(|()| true),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(err) => Err(err),
    }
}
