//! What new passwords are held against besides the policy: passwords that became known in breaches, and the words of the
//! service's own name.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use sha1::{Digest as _, Sha1};
use url::{Host, Url};

use super::{WeakPassword, password::Password};
use crate::config::Settings;

/// A new password waits this long at most for the service that knows breached ones.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The longest answer of that service, in bytes. Have I Been Pwned sends up to 1,000 lines of about 40 bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// How many hexadecimal digits of a digest the service is told.
const PREFIX_LENGTH: usize = 5;

/// What new passwords are held against. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PasswordChecks {
    words: Arc<[String]>,
    range: Option<Arc<RangeService>>,
}

impl Default for PasswordChecks {
    fn default() -> Self {
        Self {
            words: Arc::new(["bienvenue".to_owned()]),
            range: None,
        }
    }
}

impl From<&Settings> for PasswordChecks {
    fn from(settings: &Settings) -> Self {
        let host = match settings.public_url.host() {
            Some(Host::Domain(name)) => name,
            _ => "",
        };
        let labels = host.split(|c: char| !c.is_ascii_alphanumeric());
        let words = labels.chain([host, "bienvenue"]);
        let url = settings.password.breached_url.as_ref();
        Self {
            words: words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            range: url.map(|url| Arc::new(RangeService::at(url))),
        }
    }
}

impl PasswordChecks {
    /// The words of the service's own name, which are the first that an attacker tries.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a password is not known from a breach, as far as the list in the program and the service say that can be asked.
    pub(super) async fn check_unknown(&self, password: &Password) -> Result<(), WeakPassword> {
        if known_passwords::is_known(password.as_str()) {
            return Err(WeakPassword::Breached);
        }
        match &self.range {
            Some(range) if range.has(password).await => Err(WeakPassword::Breached),
            _ => Ok(()),
        }
    }
}

/// A service that knows passwords from breaches, and isn't told which one is meant: it is asked for all whose SHA-1 digests
/// begin with the same five digits.
/// Source: <https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange>
#[derive(Debug)]
struct RangeService {
    url: String,
    client: Client,
    /// Whether it did not answer the last time.
    is_silent: AtomicBool,
}

/// Why nobody knows whether a password is among those of the service.
#[derive(Debug, thiserror::Error)]
enum RangeError {
    #[error("it does not answer within {LONGEST_WAIT:?}")]
    TimeOut,
    #[error("it can't be asked")]
    Http(#[source] reqwest::Error),
    #[error("it answers with status {0}")]
    Status(StatusCode),
    #[error("its answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    #[error("its answer has other lines than SUFFIX:COUNT")]
    Malformed,
}

impl From<reqwest::Error> for RangeError {
    fn from(err: reqwest::Error) -> Self {
        if err.is_timeout() {
            return Self::TimeOut;
        }
        // The URL ends with digits of the password's digest.
        Self::Http(err.without_url())
    }
}

impl RangeService {
    fn at(url: &Url) -> Self {
        let client = Client::builder()
            .tls_backend_preconfigured(tls())
            .redirect(redirect::Policy::none())
            .timeout(LONGEST_WAIT)
            .user_agent("bienvenue")
            .build()
            .expect("nothing in it depends on the settings");
        Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            client,
            is_silent: AtomicBool::new(false),
        }
    }

    /// Whether it knows a password. Where it has no answer, it is taken not to: the first of such answers in a row is logged.
    async fn has(&self, password: &Password) -> bool {
        let outcome = self.ask(password).await;
        let was_silent = self.is_silent.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(has) => {
                if was_silent {
                    tracing::info!("the service that knows breached passwords answers again");
                }
                has
            }
            Err(err) => {
                if !was_silent {
                    let error = &err as &dyn Error;
                    tracing::warn!(
                        error,
                        "the service that knows breached passwords has no answer: \
                         new passwords are taken without it"
                    );
                }
                false
            }
        }
    }

    async fn ask(&self, password: &Password) -> Result<bool, RangeError> {
        let digest = hex::encode_upper(Sha1::digest(password.as_str()));
        let (prefix, suffix) = digest.split_at(PREFIX_LENGTH);
        let request = self.client.get(format!("{}/{prefix}", self.url));
        // Answers of one length do not tell which prefix was asked for.
        let mut answer = request.header("Add-Padding", "true").send().await?;
        if answer.status() != StatusCode::OK {
            return Err(RangeError::Status(answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(RangeError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        find(&String::from_utf8_lossy(&body), suffix).ok_or(RangeError::Malformed)
    }
}

/// Whether an answer has this suffix; nothing where it is none. A count of 0 is padding.
fn find(answer: &str, suffix: &str) -> Option<bool> {
    let mut has = false;
    for line in answer.lines() {
        let (found, count) = line.split_once(':')?;
        let count: u64 = count.trim().parse().ok()?;
        has |= count > 0 && found.eq_ignore_ascii_case(suffix);
    }
    Some(has)
}

/// The certificates of servers are checked against the roots that browsers trust, and against those of the system.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
