//! AV1 payloads (RTP payload format for AV1, version 1.0, §4): the aggregation header, and the size in a sequence header.
//!
//! Owns the bytes in front of the first frame. Layers and what frames depend on are in the dependency descriptor (same
//! document, appendix A), which is a header extension: see [`crate::extension::dependency`].

use super::{CodecError, FrameInfo, MAX_SPATIAL};
use crate::bits::BitReader;

/// AV1 bitstream specification §6.2.2: OBU types.
const OBU_SEQUENCE_HEADER: u32 = 1;
/// Elements looked at in search of the sequence header, which is first or follows a delimiter.
const MAX_ELEMENTS: usize = 4;

/// What a payload tells. Where a frame starts is not certain without the dependency descriptor: a packet may begin with a
/// unit in the middle of a frame.
///
/// # Errors
/// [`CodecError`] when nothing follows the aggregation header, or the header forbids itself.
pub fn peek(payload: &[u8]) -> Result<FrameInfo, CodecError> {
    let (head, elements) = payload.split_first().ok_or(CodecError::TooShort)?;
    if elements.is_empty() {
        return Err(CodecError::TooShort);
    }
    let (goes_on, starts_sequence) = (head & 0x80 != 0, head & 0x08 != 0);
    // §4.4: a coded video sequence starts with a unit of its own.
    if goes_on && starts_sequence {
        return Err(CodecError::Malformed);
    }
    let mut info = FrameInfo {
        frame_start: !goes_on,
        keyframe_start: starts_sequence,
        spatial_sync: starts_sequence,
        ..FrameInfo::default()
    };
    if starts_sequence {
        let mut sizes = [None; MAX_SPATIAL];
        sizes[0] = sequence_size(usize::from(head >> 4 & 0x03), elements);
        info.sizes = sizes;
    }
    Ok(info)
}

/// The size in the first sequence header among `count` elements, 0 for any number (§4.4).
fn sequence_size(count: usize, mut rest: &[u8]) -> Option<(u16, u16)> {
    for element in 1..=MAX_ELEMENTS {
        let unit = if element == count {
            std::mem::take(&mut rest)
        } else {
            let length = usize::try_from(leb128(&mut rest)?).ok()?;
            // One that is cut off goes on in the next packet.
            let (unit, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            unit
        };
        let mut bits = BitReader::new(unit);
        bits.skip(1)?;
        let (kind, extended, sized) = (bits.bits(4)?, bits.flag()?, bits.flag()?);
        if kind == OBU_SEQUENCE_HEADER {
            let mut body = unit.get(if extended { 2 } else { 1 }..)?;
            if sized {
                leb128(&mut body)?;
            }
            return sequence_header(&mut BitReader::new(body));
        }
    }
    None
}

/// AV1 bitstream specification §5.5.1, up to the size.
fn sequence_header(bits: &mut BitReader<'_>) -> Option<(u16, u16)> {
    bits.skip(3 + 1)?; // seq_profile, still_picture
    if bits.flag()? {
        bits.skip(5)?; // reduced_still_picture_header: seq_level_idx
    } else {
        let mut delay_length = None;
        if bits.flag()? {
            timing_info(bits)?;
            if bits.flag()? {
                // decoder_model_info: lengths and a tick.
                delay_length = Some(bits.bits(5)? as usize + 1);
                bits.skip(32 + 5 + 5)?;
            }
        }
        let display_delay = bits.flag()?;
        for _ in 0..=bits.bits(5)? {
            operating_point(bits, delay_length, display_delay)?;
        }
    }
    let (width_bits, height_bits) = (bits.bits(4)? as usize + 1, bits.bits(4)? as usize + 1);
    let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

fn timing_info(bits: &mut BitReader<'_>) -> Option<()> {
    bits.skip(32 + 32)?;
    if bits.flag()? {
        // uvlc (§4.10.3).
        let mut zeros = 0;
        while !bits.flag()? {
            zeros += 1;
        }
        if zeros < 32 {
            bits.skip(zeros)?;
        }
    }
    Some(())
}

fn operating_point(bits: &mut BitReader<'_>, delay_length: Option<usize>, display_delay: bool) -> Option<()> {
    bits.skip(12)?; // operating_point_idc
    if bits.bits(5)? > 7 {
        bits.skip(1)?; // seq_tier
    }
    if let Some(length) = delay_length
        && bits.flag()?
    {
        bits.skip(2 * length + 1)?;
    }
    if display_delay && bits.flag()? {
        bits.skip(4)?;
    }
    Some(())
}

/// AV1 bitstream specification §4.10.5: seven bits a byte, the least significant first.
pub(crate) fn leb128(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..8 {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << (at * 7);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sequence header as libaom writes it for 640x360, main profile, one operating point, behind its OBU header.
    fn sequence() -> Vec<u8> {
        let mut bits = crate::bits::BitWriter::<32>::new();
        for (value, count) in
            [(0, 5), (0, 1), (0, 1), (0, 5), (0, 12), (8, 5), (0, 1), (9, 4), (8, 4), (639, 10), (359, 9)]
        {
            bits.bits(value, count);
        }
        [vec![0x08], bits.finish().to_vec()].concat()
    }

    #[test]
    fn tells_starts_and_sizes() {
        let unit = sequence();
        let length = unit.len() as u8;
        let alone = [vec![0x18], unit.clone()].concat();
        let counted = [vec![0x08, length], unit.clone(), vec![2, 0x30, 0]].concat();
        let behind_delimiter = [vec![0x28, 1, 0x10], unit.clone()].concat();
        let sized = [vec![0x18, 0x0a, length - 1], unit[1..].to_vec()].concat();
        type Case<'a> = (&'a [u8], bool, bool, Option<(u16, u16)>, &'a str);
        let cases: [Case<'_>; 6] = [
            (&alone, true, true, Some((640, 360)), "one element, without a length"),
            (&counted, true, true, Some((640, 360)), "elements with lengths"),
            (&behind_delimiter, true, true, Some((640, 360)), "a temporal delimiter in front"),
            (&sized, true, true, Some((640, 360)), "a unit that says its own size"),
            (&[0x10, 0x30, 1], true, false, None, "a frame"),
            (&[0x90, 1, 2], false, false, None, "the rest of a unit"),
        ];
        for (payload, start, keyframe, size, why) in cases {
            let info = peek(payload).unwrap();
            assert_eq!(
                (info.frame_start, info.keyframe_start, info.sizes[0]),
                (start, keyframe, size),
                "{why}"
            );
        }
        assert_eq!(peek(&[]), Err(CodecError::TooShort));
        assert_eq!(peek(&[0x10]), Err(CodecError::TooShort));
        assert_eq!(peek(&[0x88, 1]), Err(CodecError::Malformed), "a sequence starts with a unit of its own");
    }

    #[test]
    fn optional_fields_in_front_of_the_size_are_passed_over() {
        let header = |fields: &[(u32, usize)]| {
            let mut bits = crate::bits::BitWriter::<32>::new();
            fields.iter().for_each(|(value, count)| bits.bits(*value, *count));
            [(9, 4), (8, 4), (639, 10), (359, 9)].iter().for_each(|(value, count)| bits.bits(*value, *count));
            bits.finish().to_vec()
        };
        let cases = [
            (header(&[(0, 4), (1, 1), (4, 5)]), "a still picture"),
            (
                header(&[
                    (0, 5),
                    (1, 1),
                    (1, 32),
                    (30, 32),
                    (1, 1),
                    (0b00111, 5),
                    (0, 1),
                    (0, 1),
                    (0, 5),
                    (0, 12),
                    (4, 5),
                ]),
                "timing with equal intervals",
            ),
            (
                header(&[
                    (0, 5),
                    (1, 1),
                    (1, 32),
                    (30, 32),
                    (0, 1),
                    (1, 1),
                    (9, 5),
                    (1, 32),
                    (0, 10),
                    (1, 1),
                    (1, 5),
                    (0, 12),
                    (4, 5),
                    (1, 1),
                    (0, 21),
                    (1, 1),
                    (3, 4),
                    (0, 12),
                    (9, 5),
                    (1, 1),
                    (0, 1),
                    (0, 1),
                ]),
                "a decoder model, display delays and two operating points",
            ),
        ];
        for (bytes, why) in cases {
            assert_eq!(sequence_header(&mut BitReader::new(&bytes)), Some((640, 360)), "{why}");
        }
        assert_eq!(sequence_header(&mut BitReader::new(&[0; 4])), None, "cut off");
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = peek(&payload);
            let _ = sequence_header(&mut BitReader::new(&payload));
        }
    }
}
