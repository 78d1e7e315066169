//! Which database, and what makes no sense about it.
//!
//! A URL can hold a password, anywhere in it if it is mistyped: no complaint repeats a part of one but the name of a parameter.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, builder::RangedU64ValueParser};
use sea_orm::sqlx::{
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use url::{Url, form_urlencoded};

/// The parameters of a PostgreSQL URL that sqlx knows; it also takes any `options[NAME]`. It logs others with their values.
/// Source: `options/parse.rs` of sqlx-postgres 0.9.
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

/// What a SQLite URL can say, and the values that it can have; `vfs` takes any. Source: `options/parse.rs` of sqlx-sqlite 0.9.
const SQLITE_PARAMETERS: [(&str, &[&str]); 4] = [
    ("mode", &["rwc", "rw", "memory", "ro"]),
    ("cache", &["private", "shared"]),
    ("immutable", &["false", "0", "true", "1"]),
    ("vfs", &[]),
];

/// The mend for a password that was put into a URL as it is. It names all characters: which ones a password has is its secret.
const UNENCODED: &str = "has a character in its user name or password that means something else in a URL: \
     write % as %25, # as %23, / as %2F, ? as %3F, @ as %40 and : as %3A";

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Where the accounts are: sqlite:… or postgres:…
    #[arg(
        id = "DATABASE_URL",
        long = "database-url",
        env = "DATABASE_URL",
        default_value = "sqlite://bienvenue.db?mode=rwc",
        hide_env_values = true
    )]
    pub url: DatabaseUrl,
    /// The most connections to the database at once; who waits longer than 2 s for one is told so (503)
    #[arg(
        id = "BIENVENUE_DATABASE_CONNECTIONS",
        long = "database-connections",
        env = "BIENVENUE_DATABASE_CONNECTIONS",
        default_value_t = 10,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1000)
    )]
    pub connections: u32,
}

impl DatabaseSettings {
    /// The database at this URL, everything else as it is by default.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: DatabaseUrl(url.to_owned()),
            connections: 10,
        }
    }
}

/// The URL of a database. It may hold a password, so it prints as its scheme alone.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, with the password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        let is_named_so = |file: &Path| file.to_string_lossy().starts_with("file:sqlx-in-memory-");
        self.sqlite_file()
            .is_some_and(|file| is_named_so(&file) || self.has("mode", "memory"))
    }

    /// The file that sqlx would open.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        let options = self.0.parse::<SqliteConnectOptions>();
        let file = options.ok()?.get_filename().to_owned();
        self.is_sqlite().then_some(file)
    }

    /// Whether a SQLite file that is not there is made.
    pub(crate) fn makes_file(&self) -> bool {
        self.has("mode", "rwc")
    }

    /// What sqlx makes of a PostgreSQL URL that [`DatabaseUrl::check`] has passed.
    pub(crate) fn postgres_options(&self) -> Option<PgConnectOptions> {
        (!self.is_sqlite()).then(|| self.0.parse().ok())?
    }

    /// What works, but not as safely as it could.
    pub(crate) fn advice(&self) -> Option<&'static str> {
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
            "DATABASE_URL does not say how its connections are encrypted: anybody on the way can pass for the \
             server, or leave the encryption out. Add ?sslmode=verify-full (with &sslrootcert=FILE for a CA of your \
             own), or sslmode=disable on a network that nobody else is in",
        )
    }

    /// The parameters, as sqlx reads them: a SQLite file can have any other character in its name.
    fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.parameters()
            .any(|(found, its)| found == name && its == value)
    }

    /// Says what is wrong with it, without repeating it.
    pub(crate) fn check(&self) -> Result<(), String> {
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
                    "has a {name} that is none of {}",
                    values.join(", ")
                ));
            }
        }
        if self.has("mode", "ro") || self.has("immutable", "1") || self.has("immutable", "true") {
            return Err(
                "opens the file for reading alone: write mode=rwc, and leave immutable out"
                    .to_owned(),
            );
        }
        // SeaORM wants a URL, in which the first part of a relative path is a host.
        if Url::parse(&self.0).is_err() {
            return Err(
                "is no URL: in the first part of a relative path, signs are written as in a URL, a space as %20"
                    .to_owned(),
            );
        }
        let options = self.0.parse::<SqliteConnectOptions>();
        let options = options.map_err(|_| "is no SQLite URL: its path is not UTF-8".to_owned())?;
        // SQLite takes an empty name for a database of the connection's own.
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
        // A fragment means nothing here, and the name of a database hardly ever has this sign.
        if tail.contains('#') || path.contains('@') {
            return Err(UNENCODED.to_owned());
        }
        if let Err(err) = Url::parse(&self.0) {
            return Err(if tail.contains('@') {
                UNENCODED.to_owned()
            } else {
                format!(
                    "is no PostgreSQL URL: {err}. Write postgres://user:password@host:5432/database"
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
            let makes_sense = match &*name {
                "sslmode" | "ssl-mode" => value.parse::<PgSslMode>().is_ok(),
                "hostaddr" => value.parse::<IpAddr>().is_ok(),
                "port" => value.parse::<u16>().is_ok(),
                "statement-cache-capacity" => value.parse::<usize>().is_ok(),
                _ => true,
            };
            if !makes_sense {
                return Err(format!("has a {name} that makes no sense"));
            }
        }
        // What is left are bytes that are no text.
        let options = self.0.parse::<PgConnectOptions>();
        options.map(drop).map_err(|_| UNENCODED.to_owned())
    }
}

/// The complaint about a parameter that there is not. What is no name is not repeated: it may be a part of something else.
fn unknown_parameter(name: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphabetic() || "_-".contains(letter);
    if !name.is_empty() && name.len() <= 32 && name.chars().all(is_name) {
        format!("has the parameter {name}, which there is not")
    } else {
        "has a parameter that there is not".to_owned()
    }
}

impl FromStr for DatabaseUrl {
    type Err = std::convert::Infallible;

    /// Takes any text: clap would print a refused one, password and all. It is judged when the settings are.
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
