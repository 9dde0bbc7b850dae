//! The answer for one subscription, with the constraint that binds it.
//!
//! Owns the output values. Leaves finding the constraint to `explain`.

use serde::{Deserialize, Serialize};
use units::Bitrate;

use crate::Stability;

/// What keeps a subscription from getting more. The names are those of the signalling contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing: it is the best that the publication has.
    Optimal,
    /// The link carries no more.
    Bandwidth,
    /// It is not shown larger than this.
    Viewport,
    /// The device shows or decodes no larger picture, or no more frames per second.
    DeviceHeight,
    /// The device decodes no more pixels per second in all.
    DeviceDecodeBudget,
    /// The device decodes no more videos at the same time.
    DeviceStreamCount,
    /// The device saves energy, or its user saves data.
    Power,
    /// The user asked for no more.
    UserRequest,
    /// The publisher sends nothing (better).
    PublisherOff,
    /// The publisher sends in a codec that this device does not decode.
    Codec,
    /// Subscriptions of higher roles took what there was.
    Priority,
    /// There would be room, but a better step waits: after a worse one, or until the room has lasted.
    Dwell,
    /// The step is decided and waits for its keyframe.
    WaitingForKeyframe,
    /// The link is not known yet.
    Startup,
    /// It is not shown.
    Hidden,
    /// The server has more to do than it can. Given by the room, which knows; never by the selector itself.
    ServerBusy,
}

impl Reason {
    /// Every reason, for tables and metrics.
    pub const ALL: [Self; 16] = [
        Self::Optimal,
        Self::Bandwidth,
        Self::Viewport,
        Self::DeviceHeight,
        Self::DeviceDecodeBudget,
        Self::DeviceStreamCount,
        Self::Power,
        Self::UserRequest,
        Self::PublisherOff,
        Self::Codec,
        Self::Priority,
        Self::Dwell,
        Self::WaitingForKeyframe,
        Self::Startup,
        Self::Hidden,
        Self::ServerBusy,
    ];

    /// Whether a budget that may grow again stands in the way.
    #[cfg(test)]
    pub(crate) const fn is_budget(self) -> bool {
        matches!(self, Self::Bandwidth | Self::Priority | Self::DeviceDecodeBudget)
    }

    /// Its name on the wire, in logs and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::Bandwidth => "bandwidth",
            Self::Viewport => "viewport",
            Self::DeviceHeight => "device_height",
            Self::DeviceDecodeBudget => "device_decode_budget",
            Self::DeviceStreamCount => "device_stream_count",
            Self::Power => "power",
            Self::UserRequest => "user_request",
            Self::PublisherOff => "publisher_off",
            Self::Codec => "codec",
            Self::Priority => "priority",
            Self::Dwell => "dwell",
            Self::WaitingForKeyframe => "waiting_for_keyframe",
            Self::Startup => "startup",
            Self::Hidden => "hidden",
            Self::ServerBusy => "server_busy",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a step lacks. Both are absent when something other than a budget stands in its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// How much larger the bit budget would have to be.
    pub bitrate: Option<Bitrate>,
    /// How many more pixels per second the device would have to decode.
    pub pixel_rate: Option<u64>,
}

/// The next better point, and what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// Position in the subscription's points.
    pub point: usize,
    /// What is missing for it.
    pub missing: Missing,
}

/// The decision for one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Position in the subscription's points; `None` for paused.
    pub point: Option<usize>,
    /// What keeps it from being better.
    pub reason: Reason,
    /// The next better point. Absent when there is none that would be of use.
    pub next: Option<NextStep>,
    /// To be handed in with the next decision.
    pub stability: Stability,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_serde_writes() {
        for reason in Reason::ALL {
            #[derive(Serialize, Deserialize)]
            struct Line {
                reason: Reason,
            }
            let text = toml::to_string(&Line { reason }).unwrap();
            assert_eq!(text.trim(), format!("reason = \"{reason}\""));
        }
    }
}
