//! Opening the database, whichever it is.

use std::{future::ready, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, SqlxError,
    sqlx::{
        Connection as _, Executor as _,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::sync::Semaphore;

use super::{DB, DbError, Direction, doubts::Doubts, patiently, postgres, sqlite_file};
use crate::{clock::Clock, config::DatabaseSettings};

/// How long one waits for a connection of the pool.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);

/// How long SQLite waits for another writer, in this process or another. Shorter than the limit of a
/// question, so that the answer is SQLite's own.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// How much of its file each connection to SQLite keeps to itself, in KiB, as SQLite wants it: with a minus. The system
/// keeps the rest for all of them.
const SQLITE_CACHE: &str = "-512";

/// How long PostgreSQL works on a statement: 2 s. It is set once a connection is there: a pooler such as `PgBouncer` refuses
/// connections that ask for settings while they are opened.
const STATEMENT_LIMIT: &str = "SET statement_timeout = '2s'";

/// A connection that lay idle for so long is tried before it is used: its server may be gone.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long a connection has to show that it is fit for the next user, when a question was cut off lately. One that went
/// silent in the middle of a question would else be waited for until the system gives it up, which takes a quarter of an
/// hour, and ten of those are the whole pool.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

impl DB {
    /// Opens the database at `url` (`sqlite:` or `postgres:`) and migrates it.
    ///
    /// `sqlite::memory:` is a database of its own, gone with the last clone of the `DB`.
    ///
    /// # Errors
    /// [`DbError::InvalidRequest`] for a URL that is none, [`DbError::Unusable`], [`DbError::NewerSchema`], and
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
        let url = &settings.url;
        url.check()
            .map_err(|reason| DbError::InvalidRequest(format!("DATABASE_URL {reason}")))?;
        if let Some(advice) = url.advice() {
            tracing::warn!("{advice}");
        }
        let doubts = Doubts::default();
        let conn = patiently("for the database", || connect(settings, &doubts)).await?;
        Ok(DB {
            conn,
            clock: Clock::default(),
            doubts,
            writers: settings
                .url
                .is_sqlite()
                .then(|| Arc::new(Semaphore::new(1))),
            _turn: None,
        })
    }
}

async fn connect(
    settings: &DatabaseSettings,
    doubts: &Doubts,
) -> Result<DatabaseConnection, DbError> {
    let url = &settings.url;
    if let Some(options) = url.postgres_options() {
        postgres::examine(&options).await?;
    }
    if let Some(file) = url.sqlite_file().filter(|_| !url.is_in_memory()) {
        sqlite_file::prepare(&file, url.makes_file()).map_err(DbError::Unusable)?;
    }
    let mut options = ConnectOptions::new(url.as_str());
    options
        .max_connections(settings.connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        // Statements can hold hashes and digests: they are logged at no level.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    on_postgres(&mut options, doubts);
    on_sqlite(&mut options, doubts);
    if url.is_in_memory() {
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

fn on_postgres(options: &mut ConnectOptions, doubts: &Doubts) {
    let (acquired, released) = (doubts.clone(), doubts.clone());
    options
        .map_sqlx_postgres_opts(postgres::without_startup_parameters)
        .map_sqlx_postgres_before_acquire(move |_, connection| {
            let is_trusted = !acquired.is_of_read_only(connection.age);
            Box::pin(ready(Ok(is_trusted)))
        })
        .map_sqlx_postgres_pool_opts(move |options| {
            let released = released.clone();
            options
                .after_connect(|conn, _| {
                    // The server gives up a little before whoever asked does: what nobody waits for holds nothing up.
                    Box::pin(async { conn.execute(STATEMENT_LIMIT).await.map(drop) })
                })
                .after_release(move |conn, connection| {
                    let is_trusted = !released.is_of_read_only(connection.age);
                    let may_be_silent = released.may_be_silent();
                    Box::pin(async move {
                        if !is_trusted || !may_be_silent {
                            return Ok(is_trusted);
                        }
                        match tokio::time::timeout(RELEASE_LIMIT, conn.ping()).await {
                            Ok(Ok(())) => Ok(true),
                            // An error: then it is dropped without another word to a server that is not there.
                            Ok(Err(err)) => Err(err),
                            Err(_) => Err(SqlxError::PoolTimedOut),
                        }
                    })
                })
        });
}

fn on_sqlite(options: &mut ConnectOptions, doubts: &Doubts) {
    let (acquired, released) = (doubts.clone(), doubts.clone());
    options
        .map_sqlx_sqlite_before_acquire(move |_, connection| {
            let is_trusted = !acquired.is_of_read_only(connection.age);
            Box::pin(ready(Ok(is_trusted)))
        })
        .map_sqlx_sqlite_pool_opts(move |options| {
            let released = released.clone();
            options.after_release(move |conn, connection| {
                let is_trusted = !released.is_of_read_only(connection.age);
                Box::pin(async move {
                    if !conn.is_in_transaction() {
                        return Ok(is_trusted);
                    }
                    // Lets a rollback that waits to be done be done. SQLite itself takes back what it could not commit: then there
                    // is nothing to roll back, sqlx goes on counting the transaction, and what the next user of this connection
                    // commits would be a part of one that nobody ends.
                    conn.ping().await?;
                    Ok(is_trusted && !conn.is_in_transaction())
                })
            })
        })
        .map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .pragma("cache_size", SQLITE_CACHE)
                // What is deleted is overwritten with zeros.
                .pragma("secure_delete", "ON")
                .busy_timeout(BUSY_LIMIT)
        });
}
