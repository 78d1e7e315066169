//! The database, and how queries are sent to it.

use std::{
    cell::Cell,
    error::Error,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    AccessMode, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IsolationLevel, QueryFilter as _, QuerySelect as _, QueryTrait,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sea_query::{Func, LockBehavior, LockType, Query, SelectStatement, SimpleExpr},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    doubts::Doubts,
    error::{DbError, is_read_only},
};
use crate::clock::Clock;

/// The timeout of a query, including the wait for a connection. A client that waits longer gains nothing.
const QUERY_LIMIT: Duration = Duration::from_millis(2500);

/// The timeout of all queries of one request together. A request sends several, and is to be answered within 3 s while the database does not answer.
const ALL_QUERIES_LIMIT: Duration = Duration::from_millis(2800);

tokio::task_local! {
    /// What remains of [`ALL_QUERIES_LIMIT`] for the current request.
    static LEFT: Cell<Duration>;
}

/// How long the start waits for a database that is down, or that another process has locked.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many rows one clean-up deletes.
pub(super) const SWEEP: u64 = 500;

/// How often a wait for the database is logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The pause between two attempts at the start.
const PAUSE: Duration = Duration::from_millis(500);

/// The database: on the pool, or inside a transaction, with the same methods.
#[derive(Debug)]
pub struct DB<C: ConnectionTrait = DatabaseConnection> {
    pub(super) conn: C,
    pub(super) clock: Clock,
    pub(super) doubts: Doubts,
    /// The queue of writers. Only SQLite has one. It accepts one writer at a time, and the others retry at random, for
    /// seconds if there are many. A queue within this process is faster and fair.
    pub(super) writers: Option<Arc<Semaphore>>,
    /// The permit to write that a transaction got from that queue.
    pub(super) _turn: Option<OwnedSemaphorePermit>,
}

impl Clone for DB {
    /// Returns the same database. Clones share its connections.
    fn clone(&self) -> Self {
        Self {
            conn: self.conn.clone(),
            clock: self.clock.clone(),
            doubts: self.doubts.clone(),
            writers: self.writers.clone(),
            _turn: None,
        }
    }
}

/// The database inside a transaction. [`DB::begin`] begins it, and [`DB::commit`] commits it.
pub type Transaction = DB<DatabaseTransaction>;

/// Waits for the result of one query, with a timeout, and records what it shows about the connections.
///
/// Boxed: SeaORM's futures have many kilobytes, and every layer above would store and move them.
fn ask<T>(
    doubts: &Doubts,
    query: impl Future<Output = Result<T, DbErr>>,
) -> impl Future<Output = Result<T, DbError>> {
    let mut query = Box::pin(query);
    let doubts = doubts.clone();
    async move {
        let begun = Instant::now();
        let left = LEFT.try_with(Cell::get).unwrap_or(QUERY_LIMIT);
        let watched = async {
            // Dropped before the query, which then returns its connection to the pool.
            let asked = doubts.ask();
            let answer = query.as_mut().await;
            asked.was_answered();
            answer
        };
        let answer = tokio::time::timeout(left.min(QUERY_LIMIT), watched).await;
        // Work outside a request has only the timeout of each query.
        let _ = LEFT.try_with(|left| left.set(left.get().saturating_sub(begun.elapsed())));
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(err)) => {
                if is_read_only(&err) {
                    doubts.found_read_only();
                }
                Err(err.into())
            }
            Err(_) => Err(DbError::TimedOut),
        }
    }
}

/// Does the work of one request. All its queries together may take 4 s. Later ones fail with a timeout.
pub(crate) async fn limited<F: Future>(work: F) -> F::Output {
    LEFT.scope(Cell::new(ALL_QUERIES_LIMIT), work).await
}

/// Makes a subquery of a query for one value.
pub(super) fn subquery(query: impl QueryTrait<QueryStatement = SelectStatement>) -> SimpleExpr {
    SimpleExpr::SubQuery(None, Box::new(query.into_query().into()))
}

/// Retries for half a minute while another process holds a lock or the database is starting.
pub(super) async fn patiently<T, F>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let begun = Instant::now();
    let mut reports = 0;
    loop {
        match attempt().await {
            Err(err) if err.is_temporary() && begun.elapsed() < PATIENCE => {
                // At once, and then now and then.
                if begun.elapsed() >= REPORT_INTERVAL * reports {
                    reports += 1;
                    tracing::warn!(error = &err as &dyn Error, "waiting {what}");
                }
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

impl<C: ConnectionTrait> DB<C> {
    /// Waits for the result of one query, with a timeout.
    pub(super) fn ask<T>(
        &self,
        query: impl Future<Output = Result<T, DbErr>>,
    ) -> impl Future<Output = Result<T, DbError>> {
        ask(&self.doubts, query)
    }

    /// Makes one change once the queue of writers allows it. The timeout includes that wait.
    pub(super) fn write<T>(
        &self,
        change: impl Future<Output = Result<T, DbErr>>,
    ) -> impl Future<Output = Result<T, DbError>> {
        self.ask(async {
            let _turn = self.turn().await;
            change.await
        })
    }

    /// Deletes a batch of the rows that match a condition, by a column that is their key. Returns whether there may be
    /// more. However many rows there are, the transaction takes a few milliseconds.
    pub(super) async fn sweep<E: EntityTrait>(
        &self,
        key: E::Column,
        which: SimpleExpr,
    ) -> Result<bool, DbError> {
        let some = E::find()
            .select_only()
            .column(key)
            .filter(which.clone())
            .limit(SWEEP)
            // Rows that another transaction has locked are skipped. SQLite has only one writer, and sea-query leaves
            // this clause out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let deletion = E::delete_many()
            .filter(key.in_subquery(some.into_query()))
            .filter(which);
        let deleted = self.write(deletion.exec(&self.conn)).await?.rows_affected;
        Ok(deleted >= SWEEP)
    }

    /// Waits for the permit to write, which is held until the returned value is dropped. `None` inside a transaction,
    /// which already has its own, and on PostgreSQL, which needs none.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let writers = Arc::clone(self.writers.as_ref()?);
        let turn = writers.acquire_owned().await;
        Some(turn.expect("the queue is never closed"))
    }

    /// The clock for timestamps and expiry.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl DB {
    /// Replaces the clock, for tests that control the time.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Checks that the database accepts writes. A standby server, or a file on a read-only file system, does not. It
    /// may accept them later, over new connections.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when it does not, and [`DbError::TimedOut`].
    pub async fn check_writable(&self) -> Result<(), DbError> {
        if self.conn.get_database_backend() == DbBackend::Postgres {
            if self.ask(is_read_only_server(&self.conn)).await? {
                self.doubts.found_read_only();
                let err = DbErr::Custom("the server is read-only".to_owned());
                return Err(DbError::Unavailable(err));
            }
        } else {
            let queue = self.writers.clone().map(Semaphore::try_acquire_owned);
            // If another writer is active, the database accepts writes.
            let Some(Ok(_turn)) = queue else {
                return Ok(());
            };
            let begun = self.conn.begin_with_options(immediate());
            self.ask(async { begun.await?.rollback().await }).await?;
        }
        self.doubts.found_writable();
        Ok(())
    }

    /// Moves the content of SQLite's write-ahead log into its file, and empties the log. Afterwards a deleted row is in
    /// neither. Does nothing on PostgreSQL.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] and [`DbError::TimedOut`].
    pub async fn empty_log(&self) -> Result<(), DbError> {
        if self.writers.is_some() {
            let statement = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.write(self.conn.execute_unprepared(statement)).await?;
        }
        Ok(())
    }

    /// Begins a transaction with the same methods. If it is dropped without [`DB::commit`], nothing changes.
    ///
    /// On SQLite it takes the write lock at once. A transaction that first reads and then writes would fail if another
    /// transaction wrote in between.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] and [`DbError::TimedOut`].
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        let (conn, turn) = self
            .ask(async {
                let turn = self.turn().await;
                Ok((self.conn.begin_with_options(immediate()).await?, turn))
            })
            .await?;
        Ok(self.inside(conn, turn))
    }

    /// Begins a transaction that only reads. All its queries see the database as it is at the first of them, however long
    /// it takes, and it delays no writer.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction, DbError> {
        let options = match self.conn.get_database_backend() {
            // A transaction on SQLite that has not written sees one state.
            DbBackend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        let begun = self.conn.begin_with_options(options);
        Ok(self.inside(self.ask(begun).await?, None))
    }

    fn inside(&self, conn: DatabaseTransaction, turn: Option<OwnedSemaphorePermit>) -> Transaction {
        DB {
            conn,
            clock: self.clock.clone(),
            doubts: self.doubts.clone(),
            writers: None,
            _turn: turn,
        }
    }
}

/// Whether a PostgreSQL server is read-only.
async fn is_read_only_server(conn: &DatabaseConnection) -> Result<bool, DbErr> {
    let setting = Func::cust("current_setting").arg("transaction_read_only");
    let row = conn
        .query_one(&Query::select().expr(setting).to_owned())
        .await?;
    let setting: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(setting.as_deref() == Some("on"))
}

/// Options with which SQLite takes the write lock at the beginning of a transaction.
fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

impl Transaction {
    /// Commits the transaction. Its changes are durable when this returns.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] and [`DbError::TimedOut`]. The transaction may or may not have been committed then.
    pub async fn commit(self) -> Result<(), DbError> {
        ask(&self.doubts, self.conn.commit()).await?;
        self.doubts.found_writable();
        Ok(())
    }
}
