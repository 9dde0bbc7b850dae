//! Percentiles of many values in little memory. Owns the buckets: exact below 64, then 32 per power of two, so that a
//! percentile is right to 3 %.

/// Buckets for values of up to 2^40.
const BUCKETS: usize = 64 + 35 * 32;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
    }

    /// The value that this share of all values does not exceed; `None` without values.
    pub(super) fn percentile(&self, share: f64) -> Option<u64> {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= rank
        };
        let at = self.counts.iter().position(reached)?;
        (self.total > 0).then(|| upper(at))
    }
}

fn bucket(value: u64) -> usize {
    if value < 64 {
        return value as usize;
    }
    let power = value.ilog2() as usize;
    let at = 64 + (power - 6) * 32 + (value >> (power - 5)) as usize - 32;
    at.min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper(at: usize) -> u64 {
    if at < 64 {
        return at as u64;
    }
    let (power, part) = (6 + (at - 64) / 32, (at - 64) % 32);
    ((part as u64 + 33) << (power - 5)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), None);
        for value in 1..=100_000 {
            histogram.add(value);
        }
        for (share, expected) in [(0.0, 1), (0.5, 50_000), (0.99, 99_000), (1.0, 100_000)] {
            let got = histogram.percentile(share).unwrap();
            assert!(got >= expected && got <= expected + expected / 30, "{share}: {got}");
        }
        for value in [0, 63, 64, 65, 1_000, 123_456_789, 1 << 39] {
            let top = upper(bucket(value));
            assert!(top >= value && top <= value + value / 30, "{value}: {top}");
        }
    }
}
