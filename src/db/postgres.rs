//! Whether a PostgreSQL server, or what stands in front of it, can be used at all.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr, SqlxError,
    sqlx::{
        ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions,
        raw_sql,
    },
};

use super::DbError;

/// How long the server has for all of this.
const LIMIT: Duration = Duration::from_secs(2);

/// The process of the server that answers. It is asked without preparing a statement, which is what may not work.
const PROCESS: &str = "SELECT pg_backend_pid()::text";

/// Leaves out what poolers refuse. The service reads no floating-point numbers, which this setting is about.
pub(super) fn without_startup_parameters(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None)
}

/// Opens a connection and looks at what it leads to.
///
/// # Errors
/// [`DbError::Unusable`] with a sentence, [`DbError::Unavailable`] and [`DbError::TimedOut`].
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
            "it is encoded in {encoding}, which has not all characters: make one that is encoded in UTF8, \
             with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    let shares = tokio::time::timeout(LIMIT, shares_processes(&mut conn, &options));
    // A second connection that is not to be had proves nothing.
    if let Ok(Ok(true)) = shares.await {
        return Err(DbError::Unusable(
            "a pooler in front of it shares its connections between clients, for a transaction or a \
             statement at a time: set the pooler to session mode (PgBouncer: pool_mode=session), or connect to PostgreSQL itself"
                .to_owned(),
        ));
    }
    // What it says when it is closed is of no interest.
    let _ = conn.close().await;
    Ok(())
}

/// Whether two connections that are both open are served by one process of PostgreSQL, or one by two.
async fn shares_processes(
    first: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<bool, SqlxError> {
    let before = text(first, PROCESS).await?;
    let mut second = PgConnection::connect_with(options).await?;
    // While the transaction is open, its process is taken. Where each statement may go elsewhere, none is begun.
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

async fn text(conn: &mut PgConnection, question: &'static str) -> Result<String, SqlxError> {
    raw_sql(question).fetch_one(conn).await?.try_get(0)
}

fn unavailable(err: SqlxError) -> DbError {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(err))).into()
}
