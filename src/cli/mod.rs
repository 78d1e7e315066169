//! The commands, one a file.

mod env_file;
mod health;
mod log;
mod migrate;
mod openapi;
mod serve;

use std::{error::Error, ffi::OsString, process::ExitCode};

use clap::{
    Arg, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::Resettable,
};

use crate::config::Settings;

/// Accounts for your application: a user authentication service.
///
/// Without a command it serves. Settings are environment variables, which a file named .env in the
/// working directory may set too; `bienvenue serve --help` lists them.
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
    /// Brings the tables of the database up to date, or shows whether they are
    Migrate(migrate::Migrate),
    /// Fails unless the service on this machine is ready: a health check for containers
    Health(health::Health),
    /// Prints the OpenAPI document
    Openapi,
}

/// Reads the command line and the environment, and does what they say.
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
    // No command is the command to serve, so that its settings are read and checked as always.
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() == 1 {
        arguments.push("serve".into());
    }
    let matches = without_empty_variables(Cli::command()).get_matches_from(arguments);
    match Cli::from_arg_matches(&matches)?.command {
        Some(Command::Migrate(migrate)) => migrate::run(&migrate),
        Some(Command::Health(health)) => health::run(&health),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Serve(settings)) => serve::run(&settings),
        None => Ok(Cli::command().print_help()?),
    }
}

/// The same command, for which a variable that is set to nothing is not set: that is what compose files pass for what they
/// leave open.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |argument: &Arg| {
        let variable = argument.get_env().and_then(std::env::var_os);
        variable.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|argument| {
            if is_empty(&argument) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// The variables that look like settings of ours and are none: most likely misspelt.
fn unknown_variables() -> Vec<String> {
    let known = Settings::augment_args(clap::Command::new("serve"));
    let known: Vec<_> = known
        .get_arguments()
        .filter_map(clap::Arg::get_env)
        .collect();
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| !known.contains(&name.as_os_str()))
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("BIENVENUE_"))
        .collect()
}

/// An error and all that caused it, in one line.
fn chain(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        let next = err.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = err.source();
    }
    text
}

/// The threads that serve, and do everything but hashing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
