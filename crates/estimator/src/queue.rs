//! How long the queue on the path is, in milliseconds, and how long it may be before it means something.
//!
//! Owns the base delay, the clock skew, the queue above the base and the threshold that adapts to the path's noise,
//! and what our own bursts explain of it. The primary signal: unlike a slope it sees a queue that stands still.
//!
//! One-way delay is `arrival - sent` with whatever offset the two clocks have; only differences are used. The queue is
//! the *least* delay over a short window of arrivals less the least over half a minute: a least value is blind to
//! jitter and to the packets of one frame standing behind each other, and not to a queue that stands.

use std::collections::VecDeque;

use units::{DataSize, Timestamp};

/// Base: 15 buckets of 2 s.
const BASE_BUCKET: i64 = 2_000_000;
const BASE_BUCKETS: usize = 15;
/// The queue is the least delay over this much of arrivals, µs, and over so many packets.
const WINDOW: i64 = 60_000;
const WINDOW_PACKETS: u32 = 5;
/// But never further back than this: on a slow link five packets are a second.
const WINDOW_MAX: i64 = 400_000;
/// Samples kept. Packets within a millisecond share one, so this spans the window at any rate.
const SAMPLES: usize = 64;
/// The queue's past, one entry per report, for whoever asks how it moved.
const PAST: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Sample {
    arrival: i64,
    delay: i64,
    packets: u32,
}

/// The queue of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    base: [Option<i64>; BASE_BUCKETS],
    base_slot: i64,
    samples: VecDeque<Sample>,
    past: VecDeque<(Timestamp, f32)>,
    skew: Skew,
    current: Option<f64>,
    noise: f64,
}

/// The span of the queue over some time, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The record reaches back over the whole of it.
    pub(crate) whole: bool,
}

impl Queue {
    /// Threshold at rest and its bounds, ms. Below 15 ordinary jitter alarms; above 70 nobody would call it low latency.
    const THRESHOLD: (f64, f64) = (15.0, 70.0);
    /// Above this a queue is no noise to adapt to, ms.
    const ADAPT_BELOW: f64 = 250.0;

    /// A packet arrived; in order of arrival.
    pub(crate) fn on_packet(&mut self, sent: Timestamp, arrival: i64) {
        let sent = i64::try_from(sent.as_micros()).unwrap_or(i64::MAX);
        let delay = arrival.saturating_sub(sent).saturating_sub(self.skew.at(arrival));
        match self.samples.back_mut() {
            Some(last) if arrival.saturating_sub(last.arrival) < 1_000 => {
                last.delay = last.delay.min(delay);
                last.packets += 1;
            }
            _ => {
                if self.samples.len() == SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample { arrival, delay, packets: 1 });
            }
        }
        let slot = arrival.div_euclid(BASE_BUCKET);
        // What was seen last is in the newest bucket, so without that there is none at all.
        if self.base[index(self.base_slot)].is_none() {
            self.base_slot = slot;
        }
        if slot > self.base_slot {
            self.skew.on_bucket(self.base_slot, self.base[index(self.base_slot)], self.current);
            for passed in (self.base_slot + 1..=slot).take(BASE_BUCKETS) {
                self.base[index(passed)] = None;
            }
            // A jump over everything must not leave an empty base behind: the last delay is all there is.
            self.base_slot = slot;
        }
        let bucket = &mut self.base[index(slot.max(self.base_slot))];
        *bucket = Some(bucket.map_or(delay, |base| base.min(delay)));
    }

    /// After the packets of one report: the queue now, ms.
    pub(crate) fn update(&mut self, now: Timestamp, dt: f64) -> Option<f64> {
        let newest = self.samples.back()?.arrival;
        let (mut least, mut packets) = (i64::MAX, 0);
        for sample in self.samples.iter().rev() {
            let age = newest.saturating_sub(sample.arrival);
            if age > WINDOW_MAX || (age > WINDOW && packets >= WINDOW_PACKETS) {
                break;
            }
            least = least.min(sample.delay);
            packets += sample.packets;
        }
        let queue = least.saturating_sub(self.base()?).max(0) as f64 / 1_000.0;
        if queue < Self::ADAPT_BELOW {
            let threshold = self.threshold();
            let gain = if queue > threshold { 0.25 } else { 0.12 };
            self.noise =
                (threshold + (queue - threshold) * dt * gain).clamp(Self::THRESHOLD.0, Self::THRESHOLD.1);
        }
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back((now, queue as f32));
        self.current = Some(queue);
        self.current
    }

    /// The queue at the last report, ms. `None` before the first.
    pub(crate) fn current(&self) -> Option<f64> {
        self.current
    }

    /// Above this a queue is more than the path's noise, ms.
    pub(crate) fn threshold(&self) -> f64 {
        self.noise.max(Self::THRESHOLD.0)
    }

    /// Least and greatest queue since `from`, ms.
    pub(crate) fn since(&self, from: Timestamp) -> Option<Span> {
        let mut span: Option<Span> = None;
        for (at, queue) in self.past.iter().rev().map(|(at, queue)| (*at, f64::from(*queue))) {
            let Some(known) = span.as_mut() else {
                span = Some(Span { min: queue, max: queue, whole: at <= from });
                continue;
            };
            known.whole = at <= from;
            if at < from {
                break;
            }
            (known.min, known.max) = (known.min.min(queue), known.max.max(queue));
        }
        span
    }

    /// The path became longer: what looked like a queue of at least `queue` ms is distance.
    pub(crate) fn rebase(&mut self, queue: f64) {
        let Some(base) = self.base() else { return };
        let base = base + (queue * 1_000.0) as i64;
        self.base = [None; BASE_BUCKETS];
        self.base[index(self.base_slot)] = Some(base);
        self.skew.forget();
        self.past.clear();
        self.current = Some(0.0);
    }

    /// Another path: nothing of this one holds.
    pub(crate) fn reset(&mut self) {
        *self = Self { samples: std::mem::take(&mut self.samples), ..Self::default() };
        self.samples.clear();
        self.past.clear();
    }

    fn base(&self) -> Option<i64> {
        self.base.iter().flatten().min().copied()
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>() + self.past.capacity() * size_of::<(Timestamp, f32)>()
    }
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(BASE_BUCKETS as i64) as usize
}

/// The receiver's clock against ours. 100 ppm is 6 ms in a minute: enough to look like a queue that never leaves.
#[derive(Clone, Debug, Default)]
struct Skew {
    /// Microseconds per microsecond.
    rate: f64,
    /// The correction at `anchor`, µs.
    offset: f64,
    anchor: i64,
    /// Least delays of calm buckets: slot and delay.
    calm: VecDeque<(i64, i64)>,
}

impl Skew {
    /// A minute of buckets.
    const BUCKETS: usize = 30;
    /// Fit from this many calm ones on.
    const ENOUGH: usize = 20;
    /// Smaller is not worth a correction; larger is no clock.
    const BOUNDS: (f64, f64) = (20e-6, 500e-6);
    /// A bucket is calm with a queue below this, ms.
    const CALM: f64 = 5.0;

    /// What to subtract from a delay at this arrival, µs.
    fn at(&self, arrival: i64) -> i64 {
        (self.offset + self.rate * arrival.saturating_sub(self.anchor) as f64) as i64
    }

    /// A base bucket is complete.
    fn on_bucket(&mut self, slot: i64, least: Option<i64>, queue: Option<f64>) {
        let (Some(least), Some(..Self::CALM)) = (least, queue) else { return };
        if self.calm.len() == Self::BUCKETS {
            self.calm.pop_front();
        }
        self.calm.push_back((slot, least));
        let Some(&(first, _)) = self.calm.front().filter(|_| self.calm.len() >= Self::ENOUGH) else { return };
        let slope =
            slope(self.calm.iter().map(|(s, d)| ((s - first) as f64 * BASE_BUCKET as f64, *d as f64)));
        if slope.abs() < Self::BOUNDS.0 || slope.abs() > Self::BOUNDS.1 {
            return;
        }
        // Continuous here: the correction turns at this bucket, and what was collected is of the old one.
        let now = (slot + 1) * BASE_BUCKET;
        self.offset = self.at(now) as f64;
        self.anchor = now;
        self.rate = (self.rate + slope).clamp(-Self::BOUNDS.1, Self::BOUNDS.1);
        self.calm.clear();
    }

    fn forget(&mut self) {
        self.calm.clear();
    }
}

/// Least squares slope.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (mut n, mut sx, mut sy) = (0.0, 0.0, 0.0);
    for (x, y) in points.clone() {
        (n, sx, sy) = (n + 1.0, sx + x, sy + y);
    }
    let (mx, my) = (sx / n, sy / n);
    let (mut num, mut den) = (0.0, 0.0);
    for (x, y) in points {
        num += (x - mx) * (y - my);
        den += (x - mx) * (x - mx);
    }
    if den == 0.0 { 0.0 } else { num / den }
}

/// A queue of our own making that is no congestion: a key frame sent faster than the path carries it stands in line
/// for a moment. Modelled as a bucket that fills with what is sent and drains a little faster than the target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnBurst {
    bytes: f64,
    at: Timestamp,
}

impl OwnBurst {
    /// Drains at this much of the target.
    const DRAIN: f64 = 1.1;
    /// What every frame explains and the threshold covers already, ms.
    const ORDINARY: f64 = 12.0;
    /// Of the modelled delay, so much is believed.
    const BELIEVED: f64 = 0.9;
    /// Most that is explained, ms: of a sender that uses all it has, and of one that does not.
    const MOST: (f64, f64) = (20.0, 120.0);

    /// A packet left. The burst in front of it and with it, bytes. Called per packet, so in floating point.
    pub(crate) fn on_sent(&mut self, now: Timestamp, size: DataSize, target_bps: f64) -> u64 {
        let drained = Self::DRAIN * target_bps / 8e6
            * (now.as_micros() - self.at.as_micros().min(now.as_micros())).cast_signed() as f64;
        self.at = now;
        self.bytes = (self.bytes - drained).max(0.0) + size.as_bytes() as f64;
        self.bytes as u64
    }

    /// What a burst of `bytes` explains of a queue, ms, at a target of `target_bps`.
    pub(crate) fn explains(bytes: u32, target_bps: f64, application_limited: bool) -> f64 {
        let most = if application_limited { Self::MOST.1 } else { Self::MOST.0 };
        let modelled = f64::from(bytes) * 8_000.0 / target_bps.max(1.0);
        ((modelled - Self::ORDINARY) * Self::BELIEVED).clamp(0.0, most)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
