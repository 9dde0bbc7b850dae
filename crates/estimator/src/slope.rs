//! The delay's slope: packets to groups, groups to a trend, the trend against an adaptive threshold.
//!
//! Implements the arrival-time filter and over-use detector of draft-ietf-rmcat-gcc-02 §4 and §5 with the least-squares
//! trend that replaced its Kalman filter in practice. The primary signal of the reference mode; ours uses it for the
//! early onset of congestion only, since a full queue has no slope.

use units::Timestamp;

/// A group is what was sent within this, µs.
const GROUP_SPAN: i64 = 5_000;
/// Packets that arrive within this of each other, faster than they were sent, belong together (a radio's burst), µs.
const BURST_GAP: i64 = 5_000;
/// But a burst lasts no longer than this, µs.
const BURST_SPAN: i64 = 100_000;
/// Arrival this far ahead of local time is a jump of the remote clock, µs.
const CLOCK_JUMP: i64 = 3_000_000;
/// Groups that arrive before their predecessor, in a row, until everything starts anew.
const REORDERED_GROUPS: u32 = 3;
/// A pause of the sender this long says nothing about the path, µs.
const SEND_PAUSE: i64 = 100_000;

/// Groups in the trend.
const WINDOW: usize = 20;
/// Smoothing of the accumulated delay.
const SMOOTHING: f64 = 0.9;
/// The trend is a small number; times this and the number of groups it compares with milliseconds.
const GAIN: f64 = 4.0;
const GAIN_GROUPS: u32 = 60;
/// The threshold, ms: start and bounds.
const THRESHOLD: f64 = 12.5;
const THRESHOLD_BOUNDS: (f64, f64) = (6.0, 600.0);
/// Its gains per ms, upwards and downwards.
const ADAPT: (f64, f64) = (0.0087, 0.039);
/// A trend this far over the threshold does not move it, ms.
const ADAPT_WITHIN: f64 = 15.0;
/// Over-use must last this long, ms.
const OVERUSE_TIME: f64 = 10.0;

/// What the slope says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Level.
    #[default]
    Normal,
    /// Rising: more is sent than gets through.
    Over,
    /// Falling: a queue is emptying.
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// The detector of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slope {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u32,
    trend: Trend,
}

impl Slope {
    /// A packet arrived; in order of arrival. Times in µs, each of its own clock. `now` tells remote jumps from pauses.
    pub(crate) fn on_packet(&mut self, now: Timestamp, sent: Timestamp, arrival: i64) {
        let sent = i64::try_from(sent.as_micros()).unwrap_or(i64::MAX);
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let Some(group) = self.current.as_mut() else {
            self.current = Some(Group::new(sent, arrival));
            return;
        };
        if sent < group.first_sent {
            // Of an older group: reordered on the path.
            return;
        }
        if group.takes(sent, arrival) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrival = group.last_arrival.max(arrival);
            return;
        }
        let complete = std::mem::replace(group, Group::new(sent, arrival));
        if let Some(previous) = self.previous.replace(complete) {
            self.on_group(now, previous, complete);
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.trend.usage
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn on_group(&mut self, now: i64, previous: Group, group: Group) {
        let send_delta = group.last_sent - previous.last_sent;
        let arrival_delta = group.last_arrival - previous.last_arrival;
        if arrival_delta < 0 {
            self.reordered += 1;
            if self.reordered >= REORDERED_GROUPS {
                self.reset();
            }
            return;
        }
        self.reordered = 0;
        if arrival_delta - send_delta > CLOCK_JUMP.max(now - group.last_sent) {
            self.reset();
            return;
        }
        if send_delta > SEND_PAUSE && self.trend.points.count == 0 {
            return;
        }
        self.trend.on_delta(send_delta as f64 / 1_000.0, arrival_delta as f64 / 1_000.0, group.last_arrival);
    }
}

impl Group {
    fn new(sent: i64, arrival: i64) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrival: arrival, last_arrival: arrival }
    }

    fn takes(&self, sent: i64, arrival: i64) -> bool {
        if sent - self.first_sent <= GROUP_SPAN {
            return true;
        }
        let arrival_delta = arrival - self.last_arrival;
        let propagation_delta = arrival_delta - (sent - self.last_sent);
        propagation_delta < 0 && arrival_delta <= BURST_GAP && arrival - self.first_arrival < BURST_SPAN
    }
}

/// The last points of the trend, in no order: a sum has none.
#[derive(Clone, Copy, Debug, Default)]
struct Points {
    points: [(f64, f64); WINDOW],
    /// All that there ever were.
    count: usize,
}

impl Points {
    fn push(&mut self, x: f64, y: f64) {
        self.points[self.count % WINDOW] = (x, y);
        self.count += 1;
    }

    /// Least squares, once there are enough of them. In one pass: this is the dearest thing that is done per group.
    fn slope(&self) -> Option<f64> {
        if self.count < WINDOW {
            return None;
        }
        // Differences against one of them: what is squared must stay small.
        let (x0, y0) = self.points[0];
        let (mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in self.points {
            let (x, y) = (x - x0, y - y0);
            (sx, sy, sxx, sxy) = (sx + x, sy + y, sxx + x * x, sxy + x * y);
        }
        let n = WINDOW as f64;
        let spread = n * sxx - sx * sx;
        Some(if spread > 0.0 { (n * sxy - sx * sy) / spread } else { 0.0 })
    }
}

#[derive(Clone, Debug)]
struct Trend {
    points: Points,
    groups: u32,
    first_arrival: Option<i64>,
    accumulated: f64,
    smoothed: f64,
    threshold: f64,
    last_adapted: Option<i64>,
    over_for: Option<f64>,
    over_count: u32,
    previous: f64,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            points: Points::default(),
            groups: 0,
            first_arrival: None,
            accumulated: 0.0,
            smoothed: 0.0,
            threshold: THRESHOLD,
            last_adapted: None,
            over_for: None,
            over_count: 0,
            previous: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    /// One pair of groups: deltas in ms, the later one's arrival in µs.
    fn on_delta(&mut self, send: f64, arrival: f64, at: i64) {
        self.groups = (self.groups + 1).min(1_000);
        let first = *self.first_arrival.get_or_insert(at);
        self.accumulated += arrival - send;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.points.push((at - first) as f64 / 1_000.0, self.smoothed);
        let trend = self.points.slope().unwrap_or(self.previous);
        self.detect(trend, send, at);
    }

    fn detect(&mut self, trend: f64, send: f64, at: i64) {
        if self.groups < 2 {
            self.usage = Usage::Normal;
            return;
        }
        let modified = f64::from(self.groups.min(GAIN_GROUPS)) * trend * GAIN;
        if modified > self.threshold {
            let over = self.over_for.map_or(send / 2.0, |time| time + send);
            self.over_for = Some(over);
            self.over_count += 1;
            if over > OVERUSE_TIME && self.over_count > 1 && trend >= self.previous {
                (self.over_for, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_for, self.over_count) = (None, 0);
            self.usage = if modified < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.previous = trend;
        self.adapt(modified, at);
    }

    fn adapt(&mut self, modified: f64, at: i64) {
        let last = self.last_adapted.replace(at).unwrap_or(at);
        if modified.abs() > self.threshold + ADAPT_WITHIN {
            return;
        }
        let gain = if modified.abs() < self.threshold { ADAPT.1 } else { ADAPT.0 };
        let dt = ((at - last) as f64 / 1_000.0).clamp(0.0, 100.0);
        self.threshold += gain * (modified.abs() - self.threshold) * dt;
        self.threshold = self.threshold.clamp(THRESHOLD_BOUNDS.0, THRESHOLD_BOUNDS.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Frames of three packets each 33 ms; the delay of frame `n` is `delay_us(n)`.
    fn usages(frames: u64, delay_us: impl Fn(u64) -> i64) -> Vec<Usage> {
        let mut slope = Slope::default();
        let mut seen = Vec::new();
        for frame in 0..frames {
            for packet in 0..3 {
                let sent = Timestamp::from_micros(1_000_000 + frame * 33_000 + packet * 1_000);
                slope.on_packet(sent, sent, sent.as_micros() as i64 + delay_us(frame) + 5_000_000_000);
            }
            seen.push(slope.usage());
        }
        seen
    }

    #[test]
    fn tells_rising_falling_and_level() {
        type Path<'a> = &'a dyn Fn(u64) -> i64;
        let cases: [(Path<'_>, Usage, &str); 4] = [
            (&|_| 50_000, Usage::Normal, "level"),
            (&|n| 50_000 + n as i64 * 4_000, Usage::Over, "12 % over capacity"),
            (&|n| 500_000 - n as i64 * 4_000, Usage::Under, "draining"),
            (&|n| 50_000 + (n % 3) as i64 * 2_000, Usage::Normal, "noise"),
        ];
        for (delay, expected, why) in cases {
            let seen = usages(60, delay);
            assert!(seen.contains(&expected), "{why}: {seen:?}");
            if expected == Usage::Normal {
                assert!(seen.iter().all(|usage| *usage == Usage::Normal), "{why}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_full_queue_has_no_slope() {
        let seen = usages(200, |n| 50_000 + n.min(60) as i64 * 5_000);
        assert_eq!(seen.last(), Some(&Usage::Normal), "300 ms stand, and this detector cannot see them");
    }

    proptest! {
        #[test]
        fn any_times_in_any_order(packets in proptest::collection::vec((any::<u32>(), any::<i32>()), 0..300)) {
            let mut slope = Slope::default();
            for (sent, arrival) in packets {
                let sent = Timestamp::from_micros(u64::from(sent));
                slope.on_packet(sent, sent, i64::from(arrival));
                prop_assert!(slope.trend.threshold.is_finite() && slope.trend.previous.is_finite());
            }
        }
    }
}
