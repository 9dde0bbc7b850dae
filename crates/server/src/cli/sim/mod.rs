//! `terrace sim`: what runs in virtual time, away from any network. Owns the commands below it; what is simulated, and
//! how it is judged, is `simulator`'s.

mod links;

use clap::Subcommand;

use super::Failure;

/// What to simulate.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Judge estimators on simulated and recorded links
    Links(links::Arguments),
}

/// Runs one of them. Succeeds when it ran, whatever the figures.
pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Links(arguments) => links::run(arguments),
    }
}
