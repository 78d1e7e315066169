//! Checks that a PostgreSQL server, or the pooler in front of it, can be used.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr, SqlxError,
    sqlx::{
        ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions,
        raw_sql,
    },
};

use super::error::DbError;

/// The timeout of each of these checks.
const LIMIT: Duration = Duration::from_secs(2);

/// The id of the server process that answers. It is queried without a prepared statement, because those may not work
/// here.
const PROCESS: &str = "SELECT pg_backend_pid()::text";

/// Removes a startup parameter that poolers refuse. It is about floating-point numbers, which the service does not
/// read.
pub(super) fn without_startup_parameters(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None)
}

/// Opens a connection and checks the server behind it.
///
/// # Errors
/// [`DbError::Unusable`] with an explanation, [`DbError::Unavailable`] and [`DbError::TimedOut`].
pub(super) async fn examine(options: &PgConnectOptions) -> Result<(), DbError> {
    let options = without_startup_parameters(options.clone()).disable_statement_logging();
    let looked = tokio::time::timeout(LIMIT, async {
        let mut conn = PgConnection::connect_with(&options).await?;
        let encoding = text(&mut conn, "SHOW server_encoding").await?;
        Ok((conn, encoding))
    });
    let (mut conn, encoding) = looked
        .await
        .map_err(|_| DbError::TimedOut)?
        .map_err(unavailable)?;
    if encoding != "UTF8" {
        return Err(DbError::Unusable(format!(
            "its encoding is {encoding}, which lacks some characters: create a database in UTF8, \
             with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    let shares = tokio::time::timeout(LIMIT, shares_processes(&mut conn, &options));
    // If a second connection can't be opened, that proves nothing.
    if let Ok(Ok(true)) = shares.await {
        return Err(DbError::Unusable(
            "a pooler in front of it shares its connections between clients, for a transaction or a \
             statement at a time: set the pooler to session mode (PgBouncer: pool_mode=session), or connect to PostgreSQL itself"
                .to_owned(),
        ));
    }
    // An error while closing does not matter.
    let _ = conn.close().await;
    Ok(())
}

/// Whether two open connections share one process of PostgreSQL, or one connection moves between processes. Either
/// shows a pooler that is not in session mode.
async fn shares_processes(
    first: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<bool, SqlxError> {
    let before = text(first, PROCESS).await?;
    let mut second = PgConnection::connect_with(options).await?;
    // An open transaction occupies its process. If the pooler assigns a process for each statement, it refuses to begin
    // a transaction.
    let begun = raw_sql("BEGIN").execute(&mut second).await;
    if matches!(begun, Err(SqlxError::Database(_))) {
        return Ok(true);
    }
    begun?;
    let other = text(&mut second, PROCESS).await?;
    if other == before {
        return Ok(true);
    }
    let after = text(first, PROCESS).await?;
    let _ = second.close().await;
    Ok(after != before)
}

async fn text(conn: &mut PgConnection, query: &'static str) -> Result<String, SqlxError> {
    raw_sql(query).fetch_one(conn).await?.try_get(0)
}

fn unavailable(err: SqlxError) -> DbError {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(err))).into()
}
