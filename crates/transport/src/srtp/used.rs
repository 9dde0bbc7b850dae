//! Which numbers of a stream have been used, and what a 16-bit one on the wire stands for (RFC 3711 §3.3).
//!
//! Owns the same judgement for both directions: a packet that comes twice is refused, and one that would leave under a number that
//! was used is refused as well, since under AES-GCM that would give away the key of its authentication (RFC 7714 §8.1).

/// Indices of RTP have 48 bits (RFC 3711 §3.3.1).
const END: u64 = 1 << 48;

/// The latest numbers of one stream: 64 for each of `WORDS`.
#[derive(Clone, Debug)]
pub(super) struct Used<const WORDS: usize> {
    highest: Option<u64>,
    /// One bit per number, by its value modulo the window.
    bits: [u64; WORDS],
}

impl<const WORDS: usize> Default for Used<WORDS> {
    fn default() -> Self {
        Self { highest: None, bits: [0; WORDS] }
    }
}

impl<const WORDS: usize> Used<WORDS> {
    const WINDOW: u64 = 64 * WORDS as u64;

    /// The index closest to the highest so far that ends in this sequence number; a stream starts with a rollover counter of
    /// zero. `None` where there is no such index.
    pub(super) fn index_of(&self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return Some(sequence.into()) };
        let step = sequence.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(step.into()).filter(|index| *index < END)
    }

    /// Whether a number may still be used: not so old that nobody can tell, and not used.
    pub(super) fn is_free(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        index > highest
            || (highest - index < Self::WINDOW && self.bits[Self::word(index)] & Self::bit(index) == 0)
    }

    /// Uses a number that is free.
    pub(super) fn take(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < Self::WINDOW => {
                (highest + 1..index)
                    .for_each(|skipped| self.bits[Self::word(skipped)] &= !Self::bit(skipped));
                self.highest = Some(index);
            }
            _ => {
                self.bits = [0; WORDS];
                self.highest = Some(index);
            }
        }
        self.bits[Self::word(index)] |= Self::bit(index);
    }

    fn word(index: u64) -> usize {
        (index % Self::WINDOW / 64) as usize
    }

    fn bit(index: u64) -> u64 {
        1 << (index % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_stands_for_the_nearest_index() {
        let cases: [(&[u16], u16, Option<u64>, &str); 8] = [
            (&[], 40_000, Some(40_000), "the first one has no rollover behind it"),
            (&[7], 8, Some(8), "the next"),
            (&[7], 5, Some(5), "one that was overtaken"),
            (&[7], 65_535, None, "before the start there is nothing"),
            (&[65_535], 0, Some(65_536), "a wrap"),
            (&[65_534, 1], 65_535, Some(65_535), "overtaken by a wrap"),
            (&[65_534, 1], 2, Some(65_538), "and on"),
            (&[0, 30_000, 60_000, 20_000], 50_000, Some(115_536), "a whole round"),
        ];
        for (taken, sequence, expected, why) in cases {
            let mut used = Used::<16>::default();
            for number in taken {
                used.take(used.index_of(*number).unwrap());
            }
            assert_eq!(used.index_of(sequence), expected, "{why}");
        }
        let mut last = Used::<16>::default();
        last.take(END - 1);
        assert_eq!(last.index_of(0), None, "the keys are used up");
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(-150i64..150, 1..400)) {
            let (mut used, mut set, mut at) = (Used::<2>::default(), std::collections::BTreeSet::new(), 10_000i64);
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let newest = set.last().copied().unwrap_or(0);
                let free = !set.contains(&index) && (index > newest || newest - index < 128);
                prop_assert_eq!(used.is_free(index), free, "{}", index);
                if free {
                    used.take(index);
                    set.insert(index);
                }
                at = at.max(newest as i64 - 200);
            }
        }
    }
}
