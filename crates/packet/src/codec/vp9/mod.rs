//! VP9 payloads (RFC 9628 §4): the descriptor, its rewritable head parsed and written, and the size of keyframes.
//!
//! Owns the bytes. A descriptor is taken apart into a *head* (flags, picture id, layer indices, TL0PICIDX), which a
//! forwarder writes anew for each receiver, and a *tail* (reference differences, scalability structure), which is all
//! relative and goes on as it is.
//!
//! ```text
//!  +-+-+-+-+-+-+-+-+
//!  |I|P|L|F|B|E|V|Z|   I: picture id  P: inter-picture predicted  L: layer indices  F: flexible mode
//!  |M| PICTURE ID  |   B, E: start, end of a layer's frame  V: scalability structure  Z: no reference upwards
//!  | TID |U| SID |D|   only with L;  U: switching up point  D: depends on the layer below
//!  |   TL0PICIDX   |   only with L and without F
//!  :     tail      :
//! ```

use bytes::BufMut;

use super::{CodecError, FrameInfo, MAX_SPATIAL};
use crate::bits::BitReader;

/// The longest head in bytes, with 15 bits of picture id.
pub const MAX_HEAD: usize = 5;
/// RFC 9628 §4.2: at most so many reference differences in a packet.
const MAX_DIFFERENCES: usize = 3;

/// Where a packet's frame stands among the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerIndices {
    /// TID, 0 to 7.
    pub temporal: u8,
    /// U: from the next picture on, nothing of a higher temporal layer refers to anything of one before this.
    pub switching_up: bool,
    /// SID, 0 to 7.
    pub spatial: u8,
    /// D: predicted from the spatial layer below in the same picture.
    pub depends: bool,
}

/// The head of a VP9 payload descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// P: the frame refers to earlier pictures.
    pub inter_predicted: bool,
    /// F: references are given with each frame.
    pub flexible: bool,
    /// B: the first packet of a layer's frame.
    pub start: bool,
    /// E: the last packet of a layer's frame.
    pub end: bool,
    /// V: the tail has a scalability structure.
    pub structure: bool,
    /// Z: no higher spatial layer of this picture refers to this frame.
    pub not_referenced_above: bool,
    /// Picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Layers, where the sender has any.
    pub layers: Option<LayerIndices>,
    /// TL0PICIDX: wrapping count of pictures of the lowest temporal layer.
    pub tl0_picture_index: Option<u8>,
}

impl Descriptor {
    /// The head at the start of `payload`, and its length in bytes.
    ///
    /// # Errors
    /// [`CodecError::TooShort`] when it is cut off or nothing follows it.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), CodecError> {
        let mut rest = payload;
        let flags = byte(&mut rest)?;
        let set = |bit: u8| flags & bit != 0;
        let mut descriptor = Self {
            inter_predicted: set(0x40),
            flexible: set(0x10),
            start: set(0x08),
            end: set(0x04),
            structure: set(0x02),
            not_referenced_above: set(0x01),
            ..Self::default()
        };
        if set(0x80) {
            let high = byte(&mut rest)?;
            descriptor.picture_id = Some(match high & 0x80 {
                0 => u16::from(high),
                _ => u16::from_be_bytes([high & 0x7f, byte(&mut rest)?]),
            });
        }
        if set(0x20) {
            let indices = byte(&mut rest)?;
            descriptor.layers = Some(LayerIndices {
                temporal: indices >> 5,
                switching_up: indices & 0x10 != 0,
                spatial: indices >> 1 & 0x07,
                depends: indices & 0x01 != 0,
            });
            if !descriptor.flexible {
                descriptor.tl0_picture_index = Some(byte(&mut rest)?);
            }
        }
        if rest.is_empty() {
            return Err(CodecError::TooShort);
        }
        Ok((descriptor, payload.len() - rest.len()))
    }

    /// Appends the head to `out`, a picture id always with 15 bits, and returns its length in bytes, at most
    /// [`MAX_HEAD`]. TL0PICIDX is written with layers outside flexible mode, and only then.
    pub fn write(&self, out: &mut impl BufMut) -> usize {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        out.put_u8(
            bit(self.picture_id.is_some(), 0x80)
                | bit(self.inter_predicted, 0x40)
                | bit(self.layers.is_some(), 0x20)
                | bit(self.flexible, 0x10)
                | bit(self.start, 0x08)
                | bit(self.end, 0x04)
                | bit(self.structure, 0x02)
                | bit(self.not_referenced_above, 0x01),
        );
        let mut written = 1;
        if let Some(id) = self.picture_id {
            out.put_u16(0x8000 | id & 0x7fff);
            written += 2;
        }
        if let Some(layers) = self.layers {
            out.put_u8(
                layers.temporal << 5
                    | bit(layers.switching_up, 0x10)
                    | (layers.spatial & 0x07) << 1
                    | bit(layers.depends, 0x01),
            );
            written += 1;
            if !self.flexible {
                out.put_u8(self.tl0_picture_index.unwrap_or(0));
                written += 1;
            }
        }
        written
    }

    /// The spatial layer, 0 where there are none.
    pub fn spatial(&self) -> u8 {
        self.layers.map_or(0, |layers| layers.spatial)
    }

    /// True when the payload starts a picture: RFC 9628 §4.2, the lowest spatial layer starts here.
    pub fn starts_picture(&self) -> bool {
        self.start && self.spatial() == 0
    }
}

/// What a payload tells.
///
/// # Errors
/// [`CodecError::TooShort`] when the descriptor is cut off or nothing follows it.
pub fn peek(payload: &[u8]) -> Result<FrameInfo, CodecError> {
    let (descriptor, length) = Descriptor::parse(payload)?;
    let mut rest = &payload[length..];
    if descriptor.inter_predicted && descriptor.flexible {
        let mut count = 1;
        // RFC 9628 §4.2: the lowest bit says that another one follows.
        while byte(&mut rest)? & 1 != 0 {
            count += 1;
            if count > MAX_DIFFERENCES {
                return Err(CodecError::Malformed);
            }
        }
    }
    let mut info = FrameInfo {
        frame_start: descriptor.starts_picture(),
        keyframe_start: descriptor.starts_picture() && !descriptor.inter_predicted,
        layer_end: descriptor.end,
        spatial: descriptor.spatial(),
        spatial_sync: descriptor.start && !descriptor.inter_predicted,
        temporal: descriptor.layers.map(|layers| layers.temporal),
        temporal_sync: descriptor.layers.is_some_and(|layers| layers.switching_up),
        picture_id: descriptor.picture_id,
        tl0_picture_index: descriptor.tl0_picture_index,
        ..FrameInfo::default()
    };
    if descriptor.structure {
        info.sizes = scalability_structure(&mut rest)?;
    }
    if rest.is_empty() {
        return Err(CodecError::TooShort);
    }
    let own = usize::from(info.spatial);
    if info.spatial_sync && own < MAX_SPATIAL && info.sizes[own].is_none() {
        info.sizes[own] = keyframe_size(rest);
    }
    Ok(info)
}

/// RFC 9628 §4.2.1: sizes of the spatial layers; the groups of pictures are passed over.
fn scalability_structure(rest: &mut &[u8]) -> Result<[Option<(u16, u16)>; MAX_SPATIAL], CodecError> {
    let head = byte(rest)?;
    let (layers, has_sizes, has_groups) = (usize::from(head >> 5) + 1, head & 0x10 != 0, head & 0x08 != 0);
    let mut sizes = [None; MAX_SPATIAL];
    for layer in 0..if has_sizes { layers } else { 0 } {
        let bytes = [byte(rest)?, byte(rest)?, byte(rest)?, byte(rest)?];
        let size = (u16::from_be_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([bytes[2], bytes[3]]));
        if size.0 == 0 || size.1 == 0 {
            return Err(CodecError::Malformed);
        }
        if let Some(place) = sizes.get_mut(layer) {
            *place = Some(size);
        }
    }
    if has_groups {
        for _ in 0..byte(rest)? {
            let references = byte(rest)? >> 2 & 0x03;
            for _ in 0..references {
                byte(rest)?;
            }
        }
    }
    Ok(sizes)
}

/// The size in the uncompressed header of a keyframe (VP9 bitstream specification §6.2). `None` for any other frame.
fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    const SYNC_CODE: u32 = 0x49_83_42;
    const RGB: u32 = 7;
    let mut bits = BitReader::new(frame);
    if bits.bits(2)? != 2 {
        return None;
    }
    let profile = bits.bits(1)? | bits.bits(1)? << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let (repeats, is_inter) = (bits.flag()?, bits.flag()?);
    if repeats || is_inter {
        return None;
    }
    // Shown, error resilient.
    bits.skip(2)?;
    if bits.bits(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?;
    }
    let odd = profile % 2 == 1;
    match (bits.bits(3)? == RGB, odd) {
        (false, false) => bits.skip(1)?,
        (false, true) => bits.skip(4)?,
        (true, odd) => bits.skip(usize::from(odd))?,
    }
    let (width, height) = (bits.bits(16)? + 1, bits.bits(16)? + 1);
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

fn byte(rest: &mut &[u8]) -> Result<u8, CodecError> {
    let (first, behind) = rest.split_first().ok_or(CodecError::TooShort)?;
    *rest = behind;
    Ok(*first)
}

#[cfg(test)]
mod tests;
