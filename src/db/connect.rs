//! Opening the database, whichever it is.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use super::{DB, DbError, Direction};
use crate::{clock::Clock, config::DatabaseSettings};

/// How long one waits for a connection of the pool.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);

/// How long SQLite waits for another writer, in this process or another. Shorter than the limit of a
/// question, so that the answer is SQLite's own.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// A connection that lay idle for so long is tried before it is used: its server may be gone.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How often, and every how much, a database that is down at start is tried: for 30 s.
const START_TRIES: usize = 60;
const START_PAUSE: Duration = Duration::from_millis(500);

impl DB {
    /// Opens the database at `url` (`sqlite:` or `postgres:`) and migrates it.
    ///
    /// `sqlite::memory:` is a database of its own, gone with the last clone of the `DB`.
    ///
    /// # Errors
    /// [`DbError::InvalidRequest`] for a URL that is none, [`DbError::NewerSchema`], and after 30 s of
    /// trying [`DbError::Unavailable`].
    pub async fn connect(url: &str) -> Result<DB, DbError> {
        Self::open(&DatabaseSettings::at(url)).await
    }

    /// Opens the database that the settings name and migrates it. See [`DB::connect`].
    ///
    /// # Errors
    /// Those of [`DB::connect`].
    pub async fn open(settings: &DatabaseSettings) -> Result<DB, DbError> {
        let db = Self::open_as_it_is(settings).await?;
        db.migrate(Direction::Up).await?;
        Ok(db)
    }

    /// Opens the database without migrating it.
    ///
    /// # Errors
    /// Those of [`DB::connect`] but [`DbError::NewerSchema`].
    pub async fn open_as_it_is(settings: &DatabaseSettings) -> Result<DB, DbError> {
        let conn = (|| connect(settings))
            .retry(
                ConstantBuilder::default()
                    .with_delay(START_PAUSE)
                    .with_max_times(START_TRIES),
            )
            .when(|err| err.is_temporary() && !settings.url.is_sqlite())
            .notify(|err, _| {
                tracing::warn!(
                    error = err as &dyn std::error::Error,
                    "waiting for the database"
                );
            })
            .await?;
        Ok(DB {
            conn,
            clock: Clock::default(),
        })
    }
}

async fn connect(settings: &DatabaseSettings) -> Result<DatabaseConnection, DbError> {
    settings
        .url
        .check()
        .map_err(|reason| DbError::InvalidRequest(format!("DATABASE_URL {reason}")))?;
    let mut options = ConnectOptions::new(settings.url.as_str());
    options
        .max_connections(settings.connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        // Statements can hold hashes and digests: they are logged at no level.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_LIMIT)
        });
    if settings.url.is_in_memory() {
        // Each connection would be a database of its own, and is gone when it is closed.
        options
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
    }
    Ok(Database::connect(options).await?)
}
