//! Fields that do not end at bytes: reading and writing them, most significant bit first.
//!
//! Owns the arithmetic. What a field means is known where it is read.

use smallvec::SmallVec;

/// Reads fields from the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits have been read.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The next `count` bits, at most 32. `None` when there are fewer.
    pub(crate) fn bits(&mut self, count: usize) -> Option<u32> {
        debug_assert!(count <= 32);
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0u64;
        for at in self.at..self.at + count {
            value = value << 1 | u64::from(self.bytes[at / 8] >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value as u32)
    }

    /// The next bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        Some(self.bits(1)? == 1)
    }

    /// Passes over bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        let end = self.at + count;
        (end <= self.bytes.len() * 8).then(|| self.at = end)
    }

    /// A number below `range`, in the shortest of the forms that tell all of them apart (AV1 bitstream specification
    /// §4.10.7).
    pub(crate) fn below(&mut self, range: u32) -> Option<u32> {
        let bits = (u32::BITS - range.leading_zeros()) as usize;
        if range <= 1 {
            return Some(0);
        }
        let short = (1u32 << bits) - range;
        let value = self.bits(bits - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.bits(1)?)
    }
}

/// Writes fields one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter<const N: usize> {
    bytes: SmallVec<[u8; N]>,
    at: usize,
}

impl<const N: usize> BitWriter<N> {
    /// Nothing written.
    pub(crate) fn new() -> Self {
        Self { bytes: SmallVec::new(), at: 0 }
    }

    /// Appends the low `count` bits of `value`.
    pub(crate) fn bits(&mut self, value: u32, count: usize) {
        for shift in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> shift & 1) as u8;
            self.bytes[self.at / 8] |= bit << (7 - self.at % 8);
            self.at += 1;
        }
    }

    /// Appends the bits of `bytes` from `start` to `end`.
    pub(crate) fn copy(&mut self, bytes: &[u8], start: usize, end: usize) {
        for at in start..end {
            self.bits(u32::from(bytes[at / 8] >> (7 - at % 8) & 1), 1);
        }
    }

    /// What was written, the last byte filled with zeros.
    pub(crate) fn finish(self) -> SmallVec<[u8; N]> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_fits_and_no_more() {
        let mut reader = BitReader::new(&[0b1010_0101, 0xff]);
        assert_eq!(reader.bits(3), Some(0b101));
        assert_eq!(reader.bits(7), Some(0b001_0111));
        assert_eq!((reader.bits(7), reader.position()), (None, 10), "a field that is cut off moves nothing");
        assert_eq!(reader.bits(6), Some(0b11_1111));
        assert_eq!((reader.flag(), reader.skip(1), reader.bits(0)), (None, None, Some(0)));
    }

    #[test]
    fn numbers_below_a_range_take_the_shortest_form() {
        // AV1 bitstream specification §4.10.7, the example for five values.
        for (bits, count, value) in [(0b00, 2, 0), (0b01, 2, 1), (0b10, 2, 2), (0b110, 3, 3), (0b111, 3, 4)] {
            let bytes = [(bits << (8 - count)) as u8];
            let mut reader = BitReader::new(&bytes);
            assert_eq!((reader.below(5), reader.position()), (Some(value), count));
        }
        assert_eq!(BitReader::new(&[]).below(1), Some(0), "what needs no bits takes none");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in proptest::collection::vec((any::<u32>(), 0usize..=32), 0..20)) {
            let mut writer = BitWriter::<16>::new();
            fields.iter().for_each(|(value, count)| writer.bits(*value, *count));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, count) in fields {
                let expected = (u64::from(value) & ((1u64 << count) - 1)) as u32;
                prop_assert_eq!(reader.bits(count), Some(expected));
            }
        }
    }
}
