//! Questions to the person at the terminal.

use std::{
    error::Error,
    io::{IsTerminal as _, Write as _, stderr, stdin},
};

use clap::Args;

/// Whether a destructive command asks.
#[derive(Args)]
pub(super) struct Confirmation {
    /// Does not ask: needed when there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Asks on a terminal whether to do something. `consequence` is a sentence without its full stop, such as "deleting the
    /// account deletes its data", and `command` the command that does it without a question.
    ///
    /// # Errors
    /// The answer is no, or nobody can be asked.
    pub(super) fn ask(&self, consequence: &str, command: &str) -> Result<(), Box<dyn Error>> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            return Err(format!(
                "{consequence}, and there is no terminal to confirm it. To do it anyway, run: bienvenue {command} --yes"
            )
            .into());
        }
        write!(stderr(), "{consequence}. Continue? [y/N] ")?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
            Ok(())
        } else {
            Err("nothing was changed".into())
        }
    }
}
