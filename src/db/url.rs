//! The URL of the database, and the checks of it.
//!
//! A URL can contain a password. If the URL is mistyped, the password can be anywhere in it. So no error message
//! repeats a part of the URL except the name of a parameter.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use sea_orm::sqlx::{
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use url::{Url, form_urlencoded};

/// The parameters of a PostgreSQL URL that sqlx knows, besides any `options[NAME]`. sqlx logs unknown ones with their
/// values. Source: `options/parse.rs` of sqlx-postgres 0.9.
const POSTGRES_PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The parameters of a SQLite URL and their valid values. `vfs` takes any value. Source: `options/parse.rs` of
/// sqlx-sqlite 0.9.
const SQLITE_PARAMETERS: [(&str, &[&str]); 4] = [
    ("mode", &["rwc", "rw", "memory", "ro"]),
    ("cache", &["private", "shared"]),
    ("immutable", &["false", "0", "true", "1"]),
    ("vfs", &[]),
];

/// The advice for a password that is not encoded for a URL. It lists all special characters, because it must not reveal
/// which ones the password contains.
const UNENCODED: &str = "has a character in its user name or password that has another meaning in a URL: \
     write % as %25, # as %23, / as %2F, ? as %3F, @ as %40 and : as %3A";

/// The database, and how it is used.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Its URL.
    pub url: DatabaseUrl,
    /// The maximum number of open connections.
    pub connections: u32,
}

impl DatabaseOptions {
    /// The database at this URL, with default values for everything else.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: DatabaseUrl(url.to_owned()),
            connections: 10,
        }
    }
}

/// The URL of a database. It may contain a password, so its `Debug` output is only the scheme.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole URL, including the password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which kind it is and where, without user and password.
    pub(crate) fn place(&self) -> String {
        if self.is_in_memory() {
            return "SQLite in memory".to_owned();
        }
        if let Some(file) = self.sqlite_file() {
            return format!("SQLite in {}", file.display());
        }
        let Some(options) = self.postgres_options() else {
            return "PostgreSQL".to_owned();
        };
        let database = options.get_database().unwrap_or_default();
        let (host, port) = (options.get_host(), options.get_port());
        format!("PostgreSQL at {host}:{port}/{database}")
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }

    pub(super) fn is_in_memory(&self) -> bool {
        let is_named_so = |file: &Path| file.to_string_lossy().starts_with("file:sqlx-in-memory-");
        self.sqlite_file()
            .is_some_and(|file| is_named_so(&file) || self.has("mode", "memory"))
    }

    /// The file that sqlx would open.
    pub(super) fn sqlite_file(&self) -> Option<PathBuf> {
        let options = self.0.parse::<SqliteConnectOptions>();
        let file = options.ok()?.get_filename().to_owned();
        self.is_sqlite().then_some(file)
    }

    /// Whether a missing SQLite file is created.
    pub(super) fn makes_file(&self) -> bool {
        self.has("mode", "rwc")
    }

    /// The options that sqlx parses from a PostgreSQL URL. The URL must have passed [`DatabaseUrl::check`].
    pub(super) fn postgres_options(&self) -> Option<PgConnectOptions> {
        (!self.is_sqlite()).then(|| self.0.parse().ok())?
    }

    /// A warning about a URL that works but is less safe than it could be.
    pub(super) fn advice(&self) -> Option<&'static str> {
        let options = self.postgres_options()?;
        let host = options.get_host();
        let is_local = options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
        let says_how = std::env::var_os("PGSSLMODE").is_some()
            || (self.parameters()).any(|(name, _)| name == "sslmode" || name == "ssl-mode");
        (!is_local && !says_how).then_some(
            "DATABASE_URL does not say how its connections are encrypted: an attacker on the network can impersonate the \
             server, or disable the encryption. Add ?sslmode=verify-full (with &sslrootcert=FILE for a CA of your \
             own), or sslmode=disable on a private network",
        )
    }

    /// The parameters, parsed as sqlx does. All other characters are allowed in the name of a SQLite file.
    fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.parameters()
            .any(|(found, its)| found == name && its == value)
    }

    /// Returns what is wrong with the URL, without repeating it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.is_sqlite() {
            self.check_sqlite()
        } else if self.0.starts_with("postgres://") || self.0.starts_with("postgresql://") {
            self.check_postgres()
        } else {
            Err(
                "must begin with sqlite: or postgres:, as sqlite://bienvenue.db?mode=rwc or \
                 postgres://user:password@host/database do"
                    .to_owned(),
            )
        }
    }

    fn check_sqlite(&self) -> Result<(), String> {
        for (name, value) in self.parameters() {
            let known = SQLITE_PARAMETERS.iter().find(|(known, _)| *known == name);
            let Some((name, values)) = known else {
                return Err(unknown_parameter(&name));
            };
            if !values.is_empty() && !values.contains(&&*value) {
                return Err(format!(
                    "has a {name} that is not one of {}",
                    values.join(", ")
                ));
            }
        }
        if self.has("mode", "ro") || self.has("immutable", "1") || self.has("immutable", "true") {
            return Err(
                "opens the file read-only: write mode=rwc, and leave immutable out".to_owned(),
            );
        }
        // SeaORM parses this as a URL, in which the first part of a relative path is a host.
        if Url::parse(&self.0).is_err() {
            return Err(
                "is not a URL: in the first part of a relative path, special characters are encoded, a space as %20"
                    .to_owned(),
            );
        }
        let options = self.0.parse::<SqliteConnectOptions>();
        let options =
            options.map_err(|_| "is not a SQLite URL: its path is not UTF-8".to_owned())?;
        // For an empty name, SQLite opens a temporary database for each connection.
        let file = options.get_filename();
        if (file.as_os_str().is_empty() || file.as_os_str() == ":memory:") && !self.is_in_memory() {
            return Err(
                "names no file: write sqlite://bienvenue.db?mode=rwc, or sqlite::memory: for none"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_postgres(&self) -> Result<(), String> {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (_, tail) = rest.split_at(end);
        let path = tail.split('?').next().unwrap_or_default();
        // A fragment has no meaning here, and the name of a database hardly ever contains an `@`.
        if tail.contains('#') || path.contains('@') {
            return Err(UNENCODED.to_owned());
        }
        if let Err(err) = Url::parse(&self.0) {
            return Err(if tail.contains('@') {
                UNENCODED.to_owned()
            } else {
                format!(
                    "is not a PostgreSQL URL: {err}. Write postgres://user:password@host:5432/database"
                )
            });
        }
        for (name, value) in self.parameters() {
            let is_known = POSTGRES_PARAMETERS.contains(&&*name)
                || (name.starts_with("options[") && name.ends_with(']'));
            if !is_known {
                return Err(if tail.contains('@') {
                    UNENCODED.to_owned()
                } else {
                    unknown_parameter(&name)
                });
            }
            let is_valid = match &*name {
                "sslmode" | "ssl-mode" => value.parse::<PgSslMode>().is_ok(),
                "hostaddr" => value.parse::<IpAddr>().is_ok(),
                "port" => value.parse::<u16>().is_ok(),
                "statement-cache-capacity" => value.parse::<usize>().is_ok(),
                _ => true,
            };
            if !is_valid {
                return Err(format!("has an invalid {name}"));
            }
        }
        // The only remaining problem is encoded bytes that are not UTF-8.
        let options = self.0.parse::<PgConnectOptions>();
        options.map(drop).map_err(|_| UNENCODED.to_owned())
    }
}

/// The error for an unknown parameter. Text that does not look like a name is not repeated: it may be a part of a
/// password.
fn unknown_parameter(name: &str) -> String {
    let is_name = |char: char| char.is_ascii_alphabetic() || "_-".contains(char);
    if !name.is_empty() && name.len() <= 32 && name.chars().all(is_name) {
        format!("has an unknown parameter: {name}")
    } else {
        "has a parameter with an unknown name".to_owned()
    }
}

impl FromStr for DatabaseUrl {
    type Err = std::convert::Infallible;

    /// Accepts any text. The command line parser would print a refused value, with its password. [`DatabaseUrl::check`]
    /// checks the URL instead.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sqlite() {
            "sqlite:…"
        } else {
            "postgres:…"
        })
    }
}
