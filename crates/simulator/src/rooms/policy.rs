//! Which selection policy a run is judged under.
//!
//! Owns the names. A policy is chosen where the node is configured and nowhere else; those of others, written
//! anew from their published behaviour, will be further variants here.

use std::fmt;

/// A selection policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// That of this project.
    #[default]
    Terrace,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 1] = [Self::Terrace];

    /// By the name that commands use.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// The name that commands use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terrace => "terrace",
        }
    }

    /// Configures a node to select by it.
    pub fn configure(self, _config: &mut sfu::Config) {
        match self {
            // What a node does unless told otherwise.
            Self::Terrace => {}
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
