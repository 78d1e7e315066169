//! Checks of new passwords besides the policy: passwords known from breaches, and the words of the service's own name.

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

use super::password::{Password, WeakPassword};

/// The timeout of the service that knows breached passwords.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The longest answer of that service, in bytes. Have I Been Pwned sends up to 1,000 lines of about 40 bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// How many hexadecimal digits of a digest are sent to the service.
const PREFIX_LENGTH: usize = 5;

/// Checks of new passwords besides the policy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordChecks {
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

impl PasswordChecks {
    /// Makes the checks for a service at this public URL. If a second URL is given, the service at that URL is also
    /// asked whether a password is known from a breach.
    ///
    /// # Panics
    /// When the system can't make an HTTP client.
    #[must_use]
    pub fn new(public_url: &Url, breached_passwords_url: Option<&Url>) -> Self {
        let host = match public_url.host() {
            Some(Host::Domain(name)) => name,
            _ => "",
        };
        let labels = host.split(|c: char| !c.is_ascii_alphanumeric());
        let words = labels.chain([host, "bienvenue"]);
        Self {
            words: words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            range: breached_passwords_url.map(|url| Arc::new(RangeService::at(url))),
        }
    }

    /// The words of the service's own name, which attackers try first.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Refuses a password that is known from a breach, by the built-in list or by the service.
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

/// A service that knows passwords from breaches. It does not learn which password is checked: it is asked for all whose
/// SHA-1 digests begin with the same five digits.
/// Source: <https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange>
#[derive(Debug)]
struct RangeService {
    url: String,
    client: Client,
    /// Whether the last request to it failed.
    has_failed: AtomicBool,
}

/// The reason why the service gave no usable answer.
#[derive(Debug, thiserror::Error)]
enum RangeError {
    #[error("no answer within {LONGEST_WAIT:?}")]
    TimeOut,
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    #[error("the answer has lines other than SUFFIX:COUNT")]
    Malformed,
}

impl From<reqwest::Error> for RangeError {
    fn from(err: reqwest::Error) -> Self {
        if err.is_timeout() {
            return Self::TimeOut;
        }
        // The URL ends with digits of the password's digest, which must not be logged.
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
            has_failed: AtomicBool::new(false),
        }
    }

    /// Whether the service knows a password. If it fails, the answer is no. The first failure in a row is logged.
    async fn has(&self, password: &Password) -> bool {
        let outcome = self.ask(password).await;
        let had_failed = self.has_failed.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(has) => {
                if had_failed {
                    tracing::info!("the breached-password service answers again");
                }
                has
            }
            Err(err) => {
                if !had_failed {
                    let error = &err as &dyn Error;
                    tracing::warn!(
                        error,
                        "the breached-password service does not answer: \
                         new passwords are accepted without it"
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
        // With padding, the length of the answer does not reveal the prefix.
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

/// Whether an answer contains this suffix. `None` if the answer is malformed. A count of 0 is padding.
fn find(answer: &str, suffix: &str) -> Option<bool> {
    let mut has = false;
    for line in answer.lines() {
        let (found, count) = line.split_once(':')?;
        let count: u64 = count.trim().parse().ok()?;
        has |= count > 0 && found.eq_ignore_ascii_case(suffix);
    }
    Some(has)
}

/// The TLS configuration. Certificates of servers are checked against the roots that browsers trust and those of the
/// system.
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
