//! `bienvenue migrate`: the tables.

use std::{
    error::Error,
    io::{Write as _, stdout},
};

use clap::{Args, Subcommand};

use crate::{
    config::{DatabaseSettings, LogSettings},
    db::{DB, Direction, MigrationState},
};

#[derive(Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Applies every migration that is missing; `serve` does the same when it starts
    Up,
    /// Takes back the newest migration, and everything that is in its tables with it
    Down,
    /// Lists the migrations, and whether they are applied
    Status,
}

pub(super) fn run(migrate: &Migrate) -> Result<(), Box<dyn Error>> {
    super::log::start(&migrate.log)?;
    super::runtime()?.block_on(async {
        let db = DB::open_as_it_is(&migrate.database).await?;
        let mut out = stdout();
        let (direction, done) = match migrate.action {
            Action::Up => (Direction::Up, "applied"),
            Action::Down => (Direction::Down, "taken back"),
            Action::Status => {
                for migration in db.migration_states().await? {
                    match migration {
                        MigrationState::Applied(name) => writeln!(out, "applied  {name}")?,
                        MigrationState::Pending(name) => writeln!(out, "pending  {name}")?,
                        MigrationState::Unknown(name) => {
                            writeln!(out, "applied  {name}, which this version does not know")?;
                        }
                    }
                }
                return Ok(());
            }
        };
        let names = db.migrate(direction).await?;
        for name in &names {
            writeln!(out, "{done}  {name}")?;
        }
        if names.is_empty() {
            writeln!(out, "nothing to do")?;
        }
        Ok(())
    })
}
