//! `terrace check`: the configuration in effect, as TOML that can be used as a file, and what is wrong with it.

use std::io::{self, Write};

use clap::Args;

use super::Failure;
use crate::config::{Config, Flags, reference};
use crate::server::Server;
use crate::{data_dir, environment};

/// What to check.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Print the reference of all settings as Markdown instead
    #[arg(long)]
    reference: bool,

    #[command(flatten)]
    flags: Flags,
}

/// Prints the effective configuration on standard output. Problems are the failure's message.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.reference {
        return Ok(io::stdout().write_all(reference().as_bytes())?);
    }
    let flags = &arguments.flags;
    let mut config = Config::read(flags)?;
    // What is left to the machine is shown as the machine decided it.
    config.workers = Some(config.worker_count());
    config.data_dir = Some(config.data_dir.take().unwrap_or_else(data_dir::default));
    let text = toml::to_string_pretty(&config).expect("every setting has a form in TOML");
    io::stdout().write_all(text.as_bytes())?;
    for name in environment::unknown() {
        writeln!(io::stderr(), "terrace: the variable {name} is not known and has no effect")?;
    }
    Ok(Server::check(&config)?)
}
