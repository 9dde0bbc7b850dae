//! The payloads of a frame in the codecs that are not VP8: what a forwarder looks at, around bytes that nobody decodes.
//!
//! Owns the descriptors of VP9 (RFC 9628 §4.2), the units and fragments of H.264 (RFC 6184 §5), and how each is taken off
//! again. As few packets as fit, of even size, as browsers make them.

use bytes::{BufMut, Bytes};
use packet::Codec;
use packet::codec::{vp8, vp9};
use rand::{Rng, RngExt};

use super::stamp::{STAMP, Stamp};

/// What a payload has in front of its share of the frame, at most.
const LONGEST_HEAD: usize = 10;
/// RFC 9628 §4.2.1: one layer with its size.
const VP9_STRUCTURE: usize = 5;

/// H.264 unit and packet types (ITU-T H.264 table 7-1, RFC 6184 §5.2).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const PARAMETERS: u8 = 7;
const FRAGMENT: u8 = 28;

/// What packets say of their frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    /// Of a keyframe.
    pub(super) size: Option<(u16, u16)>,
    pub(super) picture_id: u16,
    /// Temporal layer and TL0PICIDX, where there are layers.
    pub(super) layer: Option<(u8, u8)>,
}

impl Picture {
    fn is_referred_to(&self) -> bool {
        self.layer.is_none_or(|(layer, _)| layer == 0)
    }
}

/// A frame of `length` bytes with its stamp.
pub(super) fn frame(length: usize, stamp: &Stamp, rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = vec![0; length.max(STAMP + 10)];
    rng.fill(&mut bytes[..]);
    // ITU-T H.264 §7.3.3: a slice that begins with this bit begins its picture.
    bytes[0] |= 0x80;
    stamp.seal(&mut bytes);
    bytes
}

/// The payloads of a frame.
pub(super) fn packetize(codec: Codec, frame: &[u8], picture: &Picture, max_payload: usize) -> Vec<Bytes> {
    let room = max_payload.saturating_sub(LONGEST_HEAD).max(1);
    let count = frame.len().div_ceil(room).max(1);
    let (small, larger) = (frame.len() / count, frame.len() % count);
    let mut rest = frame;
    let parts: Vec<&[u8]> = (0..count)
        .map(|at| {
            let (part, behind) = rest.split_at(small + usize::from(at >= count - larger));
            rest = behind;
            part
        })
        .collect();
    match codec {
        Codec::H264 => h264(&parts, picture),
        _ => (0..count).map(|at| vp9(parts[at], picture, at == 0, at + 1 == count)).collect(),
    }
}

/// A payload's share of its frame.
pub(crate) fn share(codec: Codec, payload: &Bytes) -> Bytes {
    let head = match codec {
        Codec::H264 => match payload.first().map(|first| first & 0x1f) {
            Some(PARAMETERS) => payload.len(),
            Some(FRAGMENT) => 2,
            _ => 1,
        },
        Codec::Vp9 => vp9::Descriptor::parse(payload)
            .map_or(0, |(said, length)| length + if said.structure { VP9_STRUCTURE } else { 0 }),
        _ => vp8::Descriptor::parse(payload).map_or(0, |(_, length)| length),
    };
    payload.slice(head.min(payload.len())..)
}

fn vp9(part: &[u8], picture: &Picture, start: bool, end: bool) -> Bytes {
    let mut out = Vec::with_capacity(LONGEST_HEAD + part.len());
    let structure = picture.size.filter(|_| start);
    vp9::Descriptor {
        inter_predicted: picture.size.is_none(),
        start,
        end,
        structure: structure.is_some(),
        picture_id: Some(picture.picture_id),
        layers: picture.layer.map(|(temporal, _)| vp9::LayerIndices {
            temporal,
            switching_up: true,
            ..vp9::LayerIndices::default()
        }),
        tl0_picture_index: picture.layer.map(|(_, tl0)| tl0),
        ..vp9::Descriptor::default()
    }
    .write(&mut out);
    if let Some((width, height)) = structure {
        out.put_u8(0x10);
        out.put_u16(width);
        out.put_u16(height);
    }
    out.extend_from_slice(part);
    out.into()
}

fn h264(parts: &[&[u8]], picture: &Picture) -> Vec<Bytes> {
    let kind = if picture.size.is_some() { IDR } else { SLICE };
    // RFC 6184 §5.3: 0 for what no other picture refers to.
    let reference = if picture.is_referred_to() { 0x60 } else { 0 };
    let parameters = picture.size.map(|size| Bytes::from(parameter_set(size)));
    let slices = parts.iter().enumerate().map(|(at, part)| {
        let (first, last) = (at == 0, at + 1 == parts.len());
        let mut out = Vec::with_capacity(2 + part.len());
        if first && last {
            out.push(reference | kind);
        } else {
            out.push(reference | FRAGMENT);
            out.push(u8::from(first) << 7 | u8::from(last) << 6 | kind);
        }
        out.extend_from_slice(part);
        out.into()
    });
    parameters.into_iter().chain(slices).collect()
}

/// A baseline sequence parameter set for pictures of that size (ITU-T H.264 §7.3.2.1.1).
fn parameter_set((width, height): (u16, u16)) -> Vec<u8> {
    let (columns, rows) = (u32::from(width).div_ceil(16), u32::from(height).div_ceil(16));
    // In units of two pixels.
    let (right, bottom) = ((columns * 16 - u32::from(width)) / 2, (rows * 16 - u32::from(height)) / 2);
    let mut bits: Vec<bool> = Vec::new();
    // Identifier, bits of the frame number, order type 2, one reference frame; no gaps.
    [0, 0, 2, 1].into_iter().for_each(|value| golomb(&mut bits, value));
    bits.push(false);
    [columns - 1, rows - 1].into_iter().for_each(|value| golomb(&mut bits, value));
    // Whole frames, direct inference, cropped; no further words, and the end.
    bits.extend([true, true, true]);
    [0, right, 0, bottom].into_iter().for_each(|value| golomb(&mut bits, value));
    bits.extend([false, true]);
    let byte = |bits: &[bool]| (0..8).fold(0u8, |byte, at| byte << 1 | u8::from(bits.get(at) == Some(&true)));
    [0x60 | PARAMETERS, 0x42, 0xc0, 0x1f].into_iter().chain(bits.chunks(8).map(byte)).collect()
}

/// ITU-T H.264 §9.1.
fn golomb(bits: &mut Vec<bool>, value: u32) {
    let length = u32::BITS - (value + 1).leading_zeros();
    bits.extend((1..length).map(|_| false));
    bits.extend((0..length).rev().map(|at| (value + 1) >> at & 1 == 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::codec::peek;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn frames_are_cut_and_put_together_and_peek_as_what_they_are() {
        let stamp = Stamp { source: 1, encoding: 2, number: 3, reference: 3, made_at: 4 };
        for codec in [Codec::Vp9, Codec::H264] {
            for (length, size, layer) in [
                (1_000, Some((640, 360)), None),
                (5_000, Some((1_280, 720)), None),
                (5_000, Some((320, 180)), Some((0, 7))),
                (3_000, None, Some((1, 7))),
                (500, None, None),
            ] {
                let picture = Picture { size, picture_id: 5, layer };
                let frame = frame(length, &stamp, &mut ChaCha8Rng::seed_from_u64(1));
                let payloads = packetize(codec, &frame, &picture, 1_200);
                assert!(payloads.iter().all(|payload| payload.len() <= 1_200));
                let whole: Vec<u8> = payloads.iter().flat_map(|p| share(codec, p)).collect();
                assert_eq!(Stamp::open(&whole), Some(Some(stamp)), "{codec}, {length} bytes");
                for (at, payload) in payloads.iter().enumerate() {
                    let info = peek(codec, payload, at + 1 == payloads.len()).unwrap();
                    assert_eq!(info.keyframe_start, size.is_some() && at == 0, "{codec}, packet {at}");
                    assert_eq!(info.size(), size.filter(|_| at == 0), "{codec}, packet {at}");
                    assert!(at > 0 || info.frame_start, "{codec}");
                }
                if codec == Codec::Vp9 {
                    let info = peek(codec, &payloads[0], false).unwrap();
                    assert_eq!((info.picture_id, info.temporal), (Some(5), layer.map(|(layer, _)| layer)));
                }
            }
        }
    }
}
