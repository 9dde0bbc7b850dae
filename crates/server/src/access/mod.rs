//! Who may do what: join tokens and the operator's keys.
//!
//! Owns the question whether somebody may join, and with which rights, and whether somebody may use the operator's
//! interface. Leaves enforcing rights inside a room to `sfu`, and how often somebody may try to `limits`.
//!
//! Without keys anybody may join, which is why the server then listens on loopback only (`Config::check`). The operator's
//! interface needs a token in any case: a page of another site, or a proxy on this machine, is on loopback too. Such a
//! server makes a key that lives as long as itself and prints a link for the operator.

mod keys;
pub(crate) mod links;
mod provider;
#[cfg(test)]
mod tests;
mod token;

use std::time::{Duration, SystemTime};

use sfu::{Admission, Grant};
use signalling::Join;

pub use keys::KeyError;
pub(crate) use keys::{Key, SECRET_BYTES};
pub(crate) use token::{ANY_ROOM, Claims, Denied, Right};

use crate::config::{AccessConfig, TokenKey};

/// The name of the key that a server makes for itself.
const OWN_KEY: &str = "this-run";

/// The keys of a server, and whether it asks for tokens.
#[derive(Clone)]
pub(crate) struct Access {
    keys: Vec<Key>,
    /// Anybody may join.
    open: bool,
    /// The key is this server's own.
    own: bool,
}

impl Access {
    /// As the configuration says.
    pub(crate) fn new(config: &AccessConfig) -> Result<Self, KeyError> {
        provider::install();
        if config.keys.is_empty() {
            let own = Key::secret(OWN_KEY, random_secret().as_bytes());
            return Ok(Self { keys: vec![own], open: !config.lan, own: true });
        }
        let keys = config.keys.iter().map(Key::read).collect::<Result<_, _>>()?;
        Ok(Self { keys, open: config.open, own: false })
    }

    /// Only what is needed to sign with the first key that can.
    pub(crate) fn for_signing(keys: &[TokenKey]) -> Result<Self, KeyError> {
        provider::install();
        Ok(Self { keys: keys.iter().map(Key::read).collect::<Result<_, _>>()?, open: false, own: false })
    }

    /// Whether the key is this server's own, so that only itself can make tokens.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// Whether anybody may join.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// A token by that key, or by the last one whose private half is known: new keys are added at the end.
    pub(crate) fn sign(&self, claims: &Claims, key: Option<&str>) -> Option<String> {
        let named = self.keys.iter().rev().filter(|known| key.is_none_or(|id| known.id == id));
        named.filter(|key| key.sign.is_some()).find_map(|key| token::sign(key, claims))
    }

    /// Whether somebody may join, and with which rights.
    pub(crate) fn admit(&self, join: &Join) -> Result<Admission, Denied> {
        let Some(text) = &join.token else {
            return match (self.open, &join.resume) {
                (true, _) => Ok(Admission::Granted(Grant::default())),
                (false, Some(_)) => Ok(Admission::ReturnOnly(Denied::Missing.to_string())),
                (false, None) => Err(Denied::Missing),
            };
        };
        match token::read(&self.keys, text) {
            Ok(claims) if !claims.is_for(&join.room) => Err(Denied::OtherRoom),
            Ok(claims) => Ok(Admission::Granted(Grant {
                publish: claims.allows(Right::Publish),
                subscribe: claims.allows(Right::Subscribe),
                administrate: claims.allows(Right::Administrate),
                identity: claims.sub,
            })),
            // A call may outlive its token; the secret of the participant is what lets it return.
            Err(Denied::Expired) if join.resume.is_some() => {
                Ok(Admission::ReturnOnly(Denied::Expired.to_string()))
            }
            Err(denied) => Err(denied),
        }
    }

    /// The claims of a token that allows to administrate some room.
    pub(crate) fn operator(&self, token: Option<&str>) -> Result<Claims, Denied> {
        self.with_right(token, Right::Administrate)
    }

    /// The claims of a token that has that right. Where anybody may join, no token has the rights of everybody.
    pub(crate) fn with_right(&self, token: Option<&str>, right: Right) -> Result<Claims, Denied> {
        let claims = match token {
            Some(token) => token::read(&self.keys, token)?,
            None if self.open && right != Right::Administrate => Claims {
                sub: None,
                room: ANY_ROOM.to_owned(),
                rights: vec![Right::Publish, Right::Subscribe],
                exp: u64::MAX,
                nbf: None,
            },
            None => return Err(Denied::Missing),
        };
        if claims.allows(right) { Ok(claims) } else { Err(Denied::NotAllowed) }
    }
}

/// A secret for HS256 that nobody can guess: 32 random bytes in hexadecimal digits.
pub(crate) fn random_secret() -> String {
    let mut bytes = [0; SECRET_BYTES];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("a system without randomness cannot serve TLS either");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The time of day that lies so far ahead, in the form of claims.
pub(crate) fn seconds_from_now(span: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now + span).as_secs()
}
