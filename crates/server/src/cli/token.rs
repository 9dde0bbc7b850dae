//! `terrace token`: makes a token that lets somebody join, or a key to make tokens with.

use std::io::{self, Write};
use std::time::SystemTime;

use clap::Args;
use time::OffsetDateTime;

use super::Failure;
use crate::access::{ANY_ROOM, Access, Claims, Right, random_secret, seconds_from_now};
use crate::config::{Config, Flags, Span};

/// What the token is to say.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The room it is for, or `*` for all
    #[arg(long, value_name = "NAME", default_value = ANY_ROOM)]
    room: String,

    /// Who it is for; others are told
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// What it allows, separated by commas
    #[arg(long, value_name = "RIGHT,..", value_delimiter = ',', default_values = ["publish", "subscribe"])]
    rights: Vec<Right>,

    /// How long it is good for
    #[arg(long, value_name = "TIME", default_value = "12h")]
    expires: Span,

    /// Which of the configured keys signs [default: the last one]
    #[arg(long, value_name = "ID")]
    sign_with: Option<String>,

    /// Make a new key instead and print it as a piece of the configuration
    #[arg(long)]
    new_key: bool,

    /// Where the keys are: the same settings as those of the server
    #[command(flatten)]
    config: Flags,
}

/// Prints a token, or a key, on standard output.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = match arguments.new_key {
        true => new_key(SystemTime::now().into()),
        false => token(arguments)?,
    };
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// A key that is named for the day, so that it is plain which one is older.
fn new_key(now: OffsetDateTime) -> String {
    format!("[[access.keys]]\nid = \"{}\"\nsecret = \"{}\"", now.date(), random_secret())
}

fn token(arguments: &Arguments) -> Result<String, Failure> {
    let config = Config::read(&arguments.config)?;
    let wrong = |message: &str| Failure { code: 2, message: message.to_owned() };
    if config.access.keys.is_empty() {
        return Err(wrong(
            "there is no key to sign with; name the server's configuration with --config, or make a key with --new-key",
        ));
    }
    if arguments.expires.0.is_zero() {
        return Err(wrong(
            "a token that expires at once is of no use; give --expires some time, such as 12h",
        ));
    }
    let access = Access::for_signing(&config.access.keys)?;
    let claims = Claims {
        sub: arguments.identity.clone(),
        room: arguments.room.clone(),
        rights: arguments.rights.clone(),
        exp: seconds_from_now(arguments.expires.0),
        nbf: None,
    };
    access.sign(&claims, arguments.sign_with.as_deref()).ok_or_else(|| {
        wrong("no such key, or only its public half is known; give its `private_key_file` as well")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_a_piece_of_a_configuration_that_signs() {
        let key = new_key(OffsetDateTime::UNIX_EPOCH);
        let config: Config = toml::from_str(&key).unwrap();
        assert_eq!(config.access.keys[0].id, "1970-01-01");
        assert!(Access::new(&config.access).is_ok());
        assert_ne!(new_key(OffsetDateTime::UNIX_EPOCH), key, "and another one each time");
    }
}
