//! Round-trip time from feedback. Owns the smoothed, the least and the greatest value; knows nothing of rates.

use std::time::Duration;

use units::Timestamp;

/// Never below this: a loopback round trip would make every gain that divides by it explode.
const FLOOR: Duration = Duration::from_millis(1);
/// Ten seconds of minima and maxima, in buckets of two.
const BUCKET: Duration = Duration::from_secs(2);
const BUCKETS: usize = 5;

/// Round-trip time of one path.
#[derive(Clone, Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    buckets: [Option<(Duration, Duration)>; BUCKETS],
    current: u64,
}

impl Rtt {
    /// Assumed until the first sample: a continent away.
    const INITIAL: Duration = Duration::from_millis(100);

    pub(crate) const fn new() -> Self {
        Self { smoothed: None, buckets: [None; BUCKETS], current: 0 }
    }

    pub(crate) fn on_sample(&mut self, now: Timestamp, rtt: Duration) {
        let rtt = rtt.max(FLOOR);
        // RFC 6298 §2.3: a gain of an eighth.
        self.smoothed = Some(self.smoothed.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8));
        let bucket = now.as_micros() / BUCKET.as_micros() as u64;
        for passed in self.current + 1..=bucket.min(self.current + BUCKETS as u64) {
            self.buckets[passed as usize % BUCKETS] = None;
        }
        self.current = self.current.max(bucket);
        let entry = &mut self.buckets[bucket as usize % BUCKETS];
        *entry = Some(entry.map_or((rtt, rtt), |(min, max)| (min.min(rtt), max.max(rtt))));
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(Self::INITIAL)
    }

    /// `None` before the first sample.
    pub(crate) fn min(&self) -> Option<Duration> {
        self.buckets.iter().flatten().map(|(min, _)| *min).min()
    }

    pub(crate) fn max(&self) -> Duration {
        self.buckets.iter().flatten().map(|(_, max)| *max).max().unwrap_or(Self::INITIAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minima_are_forgotten_after_ten_seconds() {
        let mut rtt = Rtt::new();
        rtt.on_sample(Timestamp::from_secs(1), Duration::from_millis(20));
        for second in 2..9 {
            rtt.on_sample(Timestamp::from_secs(second), Duration::from_millis(80));
        }
        assert_eq!((rtt.min(), rtt.max()), (Some(Duration::from_millis(20)), Duration::from_millis(80)));
        rtt.on_sample(Timestamp::from_secs(13), Duration::from_millis(90));
        assert_eq!(rtt.min(), Some(Duration::from_millis(80)));
        rtt.on_sample(Timestamp::from_secs(1_000), Duration::ZERO);
        assert_eq!((rtt.min(), rtt.max()), (Some(FLOOR), FLOOR), "a long silence forgets all");
    }
}
