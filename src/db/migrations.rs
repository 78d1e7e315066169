//! Bringing the tables up to date, and asking whether they are.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExprTrait, SqlxError,
    sea_query::{Expr, Func, Query},
    sqlx::error::DatabaseError,
};
use sea_orm_migration::{IntoSchemaManagerConnection, SchemaManager, seaql_migrations::Column};

use super::{DB, DbError, driver_error, patiently};

/// The key of the PostgreSQL advisory lock that whoever migrates holds: "bienvenu" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"bienvenu");

/// Where the migrations that are applied are written down, as [`Migrator`] has it too.
const TABLE: &str = migration::TABLE;

/// Where older versions wrote them down, under the name that every program with SeaORM has for it. Where that table is
/// ours it is kept the same: an older binary that runs reads it to know whether it is ready, and one that is started is to
/// see that the database is newer than it is.
const OLD_TABLE: &str = "seaql_migrations";

/// Which way to migrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Applies every migration that is not applied yet.
    Up,
    /// Takes back the newest one, and what is in its tables with it.
    Down,
}

/// A migration, by the name of its file, which begins with its date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// The database has it.
    Applied(String),
    /// The database has yet to get it.
    Pending(String),
    /// The database has it, from a newer version than this.
    Unknown(String),
}

impl DB {
    /// Migrates, and says which migrations were applied or taken back.
    ///
    /// Any number of processes may do so at the same moment: one works, the others wait for it and
    /// find nothing left to do. All of it happens or nothing.
    ///
    /// # Errors
    /// [`DbError::NewerSchema`], [`DbError::Unusable`], [`DbError::Unavailable`], [`DbError::TimedOut`].
    pub async fn migrate(&self, direction: Direction) -> Result<Vec<String>, DbError> {
        let is_done =
            |applied: &BTreeSet<String>| direction == Direction::Up && *applied == known();
        if is_done(&self.ask(names(&self.conn, TABLE)).await?) {
            return Ok(Vec::new());
        }
        // SQLite's lock is taken here, or not at all.
        let begun = patiently("for another process to migrate", || self.begin()).await?;
        let tx = &begun.conn;
        // From here on without a limit: a migration of a large table takes what it takes, and so does
        // the wait for another process that is at it.
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

/// Waits until no other process migrates; until the transaction ends none will. SQLite's transaction
/// is that lock already.
async fn lock(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("SET LOCAL statement_timeout = 0")
            .await?;
        let lock = Func::cust("pg_advisory_xact_lock").arg(Expr::val(MIGRATION_LOCK));
        // The function returns nothing that the driver can decode: as text it can.
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

/// The names of the migrations that the database has.
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

/// The names in a table of migrations; none where there is no such table.
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

/// Whether a table with these migrations is bienvenue's: it has the first of them. Another program's never has.
fn is_ours(names: &BTreeSet<String>) -> bool {
    known().first().is_some_and(|first| names.contains(first))
}

/// Writes down in one table what another has and it has not.
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

/// Strikes names from a table.
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

/// Tells a table of another program's, in the way of one of ours.
fn foreign_table(err: DbErr) -> DbError {
    // Source: PostgreSQL's manual, appendix A (duplicate_table). SQLite has no code for it.
    let is_in_the_way = |database: &dyn DatabaseError| {
        database.code().is_some_and(|code| code == "42P07")
            || database.message().ends_with(" already exists")
    };
    match driver_error(&err) {
        Some(SqlxError::Database(database)) if is_in_the_way(&**database) => {
            DbError::Unusable(format!(
                "another program has its tables in it ({}): give bienvenue a database of its own, or on PostgreSQL a \
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
