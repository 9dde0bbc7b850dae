//! A mark at the end of a synthetic frame that says which frame it is.
//!
//! Owns its bytes. A receiver that finds one knows without decoding whether the frame is whole, which encoding of which
//! source it is of, which frame it was made from, and when it was made; frames of other publishers have none.

/// Bytes of a stamp.
pub const STAMP: usize = 40;
const MAGIC: [u8; 4] = *b"TrSt";

/// What a synthetic frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The source: drawn at random by the publisher.
    pub source: u32,
    /// The encoding, by position in the offer.
    pub encoding: u32,
    /// Counts the frames of the source, over all encodings.
    pub number: u32,
    /// The frame that this one was predicted from; its own number for a keyframe.
    pub reference: u32,
    /// When it was made: microseconds since 1970 by the publisher's clock.
    pub made_at: u64,
}

impl Stamp {
    /// Writes the stamp over the last [`STAMP`] bytes of `frame`, which must be longer, with a checksum over the rest.
    pub fn seal(&self, frame: &mut [u8]) {
        let at = frame.len() - STAMP;
        let length = frame.len() as u32;
        let (body, end) = frame.split_at_mut(at);
        let mut put = |at: usize, bytes: &[u8]| end[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &self.source.to_be_bytes());
        put(8, &self.encoding.to_be_bytes());
        put(12, &self.number.to_be_bytes());
        put(16, &self.reference.to_be_bytes());
        put(20, &self.made_at.to_be_bytes());
        put(28, &length.to_be_bytes());
        put(32, &fingerprint(body).to_be_bytes());
    }

    /// The stamp of `frame`. `None` when there is none, `Some(None)` when the frame is not the one that was sealed.
    pub fn open(frame: &[u8]) -> Option<Option<Self>> {
        let (body, end) = frame.split_last_chunk::<STAMP>()?;
        if end[..4] != MAGIC {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([end[at], end[at + 1], end[at + 2], end[at + 3]]);
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        let whole = word(28) as usize == frame.len() && long(32) == fingerprint(body);
        Some(whole.then(|| Self {
            source: word(4),
            encoding: word(8),
            number: word(12),
            reference: word(16),
            made_at: long(20),
        }))
    }
}

/// FNV-1a over 64 bits: finds every mix-up of packets, and nobody forges one here.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let stamp =
            Stamp { source: 7, encoding: 1, number: 100, reference: 99, made_at: 0x0123_4567_89ab_cdef };
        let mut frame: Vec<u8> = (0..200).collect();
        stamp.seal(&mut frame);
        assert_eq!(Stamp::open(&frame), Some(Some(stamp)));
        let mut damaged = frame.clone();
        damaged[3] ^= 1;
        assert_eq!(Stamp::open(&damaged), Some(None), "a changed byte");
        let mut swapped = frame.clone();
        swapped.swap(10, 90);
        assert_eq!(Stamp::open(&swapped), Some(None), "packets in the wrong order");
        assert_eq!(Stamp::open(&frame[1..]), Some(None), "a lost beginning");
        assert_eq!(Stamp::open(&frame[..199]), None, "a lost end");
        assert_eq!(Stamp::open(&[0; 39]), None, "too short for one");
    }
}
