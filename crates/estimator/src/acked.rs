//! How much per time: byte counts over sliding windows, on the sender's or on the receiver's clock.
//!
//! Owns the windowed rate that everything else is built on (what arrived, what was sent, what of it was media) and the
//! slow filter of the reference mode. Leaves it to the controller which window to ask for.
//!
//! A rate over arrivals leaves the first packet's own size out: its transmission ended when the window's span began.
//! Packets are kept in buckets of 20 ms, so memory and cost do not depend on the rate.

/// Width of a bucket, µs.
const BUCKET: i64 = 20_000;
/// Buckets kept: 2.56 s, more than the longest window and one round trip.
const COUNT: usize = 128;

/// One bucket in 28 bytes. Times are offsets from its start; sums are of everything before it and wrap.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Low bits of the number of its 20 ms: unambiguous for a year each way.
    slot: i32,
    bytes: u32,
    bytes_before: u32,
    packets_before: u32,
    first_size: u32,
    first: u16,
    last: u16,
    /// Zero: an empty bucket.
    packets: u16,
}

const NONE: Bucket = Bucket {
    slot: 0,
    bytes: 0,
    bytes_before: 0,
    packets_before: 0,
    first_size: 0,
    first: 0,
    last: 0,
    packets: 0,
};

/// Bytes over time, for windows up to two and a half seconds. Empty until the first packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    buckets: Vec<Bucket>,
    newest: Option<i64>,
    newest_slot: i64,
    oldest: i64,
    /// Of everything so far, wrapping.
    bytes: u32,
    packets: u32,
}

/// What a window held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// All bytes in it.
    pub(crate) bytes: u64,
    /// Bytes after its first packet.
    pub(crate) bytes_after_first: u64,
    /// From its first to its last packet, µs.
    pub(crate) span: i64,
    /// Packets in it.
    pub(crate) packets: u32,
}

impl Window {
    /// The rate between the first and the last packet, bit/s. `None` when there are too few to tell.
    pub(crate) fn rate(self) -> Option<f64> {
        (self.packets >= 3 && self.span >= 5_000)
            .then(|| self.bytes_after_first as f64 * 8e6 / self.span as f64)
    }
}

impl Meter {
    /// Counts `bytes` at `time` (µs, any clock that this meter keeps to). Older than the windows: not counted.
    pub(crate) fn add(&mut self, time: i64, bytes: u32) {
        if self.buckets.is_empty() {
            self.buckets = vec![NONE; COUNT];
            self.oldest = time;
            self.newest_slot = i64::MIN;
        }
        // Nearly always the newest bucket goes on, and this is asked three times per packet.
        if self.newest.is_some_and(|newest| time >= newest) && time - self.newest_slot * BUCKET < BUCKET {
            let bucket = &mut self.buckets[index(self.newest_slot)];
            bucket.bytes = bucket.bytes.saturating_add(bytes);
            bucket.packets = bucket.packets.saturating_add(1);
            bucket.last = (time - self.newest_slot * BUCKET) as u16;
            self.bytes = self.bytes.wrapping_add(bytes);
            self.packets = self.packets.wrapping_add(1);
            self.newest = Some(time);
            return;
        }
        let slot = time.div_euclid(BUCKET);
        let newest = self.newest_slot.max(slot);
        if newest - slot >= COUNT as i64 {
            return;
        }
        // What comes late shifts the sums of all that was counted for later times.
        let mut before = (self.bytes, self.packets);
        for later in slot + 1..=newest {
            if let Some(bucket) = self.bucket_mut(later) {
                before = (bucket.bytes_before, bucket.packets_before);
                bucket.bytes_before = bucket.bytes_before.wrapping_add(bytes);
                bucket.packets_before = bucket.packets_before.wrapping_add(1);
            }
        }
        let offset = (time - slot * BUCKET) as u16;
        if let Some(bucket) = self.bucket_mut(slot) {
            bucket.bytes = bucket.bytes.saturating_add(bytes);
            bucket.packets = bucket.packets.saturating_add(1);
            if offset < bucket.first {
                (bucket.first, bucket.first_size) = (offset, bytes);
            }
            bucket.last = bucket.last.max(offset);
        } else {
            self.buckets[index(slot)] = Bucket {
                slot: slot as i32,
                bytes,
                bytes_before: before.0,
                packets_before: before.1,
                first_size: bytes,
                first: offset,
                last: offset,
                packets: 1,
            };
        }
        self.bytes = self.bytes.wrapping_add(bytes);
        self.packets = self.packets.wrapping_add(1);
        self.newest = self.newest.max(Some(time));
        self.newest_slot = newest;
    }

    /// The newest packet's time.
    #[cfg(test)]
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// What the `window` µs up to `end` held. Never reaches back beyond 2.5 s.
    pub(crate) fn window(&self, end: i64, window: i64) -> Window {
        self.between(end, window).unwrap_or(Window { bytes: 0, bytes_after_first: 0, span: 0, packets: 0 })
    }

    fn between(&self, end: i64, window: i64) -> Option<Window> {
        self.newest?;
        let newest = self.newest_slot;
        let to = end.div_euclid(BUCKET).min(newest);
        let from = (end.saturating_sub(window).div_euclid(BUCKET) + 1).max(newest - COUNT as i64 + 1);
        // Only the ends are looked at: what lies between them is in the sums.
        let (first_slot, first) = (from..=to).find_map(|slot| Some((slot, self.bucket(slot)?)))?;
        let (last_slot, last) = (first_slot..=to).rev().find_map(|slot| Some((slot, self.bucket(slot)?)))?;
        let bytes = last.bytes_before.wrapping_add(last.bytes).wrapping_sub(first.bytes_before);
        let packets = last.packets_before.wrapping_add(u32::from(last.packets));
        let begin = first_slot * BUCKET + i64::from(first.first);
        Some(Window {
            bytes: u64::from(bytes),
            bytes_after_first: u64::from(bytes.saturating_sub(first.first_size)),
            span: last_slot * BUCKET + i64::from(last.last) - begin,
            packets: packets.wrapping_sub(first.packets_before),
        })
    }

    fn bucket(&self, slot: i64) -> Option<&Bucket> {
        let bucket = &self.buckets[index(slot)];
        (bucket.packets > 0 && bucket.slot == slot as i32).then_some(bucket)
    }

    fn bucket_mut(&mut self, slot: i64) -> Option<&mut Bucket> {
        let bucket = &mut self.buckets[index(slot)];
        (bucket.packets > 0 && bucket.slot == slot as i32).then_some(bucket)
    }

    /// Rate between first and last packet of the `window` µs before the newest packet, bit/s.
    pub(crate) fn recent(&self, window: i64) -> Option<f64> {
        self.window(self.newest?, window).rate()
    }

    /// Bytes of the `window` µs up to `end` as a rate over the whole window, bit/s: idle time counts. A window that
    /// reaches back before the first packet is shortened to begin with it.
    pub(crate) fn average(&self, end: i64, window: i64) -> f64 {
        let window = window.min(end - self.oldest).max(100_000);
        self.window(end, window).bytes as f64 * 8e6 / window as f64
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(COUNT as i64) as usize
}

/// The acknowledged rate as the reference mode filters it: short samples, weighed by how far they lie from what is
/// believed, so that one burst does not count for much.
#[derive(Clone, Debug, Default)]
pub(crate) struct SteadyRate {
    start: Option<i64>,
    bytes: u64,
    estimate: Option<f64>,
    variance: f64,
}

impl SteadyRate {
    /// Window of a sample, µs; the first one is longer, as nothing is there to weigh it against.
    const WINDOW: i64 = 150_000;
    const FIRST_WINDOW: i64 = 500_000;

    /// A packet arrived. `limited`: the sender does not use what it has, so a low sample means little.
    pub(crate) fn on_packet(&mut self, arrival: i64, bytes: u32, limited: bool) {
        let start = *self.start.get_or_insert(arrival);
        let window = if self.estimate.is_none() { Self::FIRST_WINDOW } else { Self::WINDOW };
        if arrival < start || arrival - start > 4 * window {
            // The clock jumped, or a silence: a sample across it would be of nothing.
            (self.start, self.bytes) = (Some(arrival), 0);
        } else if arrival - start >= window {
            self.update(self.bytes as f64 * 8e6 / (arrival - start) as f64, limited);
            (self.start, self.bytes) = (Some(arrival), 0);
        }
        self.bytes += u64::from(bytes);
    }

    /// The filtered rate, bit/s.
    pub(crate) fn get(&self) -> Option<f64> {
        self.estimate
    }

    fn update(&mut self, sample: f64, limited: bool) {
        let Some(estimate) = self.estimate else {
            (self.estimate, self.variance) = (Some(sample), 50.0);
            return;
        };
        // Uncertainty in per cent of the estimate, larger for samples below it while the sender holds back.
        let scale = if limited && sample < estimate { 20.0 } else { 10.0 };
        let uncertainty =
            scale * (estimate - sample).abs() / (estimate + 25_000.0_f64.min(estimate)).max(1.0);
        let sample_variance = uncertainty * uncertainty;
        let predicted = self.variance + 5.0;
        let next = (sample_variance * estimate + predicted * sample) / (sample_variance + predicted);
        self.variance = sample_variance * predicted / (sample_variance + predicted);
        self.estimate = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_steady_stream_has_its_rate_in_every_window() {
        let mut meter = Meter::default();
        // 1 000 bytes each 4 ms: 2 Mbit/s.
        for n in 0..500 {
            meter.add(-600_000 + n * 4_000, 1_000);
        }
        for window in [150_000, 300_000, 500_000, 1_000_000] {
            let rate = meter.recent(window).unwrap();
            assert!((rate - 2e6).abs() < 2e4, "{window} µs: {rate}");
            let average = meter.average(meter.newest().unwrap(), window);
            assert!((average - 2e6).abs() < 0.25e6, "{window} µs: {average}");
        }
        assert!(meter.heap_bytes() <= 4_096, "{}", meter.heap_bytes());
    }

    #[test]
    fn bursts_do_not_bias_a_busy_link() {
        let mut meter = Meter::default();
        // Frames of five packets leave each 33 ms; the link needs 33 ms for them: it never rests.
        for n in 0..300 {
            meter.add(n * 6_600, 1_200);
        }
        let rate = meter.recent(300_000).unwrap();
        assert!((rate - 1_200.0 * 8e6 / 6_600.0).abs() < 1e4, "{rate}");
    }

    #[test]
    fn too_little_is_not_a_rate() {
        let mut meter = Meter::default();
        assert_eq!(meter.recent(300_000), None);
        meter.add(0, 1_000);
        meter.add(100, 1_000);
        assert_eq!(meter.recent(300_000), None, "two packets");
        meter.add(200, 1_000);
        assert_eq!(meter.recent(300_000), None, "three packets in 0.2 ms");
    }

    #[test]
    fn the_steady_rate_ignores_one_wild_sample() {
        let mut steady = SteadyRate::default();
        for n in 0..1_000 {
            steady.on_packet(n * 4_000, 1_000, false);
        }
        let before = steady.get().unwrap();
        steady.on_packet(4_150_000, 40_000, false);
        steady.on_packet(4_300_000, 1_000, false);
        let after = steady.get().unwrap();
        assert!((before - 2e6).abs() < 5e4 && (after - before).abs() < 0.2e6, "{before} {after}");
    }

    proptest! {
        #[test]
        fn any_clock_any_size(times in proptest::collection::vec((any::<i32>(), 0u32..70_000), 1..200), end: i32, window in 0i64..5_000_000) {
            let mut meter = Meter::default();
            for (time, size) in times {
                meter.add(i64::from(time), size);
            }
            let held = meter.window(i64::from(end), window);
            prop_assert!(held.bytes_after_first <= held.bytes && held.span >= 0);
            prop_assert!(meter.average(i64::from(end), window) >= 0.0);
        }
    }
}
