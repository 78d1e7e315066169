//! Opening the database, whichever it is.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, SqlxError,
    sqlx::{
        Connection as _,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::sync::Semaphore;

use super::{DB, DbError, Direction, patiently};
use crate::{clock::Clock, config::DatabaseSettings};

/// How long one waits for a connection of the pool.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);

/// How long SQLite waits for another writer, in this process or another. Shorter than the limit of a
/// question, so that the answer is SQLite's own.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// How much of its file each connection to SQLite keeps to itself, in KiB, as SQLite wants it: with a minus. The system
/// keeps the rest for all of them.
const SQLITE_CACHE: &str = "-512";

/// How long PostgreSQL works on a statement.
const STATEMENT_LIMIT: Duration = Duration::from_secs(2);

/// A connection that lay idle for so long is tried before it is used: its server may be gone.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long a connection has to show that it is fit for the next user. One that went silent in the middle
/// of a question would else be waited for until the system gives it up, which takes a quarter of an hour,
/// and ten of those are the whole pool.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

impl DB {
    /// Opens the database at `url` (`sqlite:` or `postgres:`) and migrates it.
    ///
    /// `sqlite::memory:` is a database of its own, gone with the last clone of the `DB`.
    ///
    /// # Errors
    /// [`DbError::InvalidRequest`] for a URL that is none, [`DbError::NewerSchema`], and
    /// [`DbError::Unavailable`] after half a minute of trying.
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
        let conn = patiently("for the database", || connect(settings)).await?;
        Ok(DB {
            conn,
            clock: Clock::default(),
            writers: settings
                .url
                .is_sqlite()
                .then(|| Arc::new(Semaphore::new(1))),
            _turn: None,
        })
    }
}

async fn connect(settings: &DatabaseSettings) -> Result<DatabaseConnection, DbError> {
    settings
        .url
        .check()
        .map_err(|reason| DbError::InvalidRequest(format!("DATABASE_URL {reason}")))?;
    settings.url.create_private_file();
    let mut options = ConnectOptions::new(settings.url.as_str());
    options
        .max_connections(settings.connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        // Statements can hold hashes and digests: they are logged at no level.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        // The server gives up a little before whoever asked does: what nobody waits for holds nothing up.
        .statement_timeout(STATEMENT_LIMIT)
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_release(|conn, _| {
                Box::pin(async move {
                    match tokio::time::timeout(RELEASE_LIMIT, conn.ping()).await {
                        Ok(Ok(())) => Ok(true),
                        // An error: then it is dropped without another word to a server that is not there.
                        Ok(Err(err)) => Err(err),
                        Err(_) => Err(SqlxError::PoolTimedOut),
                    }
                })
            })
        })
        .map_sqlx_sqlite_pool_opts(|options| {
            options.after_release(|conn, _| {
                Box::pin(async move {
                    if !conn.is_in_transaction() {
                        return Ok(true);
                    }
                    // Lets a rollback that waits to be done be done. SQLite itself takes back what it could not commit: then there
                    // is nothing to roll back, sqlx goes on counting the transaction, and what the next user of this connection
                    // commits would be a part of one that nobody ends.
                    conn.ping().await?;
                    Ok(!conn.is_in_transaction())
                })
            })
        })
        .map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .pragma("cache_size", SQLITE_CACHE)
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
    // Boxed: the future of a connection is large, and awaited at the start alone.
    Ok(Box::pin(Database::connect(options)).await?)
}
