//! What the owner of a room tells it: agreed media sections, views, arrived packets.
//!
//! Owns plain values. They mirror what `transport` and `signalling` say without naming either crate, so that
//! the room can be driven from a test with a few literals.

use std::sync::Arc;

use packet::codec::red::Redundant;
use packet::{Codec, MediaKind, Mid, Rid, RtpPacket};

use crate::PublicationId;

/// Where a publication comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A camera.
    Camera,
    /// A shared screen, window or tab, or its sound.
    Screen,
    /// A microphone.
    Microphone,
}

impl Source {
    /// What a section is taken for until its sender says more.
    pub const fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Microphone,
            MediaKind::Video => Self::Camera,
        }
    }
}

/// A media section in which a participant sends: one publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingSection {
    /// The section. It names the publication for as long as it is listed.
    pub mid: Mid,
    /// Sound or picture.
    pub kind: MediaKind,
    /// False while the agreed direction sends nothing.
    pub active: bool,
    /// The one codec that was agreed.
    pub codec: Codec,
    /// Simulcast encodings by RID, in the order of the offer, which says nothing about their size. Empty for
    /// a single encoding without RID.
    pub rids: Vec<Rid>,
}

/// A media section in which a participant receives: one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSection {
    /// The section.
    pub mid: Mid,
    /// Sound or picture.
    pub kind: MediaKind,
    /// False while the agreed direction receives nothing.
    pub active: bool,
    /// Every codec that may be sent in it.
    pub codecs: Vec<SlotCodec>,
    /// The slot's own stream, for life.
    pub ssrc: u32,
    /// The stream of its retransmissions (RFC 4588), for life.
    pub rtx_ssrc: Option<u32>,
    /// True where the receiver reports the arrival of every packet by its transport-wide number.
    pub acknowledged: bool,
}

/// One codec of a slot, by the numbers of the slot's section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCodec {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound (RFC 2198).
    pub red_payload_type: Option<u8>,
}

/// What a slot shall show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// The room chooses: screen shares, then who speaks or spoke last, then who joined first.
    #[default]
    Auto,
    /// Nothing.
    Nothing,
    /// This publication and no other. While it does not exist the slot is empty.
    Publication(PublicationId),
}

/// What a slot shall show and how large it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// The slot.
    pub mid: Mid,
    /// What to show in it.
    pub want: Want,
    /// Width in physical pixels: 0 for hidden, `None` for unknown.
    pub width: Option<u32>,
    /// Height in physical pixels: 0 for hidden, `None` for unknown.
    pub height: Option<u32>,
    /// The most frames per second that are of use; `None` for no limit.
    pub max_fps: Option<u32>,
    /// The user's own ceiling, by the shorter side in pixels; `None` for no limit.
    pub max_height: Option<u32>,
    /// 0 thumbnail, 1 ordinary tile, 2 stage, 3 pinned.
    pub priority: u8,
}

impl SlotView {
    /// The view of a slot about which nothing was said.
    pub const fn new(mid: Mid, want: Want) -> Self {
        Self { mid, want, width: None, height: None, max_fps: None, max_height: None, priority: 1 }
    }

    /// True for a slot that is known to be invisible.
    pub fn is_hidden(&self) -> bool {
        self.width == Some(0) || self.height == Some(0)
    }
}

/// A packet that a participant sent, decrypted, and named by MID and RID. A retransmission has been restored
/// to its original number, SSRC and payload type; one that repeats what had arrived is recognised and dropped
/// by the room. A packet without payload (padding of a media stream) may be handed in: its number is then
/// closed up for receivers.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The section it belongs to.
    pub mid: Mid,
    /// The encoding it belongs to; `None` where the publication is not simulcast.
    pub rid: Option<Rid>,
    /// Its codec, by payload type.
    pub codec: Codec,
    /// The packet.
    pub packet: RtpPacket,
    /// All of a packet that repeats earlier sound (RFC 2198), of which `packet` has the sound of its own time. It goes as
    /// it is to slots that take it, and without what it repeats to the others.
    pub redundant: Option<Arc<Redundant>>,
}
