//! Connecting to the database, SQLite or PostgreSQL.

use std::{future::ready, io::ErrorKind, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, SqlxError,
    sqlx::{
        Connection as _, Executor as _,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::sync::Semaphore;

use super::{
    database::{DB, patiently},
    doubts::Doubts,
    error::DbError,
    migrations::Direction,
    postgres, sqlite_file,
    url::DatabaseOptions,
};
use crate::clock::Clock;

/// The timeout for getting a connection from the pool.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);

/// How long SQLite waits for another writer, in this process or another. Shorter than the timeout of a query, so that
/// the error comes from SQLite itself.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// The cache of each SQLite connection, in KiB, which SQLite writes as a negative number. The operating system caches
/// the rest of the file for all connections.
const SQLITE_CACHE: &str = "-512";

/// The timeout of a statement on PostgreSQL: 2 s. It is set after the connection is open, because poolers such as
/// `PgBouncer` refuse connections with startup settings.
const STATEMENT_LIMIT: &str = "SET statement_timeout = '2s'";

/// A connection that was idle for longer than this is tested before it is used: its server may be gone.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The timeout of the test that a connection must pass on its return to the pool, if a query was cut off lately.
/// Without the test, a connection that went silent during a query is waited for until the system gives it up, after a
/// quarter of an hour. Ten of those are the whole pool.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

impl DB {
    /// Opens the database at `url` (`sqlite:` or `postgres:`) and migrates it.
    ///
    /// `sqlite::memory:` is a separate database in memory. It is deleted with the last clone of the `DB`.
    ///
    /// # Errors
    /// [`DbError::InvalidRequest`] for an invalid URL, [`DbError::Unusable`], [`DbError::NewerSchema`], and
    /// [`DbError::Unavailable`] after half a minute of attempts.
    pub async fn connect(url: &str) -> Result<DB, DbError> {
        Self::open(DatabaseOptions::at(url)).await
    }

    /// Opens the database in the options and migrates it. See [`DB::connect`].
    ///
    /// # Errors
    /// Those of [`DB::connect`].
    pub async fn open(options: impl Into<DatabaseOptions>) -> Result<DB, DbError> {
        let db = Self::open_as_it_is(options).await?;
        db.migrate(Direction::Up).await?;
        Ok(db)
    }

    /// Like [`DB::open_as_it_is`], but does not create a SQLite file.
    ///
    /// # Errors
    /// Those of [`DB::open_as_it_is`], and [`DbError::Unusable`] if there is no file.
    pub async fn open_existing(options: impl Into<DatabaseOptions>) -> Result<DB, DbError> {
        let options = options.into();
        let url = &options.url;
        if let Some(file) = url.sqlite_file().filter(|_| !url.is_in_memory())
            && file
                .metadata()
                .is_err_and(|err| err.kind() == ErrorKind::NotFound)
        {
            let file = std::path::absolute(&file).unwrap_or(file);
            return Err(DbError::Unusable(format!(
                "there is no database {}: bienvenue serve creates it. Is this the right folder, and is DATABASE_URL set?",
                file.display()
            )));
        }
        Self::open_as_it_is(options).await
    }

    /// Opens the database without migrating it.
    ///
    /// # Errors
    /// Those of [`DB::connect`] except [`DbError::NewerSchema`].
    pub async fn open_as_it_is(options: impl Into<DatabaseOptions>) -> Result<DB, DbError> {
        let options = options.into();
        let url = &options.url;
        url.check()
            .map_err(|reason| DbError::InvalidRequest(format!("DATABASE_URL {reason}")))?;
        if let Some(advice) = url.advice() {
            tracing::warn!("{advice}");
        }
        let doubts = Doubts::default();
        let conn = patiently(&format!("for {}", url.place()), || {
            connect(&options, &doubts)
        })
        .await?;
        Ok(DB {
            conn,
            clock: Clock::default(),
            doubts,
            writers: url.is_sqlite().then(|| Arc::new(Semaphore::new(1))),
            _turn: None,
        })
    }
}

async fn connect(
    database: &DatabaseOptions,
    doubts: &Doubts,
) -> Result<DatabaseConnection, DbError> {
    let url = &database.url;
    if let Some(options) = url.postgres_options() {
        postgres::examine(&options).await?;
    }
    if let Some(file) = url.sqlite_file().filter(|_| !url.is_in_memory()) {
        sqlite_file::prepare(&file, url.makes_file()).map_err(DbError::Unusable)?;
    }
    let mut options = ConnectOptions::new(url.as_str());
    options
        .max_connections(database.connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        // Statements can contain hashes and digests. They must not be logged at any level.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    on_postgres(&mut options, doubts);
    on_sqlite(&mut options, doubts);
    if url.is_in_memory() {
        // Each connection would be a separate database, deleted when the connection closes.
        options
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
    }
    // Boxed: this future is large, and is awaited only at the start.
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
                    // The server stops a little before the caller's timeout. So a statement without a caller does not
                    // block others.
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
                            // With an error, sqlx drops the connection and sends nothing more to a server that may be
                            // gone.
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
                    // The ping completes a pending rollback.
                    //
                    // If SQLite can't commit, it rolls back by itself. Then there is nothing left to roll back, but
                    // sqlx still counts the transaction as open. What the next user of this connection commits would
                    // belong to a transaction that never ends. Such a connection is dropped.
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
                // SQLite overwrites deleted data with zeros.
                .pragma("secure_delete", "ON")
                .busy_timeout(BUSY_LIMIT)
        });
}
