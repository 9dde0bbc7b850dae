//! A fingerprint of everything a node said, to tell two runs apart.
//!
//! Owned here because it must be cheap (a run puts out gigabytes) and the same for ever; it need not resist
//! anybody.

/// Two lanes of multiply and rotate over 64-bit words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    lanes: [u64; 2],
}

impl Default for Digest {
    fn default() -> Self {
        Self { lanes: [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f] }
    }
}

impl Digest {
    /// Takes bytes in. Their number counts, so that two pieces are told from one.
    pub fn add(&mut self, bytes: &[u8]) {
        self.add_word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add_word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add_word(u64::from_le_bytes(last));
    }

    /// Takes one number in.
    pub fn add_word(&mut self, word: u64) {
        let [a, b] = &mut self.lanes;
        *a = (*a ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(31);
        *b = (b.rotate_left(23) ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        *b ^= *b >> 29;
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:016x}{:016x}", self.lanes[0], self.lanes[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_every_border_counts() {
        let of = |pieces: &[&[u8]]| {
            let mut digest = Digest::default();
            pieces.iter().for_each(|piece| digest.add(piece));
            digest.hex()
        };
        let base = of(&[b"0123456789"]);
        assert_eq!(base, of(&[b"0123456789"]));
        assert_eq!(base.len(), 32);
        for other in [
            of(&[b"0123456788"]),
            of(&[b"1123456789"]),
            of(&[b"01234567", b"89"]),
            of(&[b"0123456789", b""]),
            of(&[b"0123456789\0"]),
        ] {
            assert_ne!(base, other);
        }
    }
}
