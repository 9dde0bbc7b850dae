//! The command line. Owns the commands, what they print, and the exit codes: 0 when the run did what was asked, 2 for
//! wrong arguments or configuration, 1 for a failure.

mod check;
mod demo;
mod health;
mod load;
mod serve;
mod sim;
mod token;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::access::KeyError;
use crate::config::{ConfigError, Flags};
use crate::error::StartError;
use crate::server::WorkerFailed;

/// A media server that sends everybody the layer that fits link, device and screen
#[derive(Debug, Parser)]
#[command(name = "terrace", version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Flags,
}

const AFTER_HELP: &str = "Without a command, terrace serves. Flags win over TERRACE_* variables, those over the file of \
--config.\nExit codes: 0 done, 1 failed, 2 wrong arguments or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the web client, signalling and media (the default)
    Serve(Flags),
    /// Print the configuration in effect as TOML, and what is wrong with it
    Check(check::Arguments),
    /// Ask the server that runs with this configuration whether it is well: code 0 when it is, 1 when not
    Health(Flags),
    /// Make a token that lets somebody join, or a new key
    Token(token::Arguments),
    /// Watch a phone and a desktop get different layers of one camera, all in this process
    Demo(demo::Arguments),
    /// Put many native participants on a server, and tell what they and the server made of it
    Load(load::Arguments),
    /// Judge estimators and rooms in virtual time
    #[command(subcommand)]
    Sim(sim::Command),
}

/// A command that did not do what was asked.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self { code: error.exit_code(), message: error.to_string() }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        StartError::from(error).into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        StartError::from(error).into()
    }
}

impl From<WorkerFailed> for Failure {
    fn from(error: WorkerFailed) -> Self {
        Self { code: 1, message: error.to_string() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { code: 1, message: error.to_string() }
    }
}

/// Runs the command that the arguments name. Wrong arguments end the process here, with code 2 and a usage message.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(flags)) => serve::run(&flags),
        Some(Command::Check(flags)) => check::run(&flags),
        Some(Command::Health(flags)) => health::run(&flags),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Demo(arguments)) => demo::run(&arguments),
        Some(Command::Load(arguments)) => load::run(&arguments),
        Some(Command::Sim(command)) => sim::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(io::stderr(), "terrace: {message}");
            ExitCode::from(code)
        }
    }
}

#[cfg(test)]
mod tests;
