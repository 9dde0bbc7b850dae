//! One packet of an encoding, as it is kept: looked at once, forwarded and repeated from here.
//!
//! Owns the split of a payload into the part that is rewritten per receiver and the part that all receivers
//! share.

use bytes::Bytes;
use packet::codec::vp8::Descriptor;
use packet::codec::{self, Codec, CodecError, FrameInfo};
use packet::{AudioLevel, RtpPacket};
use units::{Timestamp, Unwrapper};

use crate::ParticipantId;

/// A packet of an encoding.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    /// Who published it.
    pub(crate) publisher: ParticipantId,
    /// Number in the encoding, unwrapped, ahead of everything before a restart.
    pub(crate) seq: u64,
    /// RTP timestamp, unwrapped.
    pub(crate) timestamp: u64,
    /// When it was captured, on the node's clock.
    pub(crate) capture: Timestamp,
    /// When it arrived.
    pub(crate) arrival: Timestamp,
    /// Which codec.
    pub(crate) codec: Codec,
    /// The first packet of a frame.
    pub(crate) frame_start: bool,
    /// The first packet of a frame that a decoder can start with.
    pub(crate) keyframe_start: bool,
    /// The RTP marker.
    pub(crate) marker: bool,
    /// Loudness of audio.
    pub(crate) audio_level: Option<AudioLevel>,
    /// The VP8 descriptor that was in front of `body`, and the picture id, unwrapped.
    pub(crate) vp8: Option<Vp8>,
    /// What all receivers share. Empty for a packet that was only padding.
    pub(crate) body: Bytes,
}

/// The part of a VP8 payload that is rewritten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vp8 {
    pub(crate) descriptor: Descriptor,
    pub(crate) picture: u64,
}

impl Media {
    /// True for a number that carries nothing.
    pub(crate) fn is_padding(&self) -> bool {
        self.body.is_empty()
    }
}

/// What one look at a payload gave.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) info: FrameInfo,
    pub(crate) vp8: Option<Vp8>,
    pub(crate) body: Bytes,
}

/// Looks at payloads of one encoding.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    long: Unwrapper<15>,
    short: Unwrapper<7>,
}

impl Parser {
    /// Splits and describes a payload that is not empty.
    pub(crate) fn parse(&mut self, codec: Codec, packet: &RtpPacket) -> Result<Parsed, CodecError> {
        let info = codec::peek(codec, &packet.payload, packet.marker)?;
        if codec != Codec::Vp8 {
            return Ok(Parsed { info, vp8: None, body: packet.payload.clone() });
        }
        let (descriptor, length) = Descriptor::parse(&packet.payload)?;
        let picture = descriptor.picture_id.map_or(0, |id| match has_long_picture_id(&packet.payload) {
            true => self.long.unwrap(u64::from(id)),
            false => self.short.unwrap(u64::from(id)),
        });
        let vp8 = Some(Vp8 { descriptor, picture });
        Ok(Parsed { info, vp8, body: packet.payload.slice(length..) })
    }
}

/// RFC 7741 §4.2: the M bit, in the third byte of a descriptor that has a picture id.
fn has_long_picture_id(payload: &[u8]) -> bool {
    payload.get(2).is_some_and(|byte| byte & 0x80 != 0)
}
