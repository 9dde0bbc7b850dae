//! TURN servers that clients are told, with a password for each client that ends by itself.
//!
//! Owns the settings. Leaves the passwords to `transport::turn`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Span;

/// TURN servers that know the same secret, such as coturn with `use-auth-secret`.
#[derive(Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TurnConfig {
    /// Their addresses: `turn:turn.example.org:3478` or `turns:turn.example.org:443?transport=tcp`. Empty: none.
    pub urls: Vec<String>,
    /// What they know as `static-auth-secret`.
    #[serde(skip_serializing)]
    pub secret: String,
    /// How long a password is good. A call that outlives it keeps its relay; a new one needs a new join.
    pub lifetime: Span,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self { urls: Vec::new(), secret: String::new(), lifetime: Span(Duration::from_secs(12 * 60 * 60)) }
    }
}

impl fmt::Debug for TurnConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnConfig")
            .field("urls", &self.urls)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl TurnConfig {
    /// The same as the node takes it; `None` where there are no such servers.
    pub(crate) fn node(&self) -> Option<sfu::Turn> {
        let Self { urls, secret, lifetime } = self;
        let turn = || sfu::Turn { urls: urls.clone(), secret: secret.clone(), lifetime: lifetime.0 };
        (!urls.is_empty()).then(turn)
    }

    /// What is wrong with the values, in words that say what to do.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let is_turn = |url: &String| {
            let host = url.strip_prefix("turn:").or_else(|| url.strip_prefix("turns:"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
        };
        if !self.urls.iter().all(is_turn) {
            Some("an address begins with `turn:` or `turns:` and has no spaces (RFC 7065)")
        } else if !self.urls.is_empty() && self.secret.len() < 8 {
            Some("`secret` must be what the TURN server has as its shared secret, at least 8 characters")
        } else if self.lifetime.0 < Duration::from_secs(60) {
            Some("`lifetime` must be long enough to join; give at least 60s")
        } else {
            None
        }
    }
}
