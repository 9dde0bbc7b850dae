//! Which selection policy a run is judged under.
//!
//! Owns the names, and beside the policy of this project four others, written anew from what is known of how other nodes
//! choose. They run on the same node as ours: same estimator, same switching, same demand. A rival knows what its clients
//! would tell it (the size of each tile, what is pinned, who spoke last) and, as none of the originals does, nothing of the
//! device behind the tile.

mod asked;
mod jvb;
mod livekit;
mod mediasoup;
mod signal;
#[cfg(test)]
mod tests;

use std::fmt;

/// A selection policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// That of this project.
    #[default]
    Terrace,
    /// As Jitsi Videobridge does: see module `jvb`.
    JvbLike,
    /// As LiveKit does: see module `livekit`.
    LivekitLike,
    /// As mediasoup does: see module `mediasoup`.
    MediasoupLike,
    /// As Signal's calling service does: see module `signal`.
    SignalLike,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 5] =
        [Self::Terrace, Self::JvbLike, Self::LivekitLike, Self::MediasoupLike, Self::SignalLike];

    /// By the name that commands use.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// The name that commands use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terrace => "terrace",
            Self::JvbLike => "jvb-like",
            Self::LivekitLike => "livekit-like",
            Self::MediasoupLike => "mediasoup-like",
            Self::SignalLike => "signal-like",
        }
    }

    /// Configures a node to select by it.
    pub fn configure(self, config: &mut sfu::Config) {
        config.router.policy = match self {
            // What a node does unless told otherwise.
            Self::Terrace => None,
            Self::JvbLike => Some(|| Box::new(jvb::Jvb::default())),
            Self::LivekitLike => Some(|| Box::new(livekit::Livekit)),
            Self::MediasoupLike => Some(|| Box::new(mediasoup::Mediasoup)),
            Self::SignalLike => Some(|| Box::new(signal::Signal::default())),
        };
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
