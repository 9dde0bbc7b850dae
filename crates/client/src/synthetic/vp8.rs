//! A VP8 frame without a picture, and its cutting into packets.
//!
//! Owns the uncompressed header, a plausible split into partitions, filling, and the evenly sized packets that browsers
//! make (RFC 7741 §4). The filling is noise: a decoder would show it as such, which nobody here asks it to.

use bytes::Bytes;
use packet::codec::vp8::{Descriptor, FrameHeader, KEYFRAME_HEADER, MAX_DESCRIPTOR};
use rand::{Rng, RngExt};

use super::stamp::{STAMP, Stamp};

/// The smallest frame that holds a header and a stamp.
pub(super) const SMALLEST: usize = KEYFRAME_HEADER + STAMP + 10;

/// A frame of `length` bytes (at least [`SMALLEST`]), of `size` when it is a keyframe.
pub(super) fn frame(length: usize, size: Option<(u16, u16)>, stamp: &Stamp, rng: &mut impl Rng) -> Vec<u8> {
    let length = length.max(SMALLEST);
    // Modes and motion vectors go into the first partition: a tenth of a keyframe, a third of any other frame.
    let first_partition = if size.is_some() { length / 10 } else { length / 3 };
    let header =
        FrameHeader { keyframe: size.is_some(), shown: true, first_partition: first_partition as u32, size };
    let mut bytes = Vec::with_capacity(length);
    header.write(&mut bytes);
    let written = bytes.len();
    bytes.resize(length, 0);
    rng.fill(&mut bytes[written..]);
    stamp.seal(&mut bytes);
    bytes
}

/// The payloads of a frame: as few packets as fit `max_payload`, and those of equal size but for one byte, the larger
/// ones last, as browsers do it. `descriptor` describes the first packet; the later ones continue its partition.
pub fn packetize(frame: &[u8], descriptor: &Descriptor, max_payload: usize) -> Vec<Bytes> {
    let room = max_payload.saturating_sub(MAX_DESCRIPTOR).max(1);
    let count = frame.len().div_ceil(room).max(1);
    let (small, larger) = (frame.len() / count, frame.len() % count);
    let mut rest = frame;
    (0..count)
        .map(|at| {
            let (part, behind) = rest.split_at(small + usize::from(at >= count - larger));
            rest = behind;
            let mut payload = Vec::with_capacity(MAX_DESCRIPTOR + part.len());
            Descriptor { partition_start: at == 0, ..*descriptor }.write(&mut payload);
            payload.extend_from_slice(part);
            payload.into()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::codec::{Codec, peek};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn packets_are_few_and_even_and_peek_as_a_frame() {
        let stamp = Stamp { source: 1, encoding: 2, number: 3, reference: 3, made_at: 4 };
        let descriptor = Descriptor {
            partition_start: true,
            picture_id: Some(5),
            tl0_picture_index: Some(6),
            ..Descriptor::default()
        };
        for (length, expected, why) in [
            (1_000, vec![1_006], "fits one"),
            (1_194, vec![1_200], "just fits one"),
            (1_195, vec![603, 604], "the larger last"),
            (3_001, vec![1_006, 1_006, 1_007], "three"),
        ] {
            let frame = frame(length, Some((640, 360)), &stamp, &mut ChaCha8Rng::seed_from_u64(1));
            let payloads = packetize(&frame, &descriptor, 1_200);
            // The descriptor with picture id and TL0PICIDX has 5 of the 6 bytes that are reserved for it.
            let sizes: Vec<usize> = payloads.iter().map(|p| p.len() + 1).collect();
            assert_eq!(sizes, expected, "{length} bytes: {why}");
            let whole: Vec<u8> = payloads.iter().flat_map(|p| p[5..].to_vec()).collect();
            assert_eq!(Stamp::open(&whole), Some(Some(stamp)));
            for (at, payload) in payloads.iter().enumerate() {
                let info = peek(Codec::Vp8, payload, at + 1 == payloads.len()).unwrap();
                assert_eq!((info.frame_start, info.keyframe_start), (at == 0, at == 0));
                assert_eq!(info.size(), (at == 0).then_some((640, 360)));
                assert_eq!((info.picture_id, info.tl0_picture_index), (Some(5), Some(6)));
            }
        }
    }
}
