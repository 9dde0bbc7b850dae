//! `terrace sim`: what runs in virtual time, away from any network. Owns the commands below it; what is simulated, and
//! how it is judged, is `simulator`'s.

mod files;
mod links;
mod replay;
mod rooms;
mod spread;
mod traces;
mod what_if;

use clap::Subcommand;

use super::Failure;

/// What to simulate.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Judge estimators on simulated and recorded links
    Links(links::Arguments),
    /// Judge the whole node in rooms of virtual participants, beside how others would choose
    Rooms(rooms::Arguments),
    /// What the layer selector would choose for a device on a link, and why
    WhatIf(what_if::Arguments),
    /// Feed a decision log through the layer selector, which must decide the same again
    Replay(replay::Arguments),
}

/// Runs one of them. Succeeds when it ran, whatever the figures.
pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Links(arguments) => links::run(arguments),
        Command::Rooms(arguments) => rooms::run(arguments),
        Command::WhatIf(arguments) => what_if::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
    }
}
