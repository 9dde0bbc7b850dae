//! Bit rate and frame rate of one encoding, per temporal layer: over the last second in which it was sent, and as a rule.
//!
//! Owns the window and the average. Both end at the newest packet, not at the present: what a silent encoding
//! would cost if it came back is what it cost as a rule, and silence must not make it look cheap.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

const BUCKET: Duration = Duration::from_millis(100);
/// A second of whole ones, and the one that is being filled.
const BUCKETS: u64 = 11;
/// A rate over less than this says nothing: a single frame may be a tenth of a second's data.
const SHORTEST: u64 = 3;
/// Readings that the average goes back by: three seconds. A keyframe weighs as much as ten other frames, which
/// is a whole second of a shared screen, and an encoder that is being starved ends with a trickle.
const MEMORY: u32 = 30;

/// Temporal layers that are told apart; what lies above counts to the highest. VP8 has four at most (RFC 7741 §4.2).
pub(crate) const TEMPORAL_LAYERS: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    bytes: [u32; TEMPORAL_LAYERS],
    frames: [u16; TEMPORAL_LAYERS],
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    buckets: [Bucket; BUCKETS as usize],
    /// Number of the first bucket since the stream began or came back, and of the newest.
    span: Option<(u64, u64)>,
    held: [Reading; TEMPORAL_LAYERS],
    usual: Average,
}

/// The mean of the first readings, then one that forgets: bits and frames per second up to each temporal layer.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    readings: u32,
    rates: [(f64, f64); TEMPORAL_LAYERS],
}

impl Average {
    fn add(&mut self, readings: &Readings) {
        self.readings = (self.readings + 1).min(MEMORY);
        let weight = 1.0 / f64::from(self.readings);
        for ((bps, fps), reading) in self.rates.iter_mut().zip(readings) {
            *bps += (reading.bitrate.as_bps() as f64 - *bps) * weight;
            *fps += (f64::from(reading.fps) - *fps) * weight;
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) bitrate: Bitrate,
    /// Frames per second, rounded.
    pub(crate) fps: u32,
}

/// What was measured up to each temporal layer. Those that were not sent read as the one below.
pub(crate) type Readings = [Reading; TEMPORAL_LAYERS];

impl Meter {
    /// A packet of this size and temporal layer arrived; `frame` for the first one of a frame.
    pub(crate) fn add(&mut self, now: Timestamp, bytes: usize, temporal: u8, frame: bool) {
        let at = now.as_micros() / BUCKET.as_micros() as u64;
        let (start, newest) = match self.span {
            Some((start, newest)) if at < newest + BUCKETS => (start, newest),
            _ => {
                self.held = self.read();
                self.buckets = Default::default();
                (at, at)
            }
        };
        for skipped in newest + 1..=at {
            self.buckets[(skipped % BUCKETS) as usize] = Bucket::default();
        }
        self.span = Some((start, at.max(newest)));
        if at > newest && at - start >= SHORTEST {
            self.usual.add(&self.read());
        }
        let bucket = &mut self.buckets[(at.max(newest) % BUCKETS) as usize];
        let layer = usize::from(temporal).min(TEMPORAL_LAYERS - 1);
        bucket.bytes[layer] = bucket.bytes[layer].saturating_add(bytes as u32);
        bucket.frames[layer] = bucket.frames[layer].saturating_add(u16::from(frame));
    }

    /// The rate of all temporal layers; see [`Meter::read`].
    pub(crate) fn total(&self) -> Reading {
        self.read()[TEMPORAL_LAYERS - 1]
    }

    /// The rates up to each temporal layer as a rule: averages over the last seconds in which it was sent.
    pub(crate) fn usual(&self) -> Readings {
        // Frame rates are far below the limits of the type.
        self.usual
            .rates
            .map(|(bps, fps)| Reading { bitrate: Bitrate::from_f64(bps), fps: (fps + 0.5) as u32 })
    }

    /// Whether the average goes as far back as it will ever do.
    pub(crate) fn is_settled(&self) -> bool {
        self.usual.readings == MEMORY
    }

    /// The rates up to each temporal layer, the newest and unfinished tenth of a second left out. An encoding that just
    /// came back still reads as it did before it went.
    pub(crate) fn read(&self) -> Readings {
        let Some((start, newest)) = self.span else { return self.held };
        let whole = (newest - start).min(BUCKETS - 1);
        if whole < SHORTEST {
            return self.held;
        }
        let time = BUCKET * whole as u32;
        let (mut bytes, mut frames) = (0, 0);
        std::array::from_fn(|layer| {
            for bucket in (newest - whole..newest).map(|at| &self.buckets[(at % BUCKETS) as usize]) {
                bytes += u64::from(bucket.bytes[layer]);
                frames += u64::from(bucket.frames[layer]);
            }
            // Rounded to the nearest.
            let fps = (frames * 2_000 + time.as_millis() as u64) / (2 * time.as_millis() as u64);
            Reading { bitrate: DataSize::from_bytes(bytes) / time, fps: fps as u32 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fps` frames of `bytes` each per second over that time, in three temporal layers.
    fn feed(meter: &mut Meter, from_ms: u64, ms: u64, fps: u64, bytes: usize) {
        for frame in 0..ms * fps / 1_000 {
            let temporal = [0, 2, 1, 2][frame as usize % 4];
            let now = Timestamp::from_micros(from_ms * 1_000 + frame * 1_000_000 / fps);
            meter.add(now, bytes, temporal, true);
        }
    }

    #[test]
    fn measures_the_last_second_that_was_sent() {
        let mut meter = Meter::default();
        assert_eq!(meter.read(), Readings::default(), "nothing");
        feed(&mut meter, 0, 200, 30, 1_000);
        assert_eq!(meter.read(), Readings::default(), "too short to say");
        feed(&mut meter, 200, 2_800, 30, 1_000);
        let steady = meter.read();
        for (layer, fps, kbps) in
            [(0, 7..=8, 55..65), (1, 15..=15, 115..125), (2, 30..=30, 230..250), (3, 30..=30, 230..250)]
        {
            let reading = steady[layer];
            assert!(fps.contains(&reading.fps), "up to layer {layer}: {} fps", reading.fps);
            assert!(kbps.contains(&reading.bitrate.as_kbps()), "up to layer {layer}: {}", reading.bitrate);
        }
        meter.add(Timestamp::from_secs(60), 10, 0, true);
        assert_eq!(meter.read(), steady, "held over silence and over the first moment after it");
        feed(&mut meter, 60_100, 1_000, 15, 100);
        assert_eq!(meter.read()[3].fps, 15);
    }

    #[test]
    fn neither_a_keyframe_nor_the_last_breath_makes_the_rule() {
        let mut meter = Meter::default();
        feed(&mut meter, 0, 5_000, 5, 1_000);
        meter.add(Timestamp::from_millis(5_000), 10_000, 0, true);
        feed(&mut meter, 5_200, 400, 5, 1_000);
        let (now, usual) = (meter.total(), meter.usual()[TEMPORAL_LAYERS - 1]);
        assert!(now.bitrate > usual.bitrate * 3 / 2, "{now:?} {usual:?}");
        let mut meter = Meter::default();
        feed(&mut meter, 0, 5_000, 30, 5_000);
        feed(&mut meter, 5_000, 800, 5, 500);
        let (now, usual) = (meter.total(), meter.usual()[TEMPORAL_LAYERS - 1]);
        assert!(usual.fps >= 25 && now.fps < 20, "{now:?} {usual:?}");
    }
}
