//! What a room wants done: packets, feedback and news for the owner.
//!
//! Owns plain values. The owner encrypts and sends; it adds nothing to a packet but the extension ids of the
//! receiver.

use std::time::Duration;

use bytes::Bytes;
use packet::{MediaKind, Mid, OutgoingHeader, Rid, RtcpItem};
use selector::{CodecSet, Reason};
use smallvec::SmallVec;
use units::Bitrate;

use crate::{NodeIndex, ParticipantId, PublicationId, Relayed, Source};

/// One thing to do, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Encrypt and send at once: the transport-wide number is that of this moment.
    Rtp {
        /// The receiver.
        to: ParticipantId,
        /// What to send.
        packet: OutgoingPacket,
    },
    /// Feedback to a publisher or a report to a receiver.
    Rtcp {
        /// The receiver.
        to: ParticipantId,
        /// What to send.
        item: RtcpItem,
    },
    /// A packet that another node's receivers of this room want: it goes there as it came ([`Room::handle_burst`] of that
    /// node's room).
    ///
    /// [`Room::handle_burst`]: crate::Room::handle_burst
    Relay {
        /// The node.
        to: NodeIndex,
        /// Whose packet.
        from: ParticipantId,
        /// The packet.
        packet: Relayed,
    },
    /// Something that signalling, logs or metrics may care about.
    Event(RoomEvent),
}

/// What goes between the header and the shared payload: a rewritten payload descriptor, an original sequence
/// number.
pub type Prefix = SmallVec<[u8; 16]>;

/// What a packet carries, as far as pacing and estimation are concerned.
pub use estimator::PacketKind;

/// A packet for one receiver: header, prefix and payload follow each other on the wire.
#[derive(Clone, Debug)]
pub struct OutgoingPacket {
    /// The slot it belongs to.
    pub slot: Mid,
    /// The header, complete but for extension ids.
    pub header: OutgoingHeader,
    /// Bytes that were written for this receiver.
    pub prefix: Prefix,
    /// Bytes that all receivers share.
    pub payload: Bytes,
    /// Bytes of padding behind the payload, their count included; 0 for none (RFC 3550 §5.1).
    pub padding: u8,
    /// What it carries.
    pub kind: PacketKind,
}

impl OutgoingPacket {
    /// Bytes behind the header.
    pub fn body_size(&self) -> usize {
        self.prefix.len() + self.payload.len() + usize::from(self.padding)
    }
}

/// News of a room.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomEvent {
    /// A participant began to publish.
    PublicationAdded(PublicationId),
    /// Something of [`PublicationState`] changed.
    PublicationChanged(PublicationId),
    /// A publication is gone.
    PublicationRemoved {
        /// Which.
        publication: PublicationId,
        /// Whose it was.
        participant: ParticipantId,
    },
    /// Something of a [`SlotState`] changed.
    SlotChanged {
        /// Whose slot.
        participant: ParticipantId,
        /// Which slot.
        mid: Mid,
    },
    /// Who speaks, loudest first; it stands until the next.
    Speakers(Vec<Speaker>),
    /// What is wanted of a publication; it stands until the next.
    Demand {
        /// Whose it is.
        participant: ParticipantId,
        /// Its section.
        mid: Mid,
        /// Which.
        publication: PublicationId,
        /// One entry per encoding, in the order of the offer.
        encodings: Vec<EncodingDemand>,
        /// The codecs that serve the receivers best; `None` for any.
        codecs: Option<CodecSet>,
    },
    /// The selector decided otherwise than before, for the decision log.
    Decision {
        /// Whose slots.
        participant: ParticipantId,
        /// What could be spent on video, where it is known.
        budget: Option<Bitrate>,
        /// One entry per slot that shows video.
        choices: Vec<SlotChoice>,
    },
    /// The selector decided, and this is all that it knew: with [`crate::Config::record_decisions`].
    Recorded {
        /// Whose slots.
        participant: ParticipantId,
        /// The decision and its input.
        record: Box<selector::Recorded>,
    },
}

/// Somebody who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantId,
    /// Loudness in dB below overload, smoothed: 0 is loudest, 127 silence (RFC 6464 §3).
    pub level: u8,
}

/// What is wanted of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingDemand {
    /// Which; `None` where the publication is not simulcast.
    pub rid: Option<Rid>,
    /// False when nobody's target uses it.
    pub active: bool,
    /// The most frames per second that are of use to anybody; `None` for no limit.
    pub max_fps: Option<u32>,
}

/// One line of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChoice {
    /// The slot.
    pub mid: Mid,
    /// What it shows.
    pub publication: PublicationId,
    /// The encoding that was chosen; `None` for none, and where there is no RID.
    pub rid: Option<Rid>,
    /// True when nothing is sent.
    pub paused: bool,
    /// What binds.
    pub reason: Reason,
}

/// A publication as signalling shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicationState {
    /// Which.
    pub id: PublicationId,
    /// Whose.
    pub participant: ParticipantId,
    /// Its section.
    pub mid: Mid,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// True while nothing is sent on purpose: the sender said so, or the section's direction does.
    pub muted: bool,
    /// Video encodings whose size is known, smallest picture first; of one with spatial layers each of them.
    pub encodings: Vec<EncodingState>,
}

/// An encoding as signalling shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncodingState {
    /// Which; `None` where the publication is not simulcast.
    pub rid: Option<Rid>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames per second, measured.
    pub fps: u32,
    /// Rate over the last second in which it was sent.
    pub bitrate: Bitrate,
    /// False while nothing of it arrives.
    pub active: bool,
}

/// What is in a slot and why not more.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotState {
    /// The slot.
    pub mid: Mid,
    /// Whose publication; `None` for an empty slot.
    pub participant: Option<ParticipantId>,
    /// Which publication; `None` for an empty slot.
    pub publication: Option<PublicationId>,
    /// What is on the wire; `None` while nothing is, and for audio.
    pub encoding: Option<EncodingState>,
    /// Rate of what is on the wire.
    pub bitrate: Bitrate,
    /// What keeps it from being more.
    pub reason: Reason,
    /// The next better step and what it lacks.
    pub next: Option<NextStep>,
}

/// The next better step for a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NextStep {
    /// Its encoding.
    pub encoding: EncodingState,
    /// How much more the link would have to carry, where that is what it lacks.
    pub missing_bitrate: Option<Bitrate>,
    /// How many more pixels per second the device would have to decode, where that is what it lacks.
    pub missing_pixels_per_second: Option<u64>,
}

/// Counts of one participant's downlink since it joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DownlinkStats {
    /// Packets of media sent, audio included.
    pub packets: u64,
    /// Retransmissions sent.
    pub retransmissions: u64,
    /// Packets asked for that were not (or no longer) there.
    pub retransmissions_missed: u64,
    /// Packets asked for that were held back by the cap or because they had just been sent.
    pub retransmissions_held_back: u64,
    /// Switches between encodings or publications in video slots.
    pub switches: u64,
    /// Packets that transport-wide feedback acknowledged.
    pub acknowledged: u64,
    /// Packets that transport-wide feedback missed. Some of them may have come later.
    pub reported_missing: u64,
    /// Sent only to learn what the path carries, in bytes on the wire.
    pub padding_bytes: u64,
    /// Times that waiting video was dropped because too much of it waited.
    pub shed: u64,
    /// Packets that waited when something else started in their slot, and were dropped.
    pub abandoned: u64,
    /// Smoothed round-trip time, once it is known.
    pub rtt: Option<Duration>,
    /// What is known of the path, once anything was sent to a receiver that acknowledges.
    pub estimate: Option<estimator::Estimate>,
    /// What the selector may spend on video, as it was last decided; `None` while nothing limits it.
    pub budget: Option<Bitrate>,
    /// Video that waits for its time, in bytes on the wire.
    pub queued: units::DataSize,
}

/// Counts of what arrived in a room since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomStats {
    /// Packets that went on to their encoding.
    pub packets: u64,
    /// Packets that had been there before.
    pub duplicate: u64,
    /// Packets too old to be placed.
    pub stale: u64,
    /// Packets that are not of their codec.
    pub malformed: u64,
    /// Packets of a section or an encoding that was not agreed.
    pub unknown: u64,
}
