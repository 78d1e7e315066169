//! Migrates the schema, and reports its state.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExprTrait, SqlxError,
    sea_query::{Expr, Func, Query},
    sqlx::error::DatabaseError,
};
use sea_orm_migration::{IntoSchemaManagerConnection, SchemaManager, seaql_migrations::Column};

use super::{
    database::{DB, patiently},
    error::{DbError, driver_error},
};

/// The key of the PostgreSQL advisory lock during migrations: "bienvenu" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"bienvenu");

/// The table of applied migrations, which [`Migrator`] uses too.
const TABLE: &str = migration::TABLE;

/// The table of applied migrations in older versions. Its name is the default of every program with SeaORM.
///
/// If that table is bienvenue's, it is kept equal to the current one. A running older binary reads it to know whether
/// it is ready. An older binary that starts must see that the database is newer.
const OLD_TABLE: &str = "seaql_migrations";

/// The direction of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Applies every pending migration.
    Up,
    /// Reverts the newest migration. The data in its tables is lost.
    Down,
}

/// The state of a migration. Its name is that of its file, which begins with its date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// The migration is applied.
    Applied(String),
    /// The migration is not applied yet.
    Pending(String),
    /// The migration was applied by a newer version.
    Unknown(String),
}

impl DB {
    /// Migrates the database. Returns the migrations that were applied or reverted.
    ///
    /// Any number of processes may call this at once. One does the work, and the others wait and find nothing left to
    /// do. Either all migrations succeed or nothing changes.
    ///
    /// # Errors
    /// [`DbError::NewerSchema`], [`DbError::Unusable`], [`DbError::Unavailable`], [`DbError::TimedOut`].
    pub async fn migrate(&self, direction: Direction) -> Result<Vec<String>, DbError> {
        let is_done =
            |applied: &BTreeSet<String>| direction == Direction::Up && *applied == known();
        if is_done(&self.ask(names(&self.conn, TABLE)).await?) {
            return Ok(Vec::new());
        }
        // On SQLite, this already takes the lock.
        let begun = patiently("for another process to migrate", || self.begin()).await?;
        let tx = &begun.conn;
        // No timeout from here on: the migration of a large table may take long, and so may the wait for another
        // process.
        lock(tx).await?;
        let old = is_ours(&names(tx, OLD_TABLE).await?);
        Migrator::install(tx).await?;
        if old {
            copy(tx, OLD_TABLE, TABLE).await?;
        }
        let before = names(tx, TABLE).await?;
        refuse_newer(&before)?;
        if !is_done(&before) {
            match direction {
                Direction::Up => Migrator::up(tx, None).await.map_err(foreign_table)?,
                Direction::Down => Migrator::down(tx, Some(1)).await?,
            }
        }
        let after = names(tx, TABLE).await?;
        if old {
            copy(tx, TABLE, OLD_TABLE).await?;
            forget(tx, OLD_TABLE, before.difference(&after)).await?;
        }
        begun.conn.commit().await?;
        Ok(before.symmetric_difference(&after).cloned().collect())
    }

    /// Every migration that this binary or the database knows, oldest first.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], [`DbError::TimedOut`].
    pub async fn migration_states(&self) -> Result<Vec<MigrationState>, DbError> {
        let applied = self.ask(applied(&self.conn)).await?;
        let known = known();
        let state = |name: &String| match (known.contains(name), applied.contains(name)) {
            (true, true) => MigrationState::Applied(name.clone()),
            (true, false) => MigrationState::Pending(name.clone()),
            (false, _) => MigrationState::Unknown(name.clone()),
        };
        Ok(known.union(&applied).map(state).collect())
    }
}

/// Locks the database against other processes that migrate, until the transaction ends. On SQLite, the transaction
/// itself is that lock.
async fn lock(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("SET LOCAL statement_timeout = 0")
            .await?;
        let lock = Func::cust("pg_advisory_xact_lock").arg(Expr::val(MIGRATION_LOCK));
        // The driver can't decode the empty result of the function. It can decode text.
        tx.query_one(Query::select().expr(Expr::expr(lock).cast_as("text")))
            .await?;
    }
    Ok(())
}

/// The names of the migrations that this binary knows.
fn known() -> BTreeSet<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// The names of the migrations that are applied.
async fn applied<'c, C>(conn: &'c C) -> Result<BTreeSet<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let applied = names(conn, TABLE).await?;
    if !applied.is_empty() {
        return Ok(applied);
    }
    let old = names(conn, OLD_TABLE).await?;
    Ok(if is_ours(&old) { old } else { applied })
}

/// The names in a table of migrations. Empty if the table does not exist.
async fn names<'c, C>(conn: &'c C, table: &'static str) -> Result<BTreeSet<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    if !SchemaManager::new(conn).has_table(table).await? {
        return Ok(BTreeSet::new());
    }
    let rows = conn
        .query_all(Query::select().column(Column::Version).from(table))
        .await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Whether a table with these migrations belongs to bienvenue. It does if it has the first of them, which no other
/// program has.
fn is_ours(names: &BTreeSet<String>) -> bool {
    known().first().is_some_and(|first| names.contains(first))
}

/// Copies the rows that are missing from one table to another.
async fn copy(tx: &DatabaseTransaction, from: &'static str, to: &'static str) -> Result<(), DbErr> {
    let columns = [Column::Version, Column::AppliedAt];
    let there = Query::select().column(Column::Version).from(to).to_owned();
    let missing = Query::select()
        .columns(columns)
        .from(from)
        .and_where(Expr::col(Column::Version).not_in_subquery(there))
        .to_owned();
    let mut insertion = Query::insert();
    insertion.into_table(to).columns(columns);
    insertion
        .select_from(missing)
        .map_err(|err| DbErr::Custom(err.to_string()))?;
    tx.execute(&insertion).await?;
    Ok(())
}

/// Deletes names from a table.
async fn forget(
    tx: &DatabaseTransaction,
    table: &'static str,
    names: impl Iterator<Item = &String>,
) -> Result<(), DbErr> {
    for name in names {
        let mut deletion = Query::delete();
        deletion
            .from_table(table)
            .and_where(Expr::col(Column::Version).eq(name));
        tx.execute(&deletion).await?;
    }
    Ok(())
}

/// Explains the error if a table of another program has a name that bienvenue needs.
fn foreign_table(err: DbErr) -> DbError {
    // Source: PostgreSQL's manual, appendix A (duplicate_table). SQLite has no code for this.
    let is_in_the_way = |database: &dyn DatabaseError| {
        database.code().is_some_and(|code| code == "42P07")
            || database.message().ends_with(" already exists")
    };
    match driver_error(&err) {
        Some(SqlxError::Database(database)) if is_in_the_way(&**database) => {
            DbError::Unusable(format!(
                "it contains tables of another program ({}): give bienvenue a database of its own, or on PostgreSQL a \
                 schema, with ALTER ROLE user SET search_path = schema",
                database.message()
            ))
        }
        _ => err.into(),
    }
}

fn refuse_newer(applied: &BTreeSet<String>) -> Result<(), DbError> {
    match applied.difference(&known()).next() {
        Some(unknown) => Err(DbError::NewerSchema(unknown.clone())),
        None => Ok(()),
    }
}
