//! When the pictures and sounds of an arriving stream were captured, on the node's clock.
//!
//! Owns the mapping of one encoding's RTP timestamps to instants: through the publisher's sender reports (RFC
//! 3550 §6.4.1) where there are any, else through the earliest arrivals, whose error is the difference in
//! delay between encodings. All encodings of a participant share one offset between its wall clock and ours,
//! so that they (and its sound) stay aligned to each other exactly. Leaves outgoing timestamps to
//! `rewrite::time`.
//!
//! Instants made here lie a network delay after the true capture; only differences are ever used.

use std::time::Duration;

use units::{Timestamp, Unwrapper};

/// An arrival minimum is forgotten after one to two of these: long enough to see the path without a queue,
/// short enough for clocks that drift (100 ppm is 0.5 ms in 5 s) or stop while a publisher pauses.
const ARRIVAL_WINDOW: Duration = Duration::from_secs(5);
/// Sender reports come once a second or more rarely, so their minimum needs more time.
const REPORT_WINDOW: Duration = Duration::from_secs(30);
/// A sender report that contradicts arrivals by more is wrong, or belongs to before a pause.
const REPORT_TOLERANCE: i64 = 1_000_000;

/// The minimum of a signal over the last one to two windows. Exact state, no decay constant.
#[derive(Clone, Copy, Debug)]
struct WindowedMin {
    window: Duration,
    started: Timestamp,
    current: Option<i64>,
    previous: Option<i64>,
}

impl WindowedMin {
    const fn new(window: Duration) -> Self {
        Self { window, started: Timestamp::ZERO, current: None, previous: None }
    }

    fn add(&mut self, now: Timestamp, sample: i64) {
        let age = now - self.started;
        if age >= self.window {
            self.previous = self.current.filter(|_| age < self.window * 2);
            self.current = None;
            self.started = now;
        }
        self.current = Some(self.current.map_or(sample, |min| min.min(sample)));
    }

    fn get(&self) -> Option<i64> {
        match (self.current, self.previous) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// How far a participant's wall clock is behind the node's, network delay included, in microseconds.
#[derive(Debug)]
pub(crate) struct WallClock {
    offset: WindowedMin,
}

impl Default for WallClock {
    fn default() -> Self {
        Self { offset: WindowedMin::new(REPORT_WINDOW) }
    }
}

impl WallClock {
    /// A sender report with this NTP time arrived.
    pub(crate) fn observe(&mut self, now: Timestamp, ntp: u64) {
        self.offset.add(now, micros(now) - ntp_micros(ntp));
    }
}

/// The clock of one encoding.
#[derive(Debug)]
pub(crate) struct CaptureClock {
    rate: u32,
    unwrapper: Unwrapper<32>,
    /// Arrival less media time, in microseconds.
    offset: WindowedMin,
    report: Option<Report>,
}

/// One pair of a sender report.
#[derive(Clone, Copy, Debug)]
struct Report {
    ntp_micros: i64,
    rtp_time: u64,
}

impl CaptureClock {
    /// A clock of `rate` ticks per second that has seen nothing.
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, unwrapper: Unwrapper::new(), offset: WindowedMin::new(ARRIVAL_WINDOW), report: None }
    }

    /// A packet with this timestamp arrived now. Returns the timestamp unwrapped.
    pub(crate) fn observe(&mut self, now: Timestamp, wire: u32) -> u64 {
        let timestamp = self.unwrapper.unwrap(u64::from(wire));
        self.offset.add(now, micros(now) - self.media_micros(timestamp));
        timestamp
    }

    /// A sender report of this encoding's SSRC arrived.
    pub(crate) fn observe_report(&mut self, ntp: u64, rtp_time: u32) {
        let rtp_time = self.unwrapper.peek(u64::from(rtp_time));
        self.report = Some(Report { ntp_micros: ntp_micros(ntp), rtp_time });
    }

    /// When something with this timestamp was captured, never after `now`.
    pub(crate) fn instant(&self, now: Timestamp, timestamp: u64, wall: &WallClock) -> Timestamp {
        let arrived = self.offset.get().map_or(micros(now), |offset| self.media_micros(timestamp) + offset);
        let reported = self.report.zip(wall.offset.get()).map(|(report, offset)| {
            let ticks = timestamp.wrapping_sub(report.rtp_time).cast_signed();
            report.ntp_micros + ticks_to_micros(ticks, self.rate) + offset
        });
        let best = reported.filter(|r| (r - arrived).abs() <= REPORT_TOLERANCE).unwrap_or(arrived);
        Timestamp::from_micros(u64::try_from(best).unwrap_or(0)).min(now)
    }

    fn media_micros(&self, timestamp: u64) -> i64 {
        ticks_to_micros(timestamp.cast_signed(), self.rate)
    }
}

fn micros(now: Timestamp) -> i64 {
    now.as_micros().cast_signed()
}

fn ticks_to_micros(ticks: i64, rate: u32) -> i64 {
    // Split, so that no timestamp a stream can reach overflows: whole seconds first.
    let rate = i64::from(rate);
    (ticks / rate) * 1_000_000 + (ticks % rate) * 1_000_000 / rate
}

/// 32.32 fixed point seconds (RFC 3550 §4) in microseconds.
fn ntp_micros(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
    (seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn ntp(ms: u64) -> u64 {
        ((ms / 1_000) << 32) + ((ms % 1_000) << 32) / 1_000
    }

    #[test]
    fn without_reports_the_earliest_arrival_counts() {
        let (mut clock, wall) = (CaptureClock::new(90_000), WallClock::default());
        let cases = [
            (1_040, 0, 1_040, "the first: as it arrived"),
            (1_050, 3_000, 1_050, "33 ms of media in 10 ms: the first was late"),
            (1_190, 6_000, 1_083, "a late one is put where it belongs"),
        ];
        for (now, timestamp, expected, why) in cases {
            let unwrapped = clock.observe(at(now), timestamp);
            assert_eq!(clock.instant(at(now), unwrapped, &wall).as_millis(), expected, "{why}");
        }
    }

    #[test]
    fn reports_align_two_encodings_exactly() {
        // Both encodings carry the same picture of publisher time 5,000; one travels 30 ms longer.
        let mut wall = WallClock::default();
        let (mut fast, mut slow) = (CaptureClock::new(90_000), CaptureClock::new(90_000));
        let (a, b) = (fast.observe(at(1_010), 700), slow.observe(at(1_040), 900_000));
        assert_ne!(fast.instant(at(1_040), a, &wall), slow.instant(at(1_040), b, &wall), "by arrival");
        for (clock, rtp_time) in [(&mut fast, 700), (&mut slow, 900_000)] {
            wall.observe(at(1_020), ntp(5_000));
            clock.observe_report(ntp(5_000), rtp_time);
        }
        assert_eq!(fast.instant(at(1_040), a, &wall), slow.instant(at(1_040), b, &wall), "by report");
    }

    #[test]
    fn a_report_that_contradicts_arrivals_is_ignored() {
        let (mut clock, mut wall) = (CaptureClock::new(48_000), WallClock::default());
        let timestamp = clock.observe(at(1_000), 48_000);
        wall.observe(at(1_000), ntp(5_000));
        clock.observe_report(ntp(5_000), 480_000_000);
        assert_eq!(clock.instant(at(1_000), timestamp, &wall).as_millis(), 1_000);
    }

    #[test]
    fn a_clock_that_stood_still_while_paused_catches_up() {
        let (mut clock, wall) = (CaptureClock::new(90_000), WallClock::default());
        clock.observe(at(1_000), 0);
        let timestamp = clock.observe(at(31_000), 3_000);
        assert_eq!(clock.instant(at(31_000), timestamp, &wall).as_millis(), 31_000);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let (mut clock, mut wall) = (CaptureClock::new(90_000), WallClock::default());
        for wire in [0, u32::MAX, 1 << 31, 1, u32::MAX / 2] {
            let timestamp = clock.observe(Timestamp::from_secs(1_000_000), wire);
            wall.observe(Timestamp::ZERO, u64::MAX);
            clock.observe_report(u64::MAX, wire.wrapping_add(1 << 30));
            let now = Timestamp::from_micros(u64::MAX >> 2);
            assert!(clock.instant(now, timestamp, &wall) <= now);
        }
    }
}
