//! What the owner of a node may set. Owns the typed settings and their defaults; the server reads them from wherever.

use std::sync::Arc;
use std::time::Duration;

use selector::Presets;
use signalling::{AdvertisedLimits, IceServer};

/// Settings of one node.
#[derive(Clone)]
pub struct Config {
    /// Addresses to announce, codecs, protection and times of every participant's transport.
    pub transport: Arc<transport::Config>,
    /// Limits and times of every room.
    pub router: router::Config,
    /// Device presets by class.
    pub presets: Arc<Presets>,
    /// How many may be there at once.
    pub limits: Limits,
    /// What clients are told about the limits of signalling. Enforced by the server's WebSocket and by `signalling`.
    pub advertised: AdvertisedLimits,
    /// STUN and TURN servers that clients are told as they are.
    pub ice_servers: Vec<IceServer>,
    /// TURN servers that share a secret with us, so that every client is told a password of its own.
    pub turn: Option<Turn>,
    /// How long a packet of video may wait for those behind it, so that they leave together. 0 sends each at once.
    pub hold: Duration,
    /// How long a participant is kept whose signalling connection was lost while media goes on.
    pub resume_timeout: Duration,
    /// How long a participant is kept that has neither a signalling connection nor a media path: long enough for a page
    /// to reload, short enough that others do not look at a frozen tile.
    pub return_timeout: Duration,
}

/// TURN servers with time-limited credentials ([`transport::turn`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Their addresses (RFC 7065).
    pub urls: Vec<String>,
    /// What they and we know.
    pub secret: String,
    /// How long a client's credentials are good. A resume brings new ones.
    pub lifetime: Duration,
}

/// How many of everything one node holds. What comes on top is refused with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rooms.
    pub rooms: usize,
    /// Participants in all rooms.
    pub participants: usize,
    /// Participants in one room.
    pub participants_per_room: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rooms: 10_000, participants: 10_000, participants_per_room: 200 }
    }
}

impl Config {
    /// The node starts so long after 1970: known to receivers, and to TURN servers for the end of passwords.
    pub fn set_start(&mut self, since_1970: Duration) {
        self.router.ntp_at_start = router::Config::ntp(since_1970);
    }

    /// The defaults around a transport configuration.
    pub fn new(transport: transport::Config) -> Self {
        let limits = Limits::default();
        // A minute without signalling, and some for finding out and coming back.
        let resume_timeout = Duration::from_secs(90);
        Self {
            transport: Arc::new(transport),
            router: router::Config::default(),
            presets: Arc::new(Presets::builtin()),
            limits,
            advertised: AdvertisedLimits {
                message_bytes: 64 * 1024,
                offer_bytes: 256 * 1024,
                data_bytes: 16 * 1024,
                messages_per_second: 20,
                message_burst: 100,
                video_slots: 49,
                audio_slots: 3,
                participants: limits.participants_per_room as u32,
                resume_seconds: resume_timeout.as_secs() as u32,
            },
            ice_servers: Vec::new(),
            turn: None,
            hold: Duration::ZERO,
            resume_timeout,
            return_timeout: Duration::from_secs(8),
        }
    }
}
