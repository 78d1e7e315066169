//! `bienvenue migrate`: migrates the tables.

use std::{
    error::Error,
    io::{Write as _, stdout},
};

use clap::{Args, Subcommand};

use super::confirm::Confirmation;
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
    /// Reverts the newest migration, and deletes the data in its tables and columns. Asks first
    Down(Confirmation),
    /// Lists the migrations, and whether they are applied
    Status,
}

pub(super) fn run(migrate: &Migrate) -> Result<(), Box<dyn Error>> {
    super::log::start(&migrate.log)?;
    super::runtime()?.block_on(async {
        let db = DB::open_as_it_is(&migrate.database).await?;
        let mut out = stdout();
        let (direction, done) = match &migrate.action {
            Action::Up => (Direction::Up, "applied"),
            Action::Down(confirmation) => {
                confirm_down(&db, confirmation).await?;
                (Direction::Down, "reverted")
            }
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

/// Asks whether to revert the newest migration, if there is one.
async fn confirm_down(db: &DB, confirmation: &Confirmation) -> Result<(), Box<dyn Error>> {
    let states = db.migration_states().await?;
    let newest = states.iter().rev().find_map(|state| match state {
        MigrationState::Applied(name) => Some(name),
        MigrationState::Pending(_) | MigrationState::Unknown(_) => None,
    });
    let Some(newest) = newest else {
        return Ok(());
    };
    let consequence = format!("reverting {newest} deletes the data in its tables and columns");
    confirmation.ask(&consequence, "migrate down")
}
