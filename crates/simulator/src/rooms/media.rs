//! Synthetic pictures on the wire: VP8 packets that say which frame they are of.
//!
//! Owns the stamp at the head of every packet's data and the cutting of frames into packets. With stamps the
//! judgement of a receiver is exact: it needs no decoder to know that a frame is whole and predicted from one
//! that was shown.

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, FRAME_TAG, FrameHeader, KEYFRAME_HEADER};

/// Payload bytes of a packet at most, as browsers cut them.
pub const MAX_PAYLOAD: usize = 1_180;
/// Bytes of a [`Stamp`].
pub const STAMP: usize = 24;
const MAGIC: u16 = 0x7e55;

/// What one packet says of the frame it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which participant made it.
    pub source: u16,
    /// Which of its encodings.
    pub encoding: u8,
    /// Which of its video tracks.
    pub track: u8,
    /// Counts the frames of the encoding.
    pub number: u32,
    /// The frame that this one was predicted from; its own number for a keyframe.
    pub reference: u32,
    /// Position of the packet in the frame.
    pub index: u16,
    /// Packets of the frame.
    pub count: u16,
    /// When the frame was captured, in microseconds of virtual time.
    pub captured: u64,
}

impl Stamp {
    fn write(&self, out: &mut impl BufMut) {
        out.put_u16(MAGIC);
        out.put_u16(self.source);
        out.put_u8(self.encoding);
        out.put_u8(self.track);
        out.put_u16(self.index);
        out.put_u16(self.count);
        out.put_u32(self.number);
        out.put_u32(self.reference);
        // 48 bits are nine years.
        out.put_uint(self.captured, 6);
    }

    /// The stamp behind the descriptor, and for the first packet of a frame behind the frame's header. `None`
    /// when the bytes are not those of a synthetic camera.
    pub fn read(payload: &[u8]) -> Option<(Descriptor, FrameStart, Self)> {
        let (descriptor, length) = Descriptor::parse(payload).ok()?;
        let (start, at) = match descriptor.starts_frame() {
            false => (FrameStart::No, length),
            true => {
                let header = FrameHeader::parse(&payload[length..]).ok()?;
                match header.size {
                    Some(size) => (FrameStart::Keyframe(size), length + KEYFRAME_HEADER),
                    None => (FrameStart::Delta, length + FRAME_TAG),
                }
            }
        };
        let bytes = payload.get(at..at + STAMP)?;
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let stamp = Self {
            source: half(2),
            encoding: bytes[4],
            track: bytes[5],
            index: half(6),
            count: half(8),
            number: word(10),
            reference: word(14),
            captured: u64::from(half(18)) << 32 | u64::from(word(20)),
        };
        (half(0) == MAGIC).then_some((descriptor, start, stamp))
    }
}

/// Whether a packet starts a frame, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameStart {
    /// It continues one.
    No,
    /// A frame that is predicted from another.
    Delta,
    /// A frame to start at, with its width and height in pixels.
    Keyframe((u16, u16)),
}

/// Cuts a frame of `size` bytes into packets of about the same length. `stamp` is that of the frame;
/// positions are filled in here. `keyframe` is its size in pixels, if it is one.
pub fn packetize(
    size: usize,
    keyframe: Option<(u16, u16)>,
    descriptor: &Descriptor,
    stamp: Stamp,
) -> Vec<Bytes> {
    let count = size.div_ceil(MAX_PAYLOAD).max(1);
    let per_packet = size / count;
    let packet = |index: usize| {
        let mut out = BytesMut::with_capacity(MAX_PAYLOAD + 16);
        Descriptor { partition_start: index == 0, ..*descriptor }.write(&mut out);
        if index == 0 {
            let header = FrameHeader {
                keyframe: keyframe.is_some(),
                shown: true,
                first_partition: 64,
                size: keyframe,
            };
            header.write(&mut out);
        }
        // Counts stay far below 16 bits: a frame of 77 MB would be needed.
        Stamp { index: index as u16, count: count as u16, ..stamp }.write(&mut out);
        let fill = per_packet.saturating_sub(out.len());
        out.put_bytes(0x5a, fill);
        out.freeze()
    };
    (0..count).map(packet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::{Codec, codec};

    #[test]
    fn packets_peek_as_a_frame_and_say_what_they_are() {
        let stamp = Stamp {
            source: 3,
            encoding: 2,
            track: 1,
            number: 70_000,
            reference: 69_999,
            index: 0,
            count: 0,
            captured: 1 << 40,
        };
        let descriptor = Descriptor { partition_start: true, picture_id: Some(5), ..Descriptor::default() };
        for (size, keyframe, expected) in
            [(100, None, 1), (1_180, None, 1), (1_181, None, 2), (9_000, Some((1_280, 720)), 8)]
        {
            let payloads = packetize(size, keyframe, &descriptor, stamp);
            assert_eq!(payloads.len(), expected, "{size} bytes");
            for (at, payload) in payloads.iter().enumerate() {
                let info = codec::peek(Codec::Vp8, payload, at + 1 == expected).expect("VP8");
                assert_eq!((info.frame_start, info.keyframe_start), (at == 0, at == 0 && keyframe.is_some()));
                let (parsed, start, read) = Stamp::read(payload).expect("a stamp");
                assert_eq!(parsed.picture_id, Some(5));
                assert_eq!(read, Stamp { index: at as u16, count: expected as u16, ..stamp });
                match (at, keyframe) {
                    (0, Some(size)) => {
                        assert_eq!((start, info.size()), (FrameStart::Keyframe(size), Some(size)))
                    }
                    (0, None) => assert_eq!(start, FrameStart::Delta),
                    _ => assert_eq!(start, FrameStart::No),
                }
            }
        }
        assert_eq!(Stamp::read(&[0x10, 1, 0, 0]), None);
    }
}
