//! VP8 payloads (RFC 7741 §4): the descriptor, parsed and written, and the frame header behind it.
//!
//! Owns the bytes. What number a picture gets after a switch is decided in `router`.
//!
//! ```text
//!  +-+-+-+-+-+-+-+-+
//!  |X|R|N|R|S| PID |   X: extension follows  N: no reference  S: starts a partition
//!  |I|L|T|K|  RSV  |   only with X
//!  |M| PictureID   |   only with I; with M there are 15 bits in two bytes
//!  |   TL0PICIDX   |   only with L
//!  |TID|Y| KEYIDX  |   only with T or K
//!  +-+-+-+-+-+-+-+-+
//! ```

use bytes::BufMut;

use super::{CodecError, FrameInfo};

/// The longest descriptor in bytes, with 15 bits of picture id.
pub const MAX_DESCRIPTOR: usize = 6;
/// Bits of the picture id that [`Descriptor::write`] keeps.
pub const PICTURE_ID_MASK: u16 = 0x7fff;

/// Temporal layer of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// TID, 0 to 3; 0 is the base layer.
    pub layer: u8,
    /// Y: the frame depends on nothing but the base layer, so a receiver may start with this layer here.
    pub sync: bool,
}

/// The VP8 payload descriptor. Two inputs with the same meaning give the same value: how many bits the picture id had is
/// not kept, as it is always written with 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// S: the payload starts a partition.
    pub partition_start: bool,
    /// PID, 0 to 7: which partition.
    pub partition: u8,
    /// PictureID, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// TL0PICIDX: wrapping count of base layer frames.
    pub tl0_picture_index: Option<u8>,
    /// TID and Y.
    pub temporal: Option<Temporal>,
    /// KEYIDX, 0 to 31: wrapping count of temporal keyframes.
    pub key_index: Option<u8>,
}

impl Descriptor {
    /// The descriptor at the start of `payload`, and its length in bytes.
    ///
    /// # Errors
    /// [`CodecError::TooShort`] when it is cut off or nothing follows it.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), CodecError> {
        let mut reader = Reader { payload, at: 0 };
        let first = reader.byte()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.parse_extension(&mut reader)?;
        }
        if reader.at == payload.len() {
            return Err(CodecError::TooShort);
        }
        Ok((descriptor, reader.at))
    }

    fn parse_extension(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        let flags = reader.byte()?;
        let (has_id, has_tl0, has_temporal, has_key) =
            (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x20 != 0, flags & 0x10 != 0);
        if has_id {
            let high = reader.byte()?;
            self.picture_id = Some(match high & 0x80 {
                0 => u16::from(high),
                _ => u16::from_be_bytes([high & 0x7f, reader.byte()?]),
            });
        }
        if has_tl0 {
            self.tl0_picture_index = Some(reader.byte()?);
        }
        if has_temporal || has_key {
            let byte = reader.byte()?;
            // RFC 7741 §4.2: TID and Y count only with T, KEYIDX only with K.
            self.temporal = has_temporal.then_some(Temporal { layer: byte >> 6, sync: byte & 0x20 != 0 });
            self.key_index = has_key.then_some(byte & 0x1f);
        }
        Ok(())
    }

    /// Appends the descriptor to `out`, a picture id always with 15 bits, and returns its length in bytes, at most
    /// [`MAX_DESCRIPTOR`]. Fields beyond their range are cut to it.
    pub fn write(&self, out: &mut impl BufMut) -> usize {
        let extended = self.picture_id.is_some()
            || self.tl0_picture_index.is_some()
            || self.temporal.is_some()
            || self.key_index.is_some();
        out.put_u8(
            u8::from(extended) << 7
                | u8::from(self.non_reference) << 5
                | u8::from(self.partition_start) << 4
                | self.partition & 0x07,
        );
        if !extended {
            return 1;
        }
        out.put_u8(
            u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.tl0_picture_index.is_some()) << 6
                | u8::from(self.temporal.is_some()) << 5
                | u8::from(self.key_index.is_some()) << 4,
        );
        let mut written = 2;
        if let Some(id) = self.picture_id {
            out.put_u16(0x8000 | id & PICTURE_ID_MASK);
            written += 2;
        }
        if let Some(index) = self.tl0_picture_index {
            out.put_u8(index);
            written += 1;
        }
        if self.temporal.is_some() || self.key_index.is_some() {
            let temporal = self.temporal.map_or(0, |t| (t.layer & 0x03) << 6 | u8::from(t.sync) << 5);
            out.put_u8(temporal | self.key_index.unwrap_or(0) & 0x1f);
            written += 1;
        }
        written
    }

    /// True when the payload starts a frame: the first partition starts here (RFC 7741 §4.2).
    pub fn starts_frame(&self) -> bool {
        self.partition_start && self.partition == 0
    }
}

/// The uncompressed part of a frame's header (RFC 6386 §9.1), as far as the packet holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The frame refers to no other.
    pub keyframe: bool,
    /// False for a frame that only updates references.
    pub shown: bool,
    /// Length of the first partition in bytes, 19 bits.
    pub first_partition: u32,
    /// Width and height in pixels: only in keyframes.
    pub size: Option<(u16, u16)>,
}

/// Bytes of a keyframe's uncompressed header: tag, start code, size.
pub const KEYFRAME_HEADER: usize = 10;
/// Bytes of any other frame's uncompressed header: the tag.
pub const FRAME_TAG: usize = 3;
/// RFC 6386 §9.1.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

impl FrameHeader {
    /// The header at the start of a frame, that is behind the descriptor of its first packet.
    ///
    /// # Errors
    /// [`CodecError::TooShort`] without a whole header, [`CodecError::Malformed`] for a keyframe without start code or
    /// without area: a decoder would refuse it.
    pub fn parse(frame: &[u8]) -> Result<Self, CodecError> {
        let tag = frame.first_chunk::<FRAME_TAG>().ok_or(CodecError::TooShort)?;
        let tag = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]);
        let mut header =
            Self { keyframe: tag & 1 == 0, shown: tag & 0x10 != 0, first_partition: tag >> 5, size: None };
        if header.keyframe {
            let bytes = frame.first_chunk::<KEYFRAME_HEADER>().ok_or(CodecError::TooShort)?;
            // The two bits above each size ask for upscaling, and are no pixels.
            let width = u16::from_le_bytes([bytes[6], bytes[7]]) & 0x3fff;
            let height = u16::from_le_bytes([bytes[8], bytes[9]]) & 0x3fff;
            if bytes[3..6] != START_CODE || width == 0 || height == 0 {
                return Err(CodecError::Malformed);
            }
            header.size = Some((width, height));
        }
        Ok(header)
    }

    /// Appends the header to `out` and returns its length: [`KEYFRAME_HEADER`] or [`FRAME_TAG`]. A keyframe is written
    /// with its `size`, which is then needed; fields beyond their range are cut to it.
    pub fn write(&self, out: &mut impl BufMut) -> usize {
        let tag =
            u32::from(!self.keyframe) | u32::from(self.shown) << 4 | (self.first_partition & 0x7_ffff) << 5;
        out.put_slice(&tag.to_le_bytes()[..FRAME_TAG]);
        if !self.keyframe {
            return FRAME_TAG;
        }
        let (width, height) = self.size.unwrap_or_default();
        out.put_slice(&START_CODE);
        out.put_u16_le(width & 0x3fff);
        out.put_u16_le(height & 0x3fff);
        KEYFRAME_HEADER
    }
}

/// What a payload tells.
///
/// # Errors
/// As [`Descriptor::parse`] and, in the first packet of a keyframe, [`FrameHeader::parse`].
pub fn peek(payload: &[u8]) -> Result<FrameInfo, CodecError> {
    let (descriptor, length) = Descriptor::parse(payload)?;
    let mut info = FrameInfo {
        frame_start: descriptor.starts_frame(),
        droppable: descriptor.non_reference,
        picture_id: descriptor.picture_id,
        tl0_picture_index: descriptor.tl0_picture_index,
        temporal: descriptor.temporal.map(|t| t.layer),
        temporal_sync: descriptor.temporal.is_some_and(|t| t.sync),
        ..FrameInfo::default()
    };
    // RFC 7741 §4.3: P, the inverse key frame flag, is the lowest bit of the frame's first byte.
    if info.frame_start && payload[length] & 1 == 0 {
        info.keyframe_start = true;
        info.sizes[0] = match FrameHeader::parse(&payload[length..]) {
            Ok(header) => header.size,
            // Legal, if odd: a sender may cut a packet anywhere.
            Err(CodecError::TooShort) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(info)
}

struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, CodecError> {
        let byte = *self.payload.get(self.at).ok_or(CodecError::TooShort)?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests;
