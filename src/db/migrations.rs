//! Bringing the tables up to date, and asking whether they are.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, ExprTrait,
    sea_query::{Expr, Func, Query},
};
use sea_orm_migration::{IntoSchemaManagerConnection, SchemaManager, seaql_migrations};

use super::{DB, DbError, ask, patiently};

/// The key of the PostgreSQL advisory lock that whoever migrates holds: "bienvenu" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"bienvenu");

/// Where the migrations that are applied are written down.
const TABLE: &str = "seaql_migrations";

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
    /// [`DbError::NewerSchema`], [`DbError::Unavailable`], [`DbError::TimedOut`].
    pub async fn migrate(&self, direction: Direction) -> Result<Vec<String>, DbError> {
        let is_done =
            |applied: &BTreeSet<String>| direction == Direction::Up && *applied == known();
        if is_done(&ask(applied(&self.conn)).await?) {
            return Ok(Vec::new());
        }
        // SQLite's lock is taken here, or not at all.
        let begun = patiently("for another process to migrate", || self.begin()).await?;
        let tx = &begun.conn;
        // From here on without a limit: a migration of a large table takes what it takes, and so does
        // the wait for another process that is at it.
        lock(tx).await?;
        let before = applied(tx).await?;
        refuse_newer(&before)?;
        if is_done(&before) {
            return Ok(Vec::new());
        }
        match direction {
            Direction::Up => Migrator::up(tx, None).await?,
            Direction::Down => Migrator::down(tx, Some(1)).await?,
        }
        let after = applied(tx).await?;
        begun.conn.commit().await?;
        Ok(before.symmetric_difference(&after).cloned().collect())
    }

    /// Every migration that this binary or the database knows, oldest first.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], [`DbError::TimedOut`].
    pub async fn migration_states(&self) -> Result<Vec<MigrationState>, DbError> {
        let applied = ask(applied(&self.conn)).await?;
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
    if !SchemaManager::new(conn).has_table(TABLE).await? {
        return Ok(BTreeSet::new());
    }
    let rows = seaql_migrations::Entity::find().all(conn).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn refuse_newer(applied: &BTreeSet<String>) -> Result<(), DbError> {
    match applied.difference(&known()).next() {
        Some(unknown) => Err(DbError::NewerSchema(unknown.clone())),
        None => Ok(()),
    }
}
