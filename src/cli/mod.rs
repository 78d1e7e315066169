//! The commands, one per file.

mod audit;
mod confirm;
mod env_file;
mod health;
mod log;
mod migrate;
mod openapi;
mod serve;
mod user;

use std::{error::Error, ffi::OsString, process::ExitCode};

use clap::{
    Arg, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::Resettable,
};

use crate::{config::Settings, error::chain};

/// Accounts for your application: a user authentication service.
///
/// Without a command it serves. Settings are environment variables, which can also be set in a file named .env in the
/// working directory; `bienvenue serve --help` lists them.
#[derive(Parser)]
#[command(name = "bienvenue", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the HTTP API (the default)
    Serve(Box<Settings>),
    /// Migrates the tables of the database, or lists the migrations
    Migrate(migrate::Migrate),
    /// Manages users, as administrators do by the API
    User(user::UserCommand),
    /// Fails unless the service on this machine is ready: a health check for containers
    Health(health::Health),
    /// Lists the audit log, and verifies it
    Audit(audit::Audit),
    /// Prints the OpenAPI document
    Openapi,
}

/// Reads the command line and the environment, and runs the command.
#[must_use]
pub fn run() -> ExitCode {
    match try_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("bienvenue: {}", chain(&*err));
            ExitCode::FAILURE
        }
    }
}

fn try_run() -> Result<(), Box<dyn Error>> {
    env_file::read()?;
    env_file::read_secrets()?;
    // Without a command, serve. The settings are then read and checked in the usual way.
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() == 1 {
        arguments.push("serve".into());
    }
    let command = with_variables(Cli::command());
    let command = command.mut_subcommand("user", without_settings);
    let matches = command.get_matches_from(arguments);
    match Cli::from_arg_matches(&matches)?.command {
        Some(Command::Migrate(migrate)) => migrate::run(&migrate),
        Some(Command::User(user)) => user::run(&user),
        Some(Command::Health(health)) => health::run(&health),
        Some(Command::Audit(audit)) => audit::run(&audit),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Serve(settings)) => serve::run(&settings),
        None => Ok(Cli::command().print_help()?),
    }
}

/// Names the value of each argument like its variable. Treats an empty variable as not set: compose files pass an empty
/// value for a setting that is left open.
fn with_variables(command: clap::Command) -> clap::Command {
    let with_variable = |argument: Arg| {
        let variable = argument.get_env().map(ToOwned::to_owned);
        let Some(variable) = variable.and_then(|variable| variable.into_string().ok()) else {
            return argument;
        };
        let is_empty = std::env::var_os(&variable).is_some_and(|value| value.is_empty());
        let argument = argument.value_name(variable);
        if is_empty {
            argument.env(Resettable::Reset)
        } else {
            argument
        }
    };
    command
        .mut_args(with_variable)
        .mut_subcommands(with_variables)
}

/// Leaves the settings, which are those of `bienvenue serve`, out of the help of a command.
fn without_settings(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let is_setting = argument.get_env().is_some();
            argument.hide(is_setting)
        })
        .after_help(
            "Settings are those of `bienvenue serve`: environment variables, a .env file, or flags before the action.",
        )
}

/// How similar two names must be to suggest one for the other: the Jaro-Winkler similarity, from 0 to 1.
const ALIKE: f64 = 0.9;

/// Returns a warning for each variable that looks like a setting but is none: most likely it is misspelt.
fn unknown_variables() -> Vec<String> {
    let command = Settings::augment_args(clap::Command::new("serve"));
    let known = command.get_arguments().filter_map(clap::Arg::get_env);
    let known: Vec<_> = known.filter_map(|name| name.to_str()).collect();
    let unknown = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("BIENVENUE_") && !known.contains(&name.as_str()))
        .filter(|name| !env_file::is_secret_file(name));
    unknown
        .map(|name| {
            let alike = known
                .iter()
                .map(|known| (strsim::jaro_winkler(&name, known), known));
            let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
            let hint = match nearest {
                Some((likeness, known)) if likeness > ALIKE => format!(". Did you mean {known}?"),
                _ => String::new(),
            };
            format!("there is no setting {name}: it is ignored{hint}")
        })
        .collect()
}

/// Creates the threads that do everything except hashing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
