//! Redundant audio (RFC 2198): a packet with the frame of its own time, the primary one, and behind one another in front of
//! it those of some times before, so that a packet that got lost is still heard.
//!
//! Owns finding the primary frame. What repeats is left as it is: whoever takes such packets takes all of it.

use bytes::Bytes;

/// Blocks of one packet: browsers put in two or three.
const MAX_BLOCKS: usize = 8;
/// Bytes of a block's header but the last (RFC 2198 §3): one bit, payload type, 14 bits of offset, 10 bits of length.
const HEADER: usize = 4;
/// More blocks follow.
const FOLLOWED: u8 = 0x80;

/// A packet with frames of earlier times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundant {
    /// All of it, as it came.
    pub whole: Bytes,
    /// The payload type that every block in it says.
    pub payload_type: u8,
}

/// The primary frame of a payload whose blocks are all of `payload_type`, as browsers write it. `None` for anything else,
/// and for a packet without a primary frame.
pub fn primary(payload: &Bytes, payload_type: u8) -> Option<Bytes> {
    let (mut at, mut before) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let first = *payload.get(at)?;
        if first & !FOLLOWED != payload_type {
            return None;
        }
        if first & FOLLOWED == 0 {
            let start = at + 1 + before;
            return (start < payload.len()).then(|| payload.slice(start..));
        }
        let header = payload.get(at..at + HEADER)?;
        before += usize::from(u16::from_be_bytes([header[2] & 0x03, header[3]]));
        at += HEADER;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As RFC 2198 §3 draws it.
    fn write(payload_type: u8, earlier: &[(u16, &[u8])], primary: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        for (offset, block) in earlier {
            bytes.push(FOLLOWED | payload_type);
            let word = u32::from(*offset) << 10 | block.len() as u32;
            bytes.extend(&word.to_be_bytes()[1..]);
        }
        bytes.push(payload_type);
        earlier.iter().for_each(|(_, block)| bytes.extend(*block));
        bytes.extend(primary);
        bytes.into()
    }

    #[test]
    fn the_primary_frame_is_the_last_one() {
        let cases: [(Bytes, Option<&[u8]>, &str); 11] = [
            (write(111, &[], b"now"), Some(b"now"), "nothing before"),
            (write(111, &[(960, b"then")], b"now"), Some(b"now"), "one before"),
            (write(111, &[(1_920, b"long ago"), (960, b"then")], b"now"), Some(b"now"), "two before"),
            (write(111, &[(960, b"then")], b"\xf8"), Some(b"\xf8"), "silence of one byte"),
            (write(111, &[(960, b"")], b"now"), Some(b"now"), "nothing was said before"),
            (write(111, &[(960, b"then")], b""), None, "no primary frame"),
            (write(109, &[(960, b"then")], b"now"), None, "of another payload type"),
            (write(111, &[(960, b"then")], b"now").slice(..7), None, "cut off within what was before"),
            (write(111, &[(960, b"then")], b"now").slice(..3), None, "cut off within a header"),
            (write(111, &[(960, &b"x"[..]); MAX_BLOCKS], b"now"), None, "more than anybody sends"),
            (Bytes::new(), None, "empty"),
        ];
        for (payload, expected, why) in cases {
            assert_eq!(primary(&payload, 111).as_deref(), expected, "{why}");
        }
        let mut mixed = write(111, &[(960, b"then")], b"now").to_vec();
        mixed[0] = FOLLOWED | 13;
        assert_eq!(primary(&mixed.into(), 111), None, "comfort noise before");
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(
            blocks in proptest::collection::vec((0u16..0x4000, proptest::collection::vec(any::<u8>(), 0..60)), 0..4),
            now in proptest::collection::vec(any::<u8>(), 1..60),
        ) {
            let blocks: Vec<_> = blocks.iter().map(|(offset, block)| (*offset, &block[..])).collect();
            prop_assert_eq!(primary(&write(111, &blocks, &now), 111).unwrap(), now);
        }

        #[test]
        fn any_bytes_are_taken_or_left(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let bytes = Bytes::from(bytes);
            if let Some(found) = primary(&bytes, bytes.first().copied().unwrap_or(0) & 0x7f) {
                prop_assert!(!found.is_empty() && bytes.ends_with(&found));
            }
        }
    }
}
