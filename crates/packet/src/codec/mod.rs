//! Codecs as far as a forwarder has to understand them: where a frame starts and ends, whether a decoder can start at it,
//! and which temporal layer it is of.
//!
//! Owns a bounded look at the first bytes of a payload. Never decodes a picture, and keeps no state: what a frame depends
//! on over time is the business of `router`.

pub mod av1;
pub mod h264;
pub mod opus;
pub mod red;
pub mod vp8;
pub mod vp9;

use std::fmt;

/// Whether a stream is heard or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Heard.
    Audio,
    /// Seen.
    Video,
}

impl MediaKind {
    /// The word in an `m=` line (RFC 8866 §5.14).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// From the word in an `m=` line.
    pub fn from_sdp_name(name: &str) -> Option<Self> {
        match name {
            "audio" => Some(Self::Audio),
            "video" => Some(Self::Video),
            _ => None,
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A codec that is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RTP payload format for AV1, version 1.0, of the Alliance for Open Media.
    Av1,
    /// RFC 7587.
    Opus,
}

impl Codec {
    /// Every codec.
    pub const ALL: &[Self] = &[Self::Vp8, Self::Vp9, Self::H264, Self::Av1, Self::Opus];

    /// Ticks per second of its RTP timestamps.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => 90_000,
            // RFC 7587 §4.1: always 48 kHz, whatever is coded.
            Self::Opus => 48_000,
        }
    }

    /// Heard or seen.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => MediaKind::Video,
            Self::Opus => MediaKind::Audio,
        }
    }

    /// True for a codec of moving pictures.
    pub const fn is_video(self) -> bool {
        matches!(self.kind(), MediaKind::Video)
    }

    /// The encoding name for an `a=rtpmap` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::Av1 => "AV1",
            Self::Opus => "opus",
        }
    }

    /// From the encoding name of an `a=rtpmap` line; RFC 8866 §6.6 has it without regard to case.
    pub fn from_sdp_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Spatial layers of one stream that are told apart. What browsers send has three at most.
pub const MAX_SPATIAL: usize = 4;

/// What the first bytes of one payload tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// This packet is the first of its picture, as far as the payload tells.
    pub frame_start: bool,
    /// A decoder that has nothing can start with this packet. The only place to switch encodings at.
    pub keyframe_start: bool,
    /// This packet is the last of its picture (the marker bit).
    pub frame_end: bool,
    /// This packet is the last of its spatial layer in its picture.
    pub layer_end: bool,
    /// No other frame needs this one: it can be dropped, as a whole, without harm.
    pub droppable: bool,
    /// Number of the picture, 7 or 15 bits as the sender chose (VP8, VP9).
    pub picture_id: Option<u16>,
    /// Wrapping count of base layer frames (VP8, VP9).
    pub tl0_picture_index: Option<u8>,
    /// Spatial layer, 0 being the lowest.
    pub spatial: u8,
    /// A receiver of the spatial layers below can take this one up here.
    pub spatial_sync: bool,
    /// Temporal layer, 0 being the base. `None` when the payload does not tell.
    pub temporal: Option<u8>,
    /// VP8: a receiver of lower temporal layers can take this one up here. VP9: it can take up all above this one.
    pub temporal_sync: bool,
    /// Width and height in pixels of each spatial layer, where this packet starts a keyframe that says so.
    pub sizes: [Option<(u16, u16)>; MAX_SPATIAL],
}

impl FrameInfo {
    /// Width and height in pixels of a stream without spatial layers, where this packet tells.
    pub fn size(&self) -> Option<(u16, u16)> {
        self.sizes[0]
    }
}

/// Why a payload cannot be of its codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It ends inside its own description.
    #[error("payload ends inside its descriptor")]
    TooShort,
    /// It says something its format does not allow.
    #[error("payload contradicts its format")]
    Malformed,
}

/// What `payload` tells, with the `marker` of its RTP header.
///
/// # Errors
/// [`CodecError`]: such a packet is dropped and counted, since a receiver could make nothing of it either.
pub fn peek(codec: Codec, payload: &[u8], marker: bool) -> Result<FrameInfo, CodecError> {
    let mut info = match codec {
        Codec::Vp8 => vp8::peek(payload)?,
        Codec::Vp9 => vp9::peek(payload)?,
        Codec::H264 => h264::peek(payload)?,
        Codec::Av1 => av1::peek(payload)?,
        Codec::Opus => return opus::peek(payload),
    };
    info.frame_end = marker;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_without_regard_to_case() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_sdp_name(&codec.as_str().to_lowercase()), Some(*codec));
            assert_eq!(Codec::from_sdp_name(&codec.as_str().to_uppercase()), Some(*codec));
            assert_eq!(MediaKind::from_sdp_name(codec.kind().as_str()), Some(codec.kind()));
        }
        assert_eq!(Codec::from_sdp_name("rtx"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..80), marker: bool) {
            for codec in Codec::ALL {
                let _ = peek(*codec, &payload, marker);
            }
        }

        /// Random bytes rarely form a descriptor or a parameter set that is long enough to reach the depths.
        #[test]
        fn payloads_that_start_well_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..80),
            head in proptest::sample::select(vec![
                &[0x90_u8, 0xff][..], &[0x10], &[0x67, 66], &[0x67, 100], &[0x78, 0, 20, 0x67, 100, 0, 30],
                &[0x7c, 0x87, 110], &[0x7c, 0x85],
            ]),
        ) {
            let payload: Vec<u8> = head.iter().chain(&tail).copied().collect();
            for codec in Codec::ALL {
                let _ = peek(*codec, &payload, false);
            }
        }
    }
}
