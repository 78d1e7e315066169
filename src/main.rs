//! The command line: parse, then call.

use std::process::ExitCode;

fn main() -> ExitCode {
    bienvenue::cli::run()
}
