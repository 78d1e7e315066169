//! Questions to the database, one a method.
//!
//! Nothing here decides: [`crate::auth`] does.

mod connect;
mod doubts;
mod email_verifications;
mod known_clients;
mod mails;
mod migrations;
mod one_time_tokens;
mod postgres;
mod registrations;
mod sealing_keys;
mod sessions;
mod sqlite_file;
mod throttles;
mod users;

use std::{
    cell::Cell,
    error::Error,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ColumnTrait as _, ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, QueryFilter as _, QuerySelect as _, QueryTrait, RuntimeErr,
    SqlErr, SqliteTransactionMode, SqlxError, TransactionOptions, TransactionTrait,
    sea_query::{Func, LockBehavior, LockType, Query, SelectStatement, SimpleExpr},
    sqlx::error::DatabaseError,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use doubts::Doubts;

pub use migrations::{Direction, MigrationState};
/// What an attribute of a user can be set to.
pub use sea_orm::Value;

/// How long a question may take, the wait for a connection included. A database that is slower than
/// that is as good as down for whoever is waiting.
const QUESTION_LIMIT: Duration = Duration::from_millis(2500);

/// How long all questions of one request may take together: a request asks several.
const ALL_QUESTIONS_LIMIT: Duration = Duration::from_secs(4);

tokio::task_local! {
    /// What is left of it.
    static LEFT: Cell<Duration>;
}

/// How long one waits at the start for a database that is down or that another process has locked.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many rows are swept at once.
const SWEEP: u64 = 500;

/// How long one pauses between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// The database: on the pool, or inside a transaction, with the same methods.
#[derive(Debug)]
pub struct DB<C: ConnectionTrait = DatabaseConnection> {
    conn: C,
    clock: Clock,
    doubts: Doubts,
    /// The queue of those who want to write, where there must be one. SQLite takes one writer at a time
    /// and leaves the others to try their luck, for seconds when there are many: within this process they
    /// queue instead.
    writers: Option<Arc<Semaphore>>,
    /// The turn to write of a transaction that stood in that queue.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Clone for DB {
    /// The same database; clones share its connections.
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

/// The database inside a transaction, which [`DB::begin`] begins and [`DB::commit`] makes true.
pub type Transaction = DB<DatabaseTransaction>;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No row is as asked.
    #[error("no result found")]
    NoResultFound,
    /// The question makes no sense; says which attribute is at fault.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// A change of something that a user does not have.
    #[error("a user has no attribute {0:?}")]
    UnknownAttribute(String),
    /// A row with the same unique value is there already.
    #[error("a row with this value is there already")]
    Conflict(#[source] DbErr),
    /// The database can't be reached, or can't take the change now. The same question may work later. If
    /// it was lost in the middle of a change, that may have been made.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// The database took too long. A change may have been made, or may not.
    #[error("the database did not answer in time")]
    TimedOut,
    /// A newer bienvenue migrated this database; this one does not know what its tables mean.
    #[error(
        "the database has the migration {0:?}, which this version of bienvenue does not know: \
         start a version at least as new as the one that applied it"
    )]
    NewerSchema(String),
    /// The database can't be used as it is. Says what is the matter and how to mend it.
    #[error("{0}")]
    Unusable(String),
    /// The database refused for a reason that no caller can do anything about.
    #[error("the database refused")]
    Refused(#[source] DbErr),
}

impl DbError {
    /// Whether the same question may well be answered later, with nothing changed but the time.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut)
    }
}

impl From<DbErr> for DbError {
    fn from(err: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = err.sql_err() {
            Self::Conflict(err)
        } else if matches!(err, DbErr::RecordNotUpdated | DbErr::RecordNotFound(_)) {
            Self::NoResultFound
        } else if is_unavailable(&err) {
            Self::Unavailable(err)
        } else {
            Self::Refused(err)
        }
    }
}

/// What the driver says of it.
fn driver_error(err: &DbErr) -> Option<&SqlxError> {
    match err {
        DbErr::Conn(RuntimeErr::SqlxError(sqlx))
        | DbErr::Exec(RuntimeErr::SqlxError(sqlx))
        | DbErr::Query(RuntimeErr::SqlxError(sqlx)) => Some(sqlx),
        _ => None,
    }
}

/// The low byte of a code of SQLite's, which is the primary code. None for one of PostgreSQL's.
/// Source: <https://www.sqlite.org/rescode.html>
fn sqlite_code(database: &dyn DatabaseError) -> Option<u32> {
    database.try_downcast_ref::<sea_orm::SqlxSqliteError>()?;
    Some(database.code()?.parse::<u32>().ok()? & 0xff)
}

/// Tells an outage from a refusal.
fn is_unavailable(err: &DbErr) -> bool {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) =
        err
    {
        return true;
    }
    match driver_error(err) {
        Some(
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed,
        ) => true,
        Some(SqlxError::Database(database)) => match sqlite_code(&**database) {
            // Busy, locked, read-only, I/O error, full.
            Some(code) => matches!(code, 5 | 6 | 8 | 10 | 13),
            // Connection exceptions, serialization failures, insufficient resources, operator
            // intervention, system errors, a server that is read-only after a switch-over, and a
            // lock that was not to be had. Source: PostgreSQL's manual, appendix A.
            None => database.code().is_some_and(|code| {
                ["08", "40", "53", "57", "58"]
                    .iter()
                    .any(|class| code.starts_with(class))
                    || code == "25006"
                    || code == "55P03"
            }),
        },
        _ => false,
    }
}

/// Whether the database took a change for one that it can't make because it is read-only.
fn is_read_only(err: &DbErr) -> bool {
    let Some(SqlxError::Database(database)) = driver_error(err) else {
        return false;
    };
    sqlite_code(&**database).map_or_else(
        || database.code().is_some_and(|code| code == "25006"),
        |code| code == 8,
    )
}

/// Waits for the answer to one question, but not for ever, and notes what it says of the connections.
///
/// Boxed: SeaORM's futures have many kilobytes, and every layer above would hold and move them.
fn ask<T>(
    doubts: &Doubts,
    question: impl Future<Output = Result<T, DbErr>>,
) -> impl Future<Output = Result<T, DbError>> {
    let mut question = Box::pin(question);
    let doubts = doubts.clone();
    async move {
        let begun = Instant::now();
        let left = LEFT.try_with(Cell::get).unwrap_or(QUESTION_LIMIT);
        let watched = async {
            // Dropped before the question, which then gives its connection back to the pool.
            let asked = doubts.ask();
            let answer = question.as_mut().await;
            asked.was_answered();
            answer
        };
        let answer = tokio::time::timeout(left.min(QUESTION_LIMIT), watched).await;
        // Who asks for nobody's request has no limit but that of each question.
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

/// Does the work of one request, all questions of which may take 4 s together. Those past that are not answered.
pub(crate) async fn limited<F: Future>(work: F) -> F::Output {
    LEFT.scope(Cell::new(ALL_QUESTIONS_LIMIT), work).await
}

/// The one value that a question finds, as a part of another question.
fn subquery(question: impl QueryTrait<QueryStatement = SelectStatement>) -> SimpleExpr {
    SimpleExpr::SubQuery(None, Box::new(question.into_query().into()))
}

/// Tries again, for half a minute, what another process or a database that starts is in the way of.
async fn patiently<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(err) if err.is_temporary() && Instant::now() < end => {
                tracing::warn!(error = &err as &dyn Error, "waiting {what}");
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

impl<C: ConnectionTrait> DB<C> {
    /// Waits for the answer to one question, but not for ever.
    fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, DbErr>>,
    ) -> impl Future<Output = Result<T, DbError>> {
        ask(&self.doubts, question)
    }

    /// Makes one change, when it is this writer's turn, but does not wait for that for ever either.
    fn write<T>(
        &self,
        change: impl Future<Output = Result<T, DbErr>>,
    ) -> impl Future<Output = Result<T, DbError>> {
        self.ask(async {
            let _turn = self.turn().await;
            change.await
        })
    }

    /// Deletes some of the rows that a condition is true of, by a column that tells them apart, and says whether there may be
    /// more: a transaction of a few milliseconds, whatever has piled up.
    async fn sweep<E: EntityTrait>(
        &self,
        key: E::Column,
        which: SimpleExpr,
    ) -> Result<bool, DbError> {
        let some = E::find()
            .select_only()
            .column(key)
            .filter(which.clone())
            .limit(SWEEP)
            // Who holds on to some of them is not waited for. On SQLite there is but one writer, and sea-query leaves this out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let deletion = E::delete_many()
            .filter(key.in_subquery(some.into_query()))
            .filter(which);
        let deleted = self.write(deletion.exec(&self.conn)).await?.rows_affected;
        Ok(deleted >= SWEEP)
    }

    /// Waits for the turn to write, which lasts as long as what is returned. A transaction has its own.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let writers = Arc::clone(self.writers.as_ref()?);
        let turn = writers.acquire_owned().await;
        Some(turn.expect("the queue is never closed"))
    }

    /// The clock by which rows are stamped and everything expires.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl DB {
    /// Puts in another clock, for tests that move the time.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Checks that the database takes changes. One that does not, as a standby or a file on a read-only file system, may
    /// do so later, over new connections.
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
            // Where somebody is writing, there is nothing to find out.
            let Some(Ok(_turn)) = queue else {
                return Ok(());
            };
            let begun = self.conn.begin_with_options(immediate());
            self.ask(async { begun.await?.rollback().await }).await?;
        }
        self.doubts.found_writable();
        Ok(())
    }

    /// Moves what SQLite has in its write-ahead log into its file, and empties the log: a row that was deleted is then in
    /// neither. For PostgreSQL there is nothing to do.
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

    /// Begins a transaction, in which the same methods ask the same questions. Dropped without
    /// [`DB::commit`], it leaves no trace.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads and then writes would else
    /// find that another wrote in between, and fail.
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
        Ok(DB {
            conn,
            clock: self.clock.clone(),
            doubts: self.doubts.clone(),
            writers: None,
            _turn: turn,
        })
    }
}

/// Whether a PostgreSQL server takes no changes.
async fn is_read_only_server(conn: &DatabaseConnection) -> Result<bool, DbErr> {
    let setting = Func::cust("current_setting").arg("transaction_read_only");
    let row = conn
        .query_one(&Query::select().expr(setting).to_owned())
        .await?;
    let setting: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(setting.as_deref() == Some("on"))
}

/// How a transaction is begun that SQLite is to give the write lock.
fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

impl Transaction {
    /// Makes everything that was done in the transaction true, and durable.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] and [`DbError::TimedOut`]; it may have been committed then, or not.
    pub async fn commit(self) -> Result<(), DbError> {
        ask(&self.doubts, self.conn.commit()).await
    }
}
