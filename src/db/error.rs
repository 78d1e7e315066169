//! The errors of queries.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, SqlxError, sqlx::error::DatabaseError};

/// The reason why a query has no result.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No row matches.
    #[error("no result found")]
    NoResultFound,
    /// The request is invalid. Says which attribute is wrong.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The change names an attribute that users do not have.
    #[error("a user has no attribute {0:?}")]
    UnknownAttribute(String),
    /// A row with the same unique value already exists.
    #[error("a row with this value already exists")]
    Conflict(#[source] DbErr),
    /// The database can't be reached, or can't make the change now. A retry may succeed. If the connection was lost
    /// during a change, the change may have been made.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// The database took too long. A change may or may not have been made.
    #[error("the database did not answer in time")]
    TimedOut,
    /// A newer version of bienvenue migrated this database. This version does not know the meaning of its tables.
    #[error(
        "the database has the migration {0:?}, which this version of bienvenue does not know: \
         start a version at least as new as the one that applied it"
    )]
    NewerSchema(String),
    /// The database can't be used as it is. Says why, and what to do.
    #[error("{0}")]
    Unusable(String),
    /// The database refused the query, and no caller can do anything about it.
    #[error("the database refused the query")]
    Refused(#[source] DbErr),
}

impl DbError {
    /// Whether a retry of the same query may succeed.
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

/// The error of the driver.
pub(super) fn driver_error(err: &DbErr) -> Option<&SqlxError> {
    match err {
        DbErr::Conn(RuntimeErr::SqlxError(sqlx))
        | DbErr::Exec(RuntimeErr::SqlxError(sqlx))
        | DbErr::Query(RuntimeErr::SqlxError(sqlx)) => Some(sqlx),
        _ => None,
    }
}

/// The primary code of a SQLite error: the low byte of its code. `None` for an error of PostgreSQL. Source:
/// <https://www.sqlite.org/rescode.html>
fn sqlite_code(database: &dyn DatabaseError) -> Option<u32> {
    database.try_downcast_ref::<sea_orm::SqlxSqliteError>()?;
    Some(database.code()?.parse::<u32>().ok()? & 0xff)
}

/// Whether an error is an outage rather than a refusal.
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
            // Connection exceptions, serialization failures, insufficient resources, operator intervention, system
            // errors, a server that is read-only after a switch-over, and a lock that is not available. Source:
            // PostgreSQL's manual, appendix A.
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

/// Whether the database refused a change because it is read-only.
pub(super) fn is_read_only(err: &DbErr) -> bool {
    let Some(SqlxError::Database(database)) = driver_error(err) else {
        return false;
    };
    sqlite_code(&**database).map_or_else(
        || database.code().is_some_and(|code| code == "25006"),
        |code| code == 8,
    )
}
