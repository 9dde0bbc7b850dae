//! The one source of chance in a run: a seeded xorshift generator and the few distributions that the links need.
//!
//! Owned here instead of taken from a crate because a run must give the same bytes for ever: a generator whose
//! stream changes with a library's version would silently move every score of the table.

/// A xorshift64* generator (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `seed` and `stream`. Different streams of one seed are unrelated, so that one part of a run
    /// which draws more often does not move the draws of another.
    pub fn new(seed: u64, stream: u64) -> Self {
        // SplitMix64 turns neighbouring seeds into distant states; xorshift alone would not.
        let mut z =
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)).max(1))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        // 53 bits fill the mantissa exactly.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`. Draws nothing for a `p` of zero.
    pub fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.unit() < p
    }

    /// A whole number below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        // The product with a unit fraction is below `n`, so the cast only drops the fraction.
        ((self.unit() * n as f64) as usize).min(n - 1)
    }

    /// Exponential with that mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Normal with mean zero, as the sum of twelve uniforms: additions only, so that the result does not depend on
    /// a platform's mathematical library. Never beyond six deviations.
    pub fn normal(&mut self, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        (sum - 6.0) * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(7, 1);
        let n = 200_000;
        let check = |name: &str, mean: f64, expected: f64, tolerance: f64| {
            assert!((mean - expected).abs() < tolerance, "{name}: {mean} instead of {expected}");
        };
        let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).sum::<f64>() / f64::from(n);
        check("uniform", mean(&mut || rng.unit()), 0.5, 0.005);
        check("exponential", mean(&mut || rng.exponential(3.0)), 3.0, 0.05);
        check("normal", mean(&mut || rng.normal(5.0)), 0.0, 0.05);
        check("variance", mean(&mut || rng.normal(5.0).powi(2)), 25.0, 0.4);
        check("chance", mean(&mut || f64::from(u8::from(rng.chance(0.1)))), 0.1, 0.005);
    }

    #[test]
    fn streams_and_seeds_differ_and_repeat() {
        let draw = |seed, stream| Rng::new(seed, stream).next_u64();
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
        assert_ne!(draw(0, 0), 0, "the all-zero state would stay there for ever");
    }
}
