//! What an owner may set about a room. Owns the defaults and why they are what they are.

use std::fmt;
use std::time::Duration;

use selector::{Decision, Input};

use crate::Numbering;

/// Decides for one receiver, and may remember what it likes. Whose way to choose is to be compared with that of
/// [`selector::allocate`] writes one of these; the rest of the room stays the same.
pub trait Policy: fmt::Debug + Send {
    /// Takes the place of [`selector::allocate`].
    fn decide(&mut self, input: &Input<'_>) -> Decision;
}

/// Limits and times of one room.
#[derive(Clone, Debug)]
pub struct Config {
    /// Packets kept per video encoding for retransmission, a power of two. At 4 Mbit/s 512 packets are one
    /// second, which covers two retries at any round trip on which a call is pleasant.
    pub history_packets: usize,
    /// Publications per participant. More sections are ignored.
    pub max_publications: usize,
    /// Slots per participant. More sections are ignored.
    pub max_slots: usize,
    /// How long nobody has to want an encoding before its publisher is told to stop it. Shorter makes
    /// publishers restart encoders whenever somebody's bandwidth wobbles; longer wastes their uplink.
    pub demand_off_delay: Duration,
    /// The most a receiver's retransmissions may take of what it is sent, in percent of its media bytes.
    pub retransmission_percent: u32,
    /// Makes the policy of each receiver; [`selector::allocate`] decides without it.
    pub policy: Option<fn() -> Box<dyn Policy>>,
    /// Whether every decision is told with all that it depended on ([`crate::RoomEvent::Recorded`]). Costs a copy of
    /// all operating points each time.
    pub record_decisions: bool,
    /// Start rate, bounds and the like of every receiver's estimator.
    pub estimator: estimator::Config,
    /// How this node numbers publications, where several serve the same rooms.
    pub numbering: Numbering,
    /// The time that this node's clock showed at [`units::Timestamp::ZERO`], in 32.32 fixed point seconds
    /// since 1900 (RFC 3550 §4). Receivers only compare it with itself, so any constant will do for media.
    pub ntp_at_start: u64,
}

/// From 1900, where NTP begins, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

impl Config {
    /// Seconds since 1970 at that time, as far as [`Config::ntp_at_start`] is true.
    pub fn unix_seconds(&self, at: units::Timestamp) -> u64 {
        (self.ntp_at_start >> 32).saturating_sub(NTP_TO_UNIX) + at.as_micros() / 1_000_000
    }

    /// [`Config::ntp_at_start`] for a node that starts so long after 1970.
    pub fn ntp(since_1970: Duration) -> u64 {
        let fraction = (u64::from(since_1970.subsec_micros()) << 32) / 1_000_000;
        // RFC 3550 §4: the seconds wrap, in 2036 for the first time.
        (since_1970.as_secs() + NTP_TO_UNIX) << 32 | fraction
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            history_packets: 512,
            max_publications: 8,
            max_slots: 64,
            demand_off_delay: Duration::from_secs(3),
            retransmission_percent: 25,
            policy: None,
            record_decisions: false,
            estimator: estimator::Config::default(),
            numbering: Numbering::ALONE,
            ntp_at_start: Self::ntp(Duration::ZERO),
        }
    }
}
