//! What a caller may choose: start, floor and ceiling. Owns the values and their defaults; everything else in this
//! crate is a property of networks and is not a choice, so it is a named constant where it is used.

use std::time::Duration;

use units::Bitrate;

/// The choices for one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The first target. 300 kbit/s, as in libwebrtc: high enough for a picture, low enough for EDGE to survive it.
    pub start: Bitrate,
    /// The target never falls below this. 50 kbit/s: audio and signs of life.
    pub min: Bitrate,
    /// The target never rises above this.
    pub max: Bitrate,
    /// Whether what is sent may follow a target that moves by a tenth, as an encoder does. Where it is made of whole layers of many
    /// pictures, a dip that clears a backlog costs a switch and a keyframe, which makes the next backlog. True by default: then
    /// the demand tells.
    pub elastic: bool,
    /// Resolution of arrival times in the feedback: 250 µs for transport-wide feedback, about 1 ms for RFC 8888.
    pub arrival_resolution: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            start: Bitrate::from_kbps(300),
            min: Bitrate::from_kbps(50),
            max: Bitrate::from_kbps(100_000),
            elastic: true,
            arrival_resolution: Duration::from_micros(250),
        }
    }
}
