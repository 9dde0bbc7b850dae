//! `terrace check`: the configuration in effect, as TOML that can be used as a file, and what is wrong with it.

use std::io::{self, Write};

use super::Failure;
use crate::config::{Config, Flags};
use crate::server::Server;
use crate::{data_dir, environment};

/// Prints the effective configuration on standard output. Problems are the failure's message.
pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
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
