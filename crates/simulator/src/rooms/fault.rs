//! What happens to people and their links in a scenario, as data.
//!
//! Owns the words. Leaves carrying them out to `world`.

use serde::Deserialize;

use super::path::Way;
use super::scenario::LinkSetup;

/// Something that happens at one moment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Packets are lost, as a share of all.
    Loss {
        /// Which way.
        way: Way,
        /// 0 ends it.
        share: f64,
    },
    /// Packets overtake each other, as a share of all.
    Reorder {
        /// Which way.
        way: Way,
        /// 0 ends it.
        share: f64,
    },
    /// Packets come twice, as a share of all.
    Duplicate {
        /// Which way.
        way: Way,
        /// 0 ends it.
        share: f64,
    },
    /// Packets come with wrong bits, as a share of all.
    Corrupt {
        /// 0 ends it.
        share: f64,
    },
    /// Nothing gets through.
    Silence {
        /// Which way.
        way: Way,
        /// False ends it.
        on: bool,
    },
    /// Another network: another address, other links, after a gap without any.
    Handover {
        /// The new links.
        link: LinkSetup,
        /// Without any network, in milliseconds.
        gap_ms: u64,
    },
    /// The largest encoding goes away or comes back.
    TopLayer {
        /// False takes it away.
        on: bool,
    },
    /// A section is muted or unmuted, and says so.
    Mute {
        /// The section.
        mid: String,
        /// False unmutes.
        on: bool,
    },
    /// Begins or ends to speak, in rooms where nobody takes turns.
    Talk {
        /// False ends it.
        on: bool,
    },
    /// The device decodes that much from now on.
    Decode {
        /// Megapixels per second.
        megapixels: f64,
    },
    /// Comes in.
    Join,
    /// Is gone without a word.
    Crash,
    /// Says goodbye.
    Leave,
    /// The signalling connection breaks and is resumed after a while; media goes on.
    Reconnect {
        /// Until it is back, in milliseconds.
        gap_ms: u64,
    },
    /// Messages reach this participant late, as those of a page that does not read.
    SlowReader {
        /// By this many milliseconds; 0 ends it.
        delay_ms: u64,
    },
    /// The node's clock jumps ahead, as after a suspended machine.
    ClockJump {
        /// In milliseconds.
        ms: u64,
    },
}
