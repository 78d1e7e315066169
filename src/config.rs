//! Every setting: its variable, its default, and what makes no sense; once.
//!
//! A setting is an environment variable and a flag of `bienvenue serve`, whose `--help` is made of the
//! comments here.

mod database;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{
    Args, ValueEnum,
    builder::{RangedI64ValueParser, RangedU64ValueParser},
};
use ipnet::IpNet;
use lettre::message::Mailbox;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::auth::KeySource;

pub use database::{DatabaseSettings, DatabaseUrl};

/// The lowest bcrypt cost that guards an account which others can reach. Source: OWASP, Password
/// Storage Cheat Sheet.
const LOWEST_PUBLIC_COST: u32 = 10;

/// The public URL where none is set.
const DEFAULT_PUBLIC_URL: &str = "http://localhost:8000";

/// Who may register.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Everybody; who registers an address that has an account is told so
    #[default]
    Open,
    /// Everybody who answers the letter to the address; nobody else learns whether it has an account
    Private,
    /// Nobody: accounts come from the command line
    Closed,
}

/// The service's own secret, which is not in the database.
#[derive(Args, Clone, Debug)]
pub struct KeySettings {
    /// The file with the key; it is made at the first start. Every replica needs the same key
    #[arg(
        id = "BIENVENUE_KEY_FILE",
        long = "key-file",
        env = "BIENVENUE_KEY_FILE",
        default_value = "bienvenue.key"
    )]
    pub file: PathBuf,
    /// The key itself instead of a file: 32 random bytes in base64; after a comma, those that were used before
    #[arg(
        id = "BIENVENUE_KEYS",
        long = "keys",
        env = "BIENVENUE_KEYS",
        hide_env_values = true
    )]
    pub keys: Option<KeyText>,
}

impl KeySettings {
    /// Where the keys come from.
    #[must_use]
    pub fn source(&self) -> KeySource {
        match self.keys.as_ref().filter(|text| !text.0.is_empty()) {
            Some(text) => KeySource::Text(text.0.clone()),
            None => KeySource::File(self.file.clone()),
        }
    }

    /// Which setting that is.
    pub(crate) fn variable(&self) -> &'static str {
        match self.source() {
            KeySource::Text(_) => "BIENVENUE_KEYS",
            KeySource::File(_) => "BIENVENUE_KEY_FILE",
        }
    }
}

/// Keys as a setting. Not printed.
#[derive(Clone)]
pub struct KeyText(Zeroizing<String>);

impl FromStr for KeyText {
    type Err = std::convert::Infallible;

    /// Takes any text: clap would print a refused one, key and all. It is judged when the keys are used.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText")
    }
}

/// How often something may be tried.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Whether tries are limited at all; off is for benchmarks, and for a public URL on localhost alone
    #[arg(
        id = "BIENVENUE_THROTTLE",
        long = "throttle",
        env = "BIENVENUE_THROTTLE",
        default_value = "on"
    )]
    pub mode: ThrottleMode,
    /// After so many wrong passwords in a row for one account the next has to wait: 1 s, 2 s, 4 s, up to 15 min
    #[arg(
        id = "BIENVENUE_ACCOUNT_FREE_FAILURES",
        long = "account-free-failures",
        env = "BIENVENUE_ACCOUNT_FREE_FAILURES",
        default_value_t = 5,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub account_free_failures: i32,
    /// After so many nobody can try that account from there any more, until its password is reset by mail
    #[arg(
        id = "BIENVENUE_ACCOUNT_FAILURES",
        long = "account-failures",
        env = "BIENVENUE_ACCOUNT_FAILURES",
        default_value_t = 100,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub account_failures: i32,
    /// So many wrong passwords and tokens are taken from one client address in 10 min
    #[arg(
        id = "BIENVENUE_ADDRESS_FAILURES",
        long = "address-failures",
        env = "BIENVENUE_ADDRESS_FAILURES",
        default_value_t = 30,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_failures: i32,
    /// So many registrations are taken from one client address in an hour
    #[arg(
        id = "BIENVENUE_ADDRESS_REGISTRATIONS",
        long = "address-registrations",
        env = "BIENVENUE_ADDRESS_REGISTRATIONS",
        default_value_t = 20,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_registrations: i32,
    /// So many requests for letters are taken from one client address in an hour
    #[arg(
        id = "BIENVENUE_ADDRESS_LETTERS",
        long = "address-letters",
        env = "BIENVENUE_ADDRESS_LETTERS",
        default_value_t = 20,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_letters: i32,
    /// So many letters of a kind are sent to one address in an hour
    #[arg(
        id = "BIENVENUE_RECIPIENT_LETTERS_HOURLY",
        long = "recipient-letters-hourly",
        env = "BIENVENUE_RECIPIENT_LETTERS_HOURLY",
        default_value_t = 3,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub recipient_letters_hourly: i32,
    /// So many letters of a kind are sent to one address in a day
    #[arg(
        id = "BIENVENUE_RECIPIENT_LETTERS_DAILY",
        long = "recipient-letters-daily",
        env = "BIENVENUE_RECIPIENT_LETTERS_DAILY",
        default_value_t = 10,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub recipient_letters_daily: i32,
}

/// Whether tries are limited.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleMode {
    /// They are
    On,
    /// They are not
    Off,
}

impl ThrottleSettings {
    pub(crate) fn is_on(&self) -> bool {
        self.mode == ThrottleMode::On
    }
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            mode: ThrottleMode::On,
            account_free_failures: 5,
            account_failures: 100,
            address_failures: 30,
            address_registrations: 20,
            address_letters: 20,
            recipient_letters_hourly: 3,
            recipient_letters_daily: 10,
        }
    }
}

/// What a password must be, and how it is hashed.
#[derive(Args, Clone, Debug)]
pub struct PasswordSettings {
    /// The work of a password hash: each step up doubles it. Below 10 only for a public URL on localhost
    #[arg(
        id = "BIENVENUE_BCRYPT_COST",
        long = "bcrypt-cost",
        env = "BIENVENUE_BCRYPT_COST",
        default_value_t = 12,
        value_parser = RangedU64ValueParser::<u32>::new().range(4..=15)
    )]
    pub bcrypt_cost: u32,
    /// How many password hashes a core runs interleaved, besides one for networks that were quiet; this does a multiple of one after the
    /// other. 1 is one at a time, 8 counts as 7
    #[arg(
        id = "BIENVENUE_HASHING_LANES",
        long = "hashing-lanes",
        env = "BIENVENUE_HASHING_LANES",
        default_value_t = 5,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=8)
    )]
    pub hashing_lanes: usize,
    /// The fewest characters of a password
    #[arg(
        id = "BIENVENUE_PASSWORD_MIN_LENGTH",
        long = "password-min-length",
        env = "BIENVENUE_PASSWORD_MIN_LENGTH",
        default_value_t = 8,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=72)
    )]
    pub min_length: usize,
    /// How hard a password must be to guess, on the scale of zxcvbn from 0 to 4; 0 asks for nothing
    #[arg(
        id = "BIENVENUE_PASSWORD_MIN_SCORE",
        long = "password-min-score",
        env = "BIENVENUE_PASSWORD_MIN_SCORE",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<u8>::new().range(0..=4)
    )]
    pub min_score: u8,
    /// A service that knows passwords from breaches, by the range protocol of Have I Been Pwned; none: the list in the program alone
    #[arg(
        id = "BIENVENUE_BREACHED_PASSWORDS_URL",
        long = "breached-passwords-url",
        env = "BIENVENUE_BREACHED_PASSWORDS_URL"
    )]
    pub breached_url: Option<Url>,
}

/// How long a sign-in lasts.
#[derive(Args, Clone, Debug)]
pub struct SessionSettings {
    /// How long a session lasts that is not used, as 30m or 7d
    #[arg(
        id = "BIENVENUE_SESSION_IDLE",
        long = "session-idle",
        env = "BIENVENUE_SESSION_IDLE",
        default_value = "7d",
        value_parser = duration
    )]
    pub idle: Duration,
    /// How long a session lasts at most, however much it is used
    #[arg(
        id = "BIENVENUE_SESSION_LIFETIME",
        long = "session-lifetime",
        env = "BIENVENUE_SESSION_LIFETIME",
        default_value = "30d",
        value_parser = duration
    )]
    pub lifetime: Duration,
}

/// How letters are sent, and what is in them.
#[derive(Args, Clone, Debug)]
pub struct MailSettings {
    /// The server that takes letters: smtps://, or smtp:// (with STARTTLS, or with none after ?tls=none); none: they are
    /// written to files
    #[arg(
        id = "BIENVENUE_SMTP_URL",
        long = "smtp-url",
        env = "BIENVENUE_SMTP_URL",
        hide_env_values = true
    )]
    pub smtp_url: Option<SmtpUrl>,
    /// A file of certificates (PEM) of your own authority, by which the mail server's is believed beside the system's
    #[arg(id = "BIENVENUE_SMTP_CA", long = "smtp-ca", env = "BIENVENUE_SMTP_CA")]
    pub smtp_ca: Option<PathBuf>,
    /// The full name or the address that the mail server is greeted with; none: the host of the public URL
    #[arg(
        id = "BIENVENUE_SMTP_HELLO",
        long = "smtp-hello",
        env = "BIENVENUE_SMTP_HELLO"
    )]
    pub smtp_hello: Option<String>,
    /// The folder for letters where there is no server; it is made when the first is written
    #[arg(
        id = "BIENVENUE_MAIL_DIR",
        long = "mail-dir",
        env = "BIENVENUE_MAIL_DIR",
        default_value = "mail"
    )]
    pub dir: PathBuf,
    /// Who letters are from
    #[arg(
        id = "BIENVENUE_MAIL_FROM",
        long = "mail-from",
        env = "BIENVENUE_MAIL_FROM",
        default_value = "Bienvenue <no-reply@localhost>"
    )]
    pub from: Mailbox,
    /// A folder with letters that replace ours
    #[arg(
        id = "BIENVENUE_TEMPLATES",
        long = "templates",
        env = "BIENVENUE_TEMPLATES"
    )]
    pub templates: Option<PathBuf>,
    /// The page of your frontend that resets passwords; none: /reset-password under the public URL
    #[arg(
        id = "BIENVENUE_RESET_URL",
        long = "reset-url",
        env = "BIENVENUE_RESET_URL"
    )]
    pub reset_url: Option<Url>,
    /// The page of your frontend that verifies addresses; none: /verify-email under the public URL
    #[arg(
        id = "BIENVENUE_VERIFY_URL",
        long = "verify-url",
        env = "BIENVENUE_VERIFY_URL"
    )]
    pub verify_url: Option<Url>,
    /// How long the link of a password reset is good
    #[arg(
        id = "BIENVENUE_RESET_TOKEN_LIFETIME",
        long = "reset-token-lifetime",
        env = "BIENVENUE_RESET_TOKEN_LIFETIME",
        default_value = "30m",
        value_parser = duration
    )]
    pub reset_token_lifetime: Duration,
    /// How long the link that verifies an address is good
    #[arg(
        id = "BIENVENUE_VERIFICATION_LIFETIME",
        long = "verification-lifetime",
        env = "BIENVENUE_VERIFICATION_LIFETIME",
        default_value = "24h",
        value_parser = duration
    )]
    pub verification_lifetime: Duration,
}

/// The URL of a mail server. It may hold a password, so it prints as its scheme alone.
#[derive(Clone)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// The URL with the password; nothing where the variable is set to nothing.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        Some(&*self.0).filter(|url| !url.is_empty())
    }
}

impl FromStr for SmtpUrl {
    type Err = std::convert::Infallible;

    /// Takes any text: clap would print a refused one, password and all. It is judged when the sender is made.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("smtp:…")
    }
}

/// The longest time that a setting takes: ten years, less leap days. More is most likely a slip, and some day no date.
pub(crate) const LONGEST_DURATION: Duration = Duration::from_hours(3650 * 24);

/// Reads a length of time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| "write a number and its unit, as 90s, 30m, 12h or 7d".to_owned())?;
    if duration < Duration::from_secs(1) {
        return Err("it must be a second at least".to_owned());
    }
    if duration > LONGEST_DURATION {
        return Err("it can be 3650d at most".to_owned());
    }
    Ok(duration)
}

/// A length of time, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff(pub Option<Duration>);

impl FromStr for OrOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(None)),
            time => Ok(Self(Some(
                duration(time).map_err(|err| format!("{err}, or off"))?,
            ))),
        }
    }
}

/// The proxies whose word is taken for where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether an address is one of theirs. An IPv4 address is to be given as such, not mapped into IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads addresses and networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim);
        let networks = entries.filter(|entry| !entry.is_empty()).map(|entry| {
            let address = entry.parse::<IpAddr>();
            address
                .map(|address| address.to_canonical().into())
                .or_else(|_| entry.parse::<IpNet>())
                .map_err(|_| {
                    format!("{entry:?} is neither an address nor a network, as 10.0.0.1 and 10.0.0.0/8 are")
                })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }
}

/// How the log is written. What is written is set by `RUST_LOG`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// How the log is written, to standard error
    #[arg(
        id = "BIENVENUE_LOG_FORMAT",
        long = "log-format",
        env = "BIENVENUE_LOG_FORMAT",
        default_value = "text"
    )]
    pub format: LogFormat,
    /// What is logged: error, warn, info, debug or trace
    #[arg(
        id = "RUST_LOG",
        long = "log",
        env = "RUST_LOG",
        default_value = "info"
    )]
    pub level: String,
}

/// Where the service is reached by those on its own network.
#[derive(Args, Clone, Debug)]
pub struct ListenSettings {
    /// The address and port to listen on; port 0 takes any that is free
    #[arg(
        id = "BIENVENUE_LISTEN",
        long = "listen",
        env = "BIENVENUE_LISTEN",
        default_value = "127.0.0.1:8000"
    )]
    pub address: SocketAddr,
    /// How long a connection is kept that has no request to make: longer than a load balancer in front keeps its own
    #[arg(
        id = "BIENVENUE_KEEP_ALIVE",
        long = "keep-alive",
        env = "BIENVENUE_KEEP_ALIVE",
        default_value = "75s",
        value_parser = duration
    )]
    pub keep_alive: Duration,
}

/// Everything that `bienvenue serve` can be told.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Which database
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// The service's own secret
    #[command(flatten)]
    pub key: KeySettings,
    /// Where it listens
    #[command(flatten)]
    pub listen: ListenSettings,
    /// The address by which browsers reach the service. Plain http only on localhost
    #[arg(
        id = "BIENVENUE_PUBLIC_URL",
        long = "public-url",
        env = "BIENVENUE_PUBLIC_URL",
        default_value = DEFAULT_PUBLIC_URL
    )]
    pub public_url: Url,
    /// The origins, comma separated, of other sites whose pages may call the service from a browser, signed in; of any scheme
    #[arg(
        id = "BIENVENUE_ALLOWED_ORIGINS",
        long = "allowed-origins",
        env = "BIENVENUE_ALLOWED_ORIGINS",
        value_delimiter = ',',
        value_parser = trimmed
    )]
    pub allowed_origins: Vec<String>,
    /// The addresses and networks, comma separated, of the proxies whose X-Forwarded-For is believed
    #[arg(
        id = "BIENVENUE_TRUSTED_PROXIES",
        long = "trusted-proxies",
        env = "BIENVENUE_TRUSTED_PROXIES"
    )]
    pub trusted_proxies: Option<TrustedProxies>,
    /// Who may register
    #[arg(
        id = "BIENVENUE_REGISTRATION",
        long = "registration",
        env = "BIENVENUE_REGISTRATION",
        default_value = "open"
    )]
    pub registration: RegistrationMode,
    /// When an account is removed whose address was never verified and that nobody signed in to for so long: a time, or off
    #[arg(
        id = "BIENVENUE_UNVERIFIED_LIFETIME",
        long = "unverified-lifetime",
        env = "BIENVENUE_UNVERIFIED_LIFETIME",
        default_value = "30d"
    )]
    pub unverified_lifetime: OrOff,
    /// What a password must be
    #[command(flatten)]
    pub password: PasswordSettings,
    /// How long a sign-in lasts
    #[command(flatten)]
    pub session: SessionSettings,
    /// How often something may be tried
    #[command(flatten)]
    pub throttle: ThrottleSettings,
    /// How letters are sent, and what is in them
    #[command(flatten)]
    pub mail: MailSettings,
    /// How the log is written
    #[command(flatten)]
    pub log: LogSettings,
}

/// A setting that makes no sense, in a sentence that says which and why.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    pub(crate) variable: &'static str,
    pub(crate) reason: String,
}

impl Settings {
    /// Checks what no single value shows.
    ///
    /// # Errors
    /// [`SettingsError`] for the first setting that makes no sense.
    pub fn check(&self) -> Result<(), SettingsError> {
        let fail = |variable, reason: String| Err(SettingsError { variable, reason });
        if let Err(reason) = self.database.url.check() {
            return fail("DATABASE_URL", reason);
        }
        let url = &self.public_url;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return fail(
                "BIENVENUE_PUBLIC_URL",
                "must be an http or https address, as https://auth.example.com is".to_owned(),
            );
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return fail(
                "BIENVENUE_PUBLIC_URL",
                "must be a scheme, a host and a port, and nothing else".to_owned(),
            );
        }
        if url.scheme() == "http" && !self.is_local() {
            return fail(
                "BIENVENUE_PUBLIC_URL",
                "must be https: passwords and sessions would travel readable by anyone on the way. \
                 Plain http is for localhost alone"
                    .to_owned(),
            );
        }
        let origins = self.allowed_origins.iter();
        for origin in origins.filter(|origin| !origin.is_empty()) {
            if let Err(mend) = check_origin(origin) {
                return fail(
                    "BIENVENUE_ALLOWED_ORIGINS",
                    format!("has {origin:?}, which is no origin: {mend}"),
                );
            }
        }
        if self.password.bcrypt_cost < LOWEST_PUBLIC_COST && !self.is_local() {
            return fail(
                "BIENVENUE_BCRYPT_COST",
                format!(
                    "must be at least {LOWEST_PUBLIC_COST} where BIENVENUE_PUBLIC_URL is not http on \
                     localhost"
                ),
            );
        }
        for (variable, page) in [
            ("BIENVENUE_RESET_URL", &self.mail.reset_url),
            ("BIENVENUE_VERIFY_URL", &self.mail.verify_url),
        ] {
            let is_page = |url: &Url| {
                (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
                    && url.has_host()
                    && url.fragment().is_none()
            };
            if page.as_ref().is_some_and(|url| !is_page(url)) {
                return fail(
                    variable,
                    "must be an https address without a fragment, which will hold the token, as \
                     https://app.example.com/reset is; plain http is for localhost alone"
                        .to_owned(),
                );
            }
        }
        let is_service = |url: &Url| {
            (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
                && url.has_host()
                && (url.username().is_empty() && url.password().is_none())
                && (url.query().is_none() && url.fragment().is_none())
        };
        if !self.password.breached_url.as_ref().is_none_or(is_service) {
            return fail(
                "BIENVENUE_BREACHED_PASSWORDS_URL",
                "must be an https address to which five digits can be appended, as \
                 https://api.pwnedpasswords.com/range/ is; plain http is for localhost alone"
                    .to_owned(),
            );
        }
        if !self.throttle.is_on() && !self.is_local() {
            return fail(
                "BIENVENUE_THROTTLE",
                "can be off only where BIENVENUE_PUBLIC_URL is http on localhost".to_owned(),
            );
        }
        Ok(())
    }

    /// Whether the public URL is another than the one where none is set.
    pub(crate) fn has_own_public_url(&self) -> bool {
        self.public_url.as_str().trim_end_matches('/') != DEFAULT_PUBLIC_URL
    }

    /// Whether this is local development: plain http on a name that never leaves the machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.public_url.scheme() == "http" && is_loopback(&self.public_url)
    }
}

/// An entry of a list, without white space around it.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
fn trimmed(entry: &str) -> Result<String, std::convert::Infallible> {
    Ok(entry.trim().to_owned())
}

/// Checks that an origin is written as browsers write it: it is compared letter by letter.
///
/// # Errors
/// How to mend it.
fn check_origin(origin: &str) -> Result<(), String> {
    if origin.contains('*') {
        return Err("a wildcard lets in pages of strangers, so list each origin".to_owned());
    }
    if origin == "null" {
        return Err(
            "it stands for any local file and any sandboxed page, so serve the page from an address"
                .to_owned(),
        );
    }
    let url = Url::parse(origin).ok();
    let host = url.as_ref().and_then(Url::host_str);
    let (Some(url), Some(host)) = (&url, host.filter(|host| !host.is_empty())) else {
        return Err("write a scheme and a host, as https://app.example.com".to_owned());
    };
    // The default port of a scheme is left out by the parser, as it is by browsers.
    let port = url.port().map(|port| format!(":{port}"));
    let written = format!("{}://{host}{}", url.scheme(), port.unwrap_or_default());
    if written == origin {
        Ok(())
    } else {
        Err(format!("write {written}"))
    }
}

/// Whether the host of an address never leaves the machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
