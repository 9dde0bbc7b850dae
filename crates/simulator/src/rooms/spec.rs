//! What a participant is like, as values.

use signalling::{DeviceClass, Source};

use super::encoder::EncodingSpec;

/// A video track that a participant sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackSpec {
    /// Its section.
    pub mid: String,
    /// A camera or a screen.
    pub source: Source,
    /// Smallest first.
    pub encodings: Vec<EncodingSpec>,
}

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSpec {
    /// Physical pixels; `None` for not said.
    pub size: Option<(u32, u32)>,
    /// As in the view.
    pub priority: u8,
}

/// What a participant is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSpec {
    /// For reports.
    pub name: String,
    /// Unique in a run; also in its stamps.
    pub index: u16,
    /// What it says that it is.
    pub class: DeviceClass,
    /// Pixels per second that it really decodes.
    pub decode: u64,
    /// What it sends to see.
    pub tracks: Vec<TrackSpec>,
    /// Whether it sends sound.
    pub microphone: bool,
    /// Whether silence is sent as such.
    pub dtx: bool,
    /// Its video slots.
    pub slots: Vec<SlotSpec>,
}
