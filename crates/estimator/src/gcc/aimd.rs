//! Additive increase, multiplicative decrease on the slope's word (draft-ietf-rmcat-gcc-02 §5.5, as practised since).
//!
//! Owns the delay-based target and the memory of the link's capacity that decides between the two kinds of increase.

use std::time::Duration;

use units::Timestamp;

use crate::slope::Usage;

/// The cut, and what is taken off besides, bit/s.
const BETA: f64 = 0.85;
const BETA_LESS: f64 = 5_000.0;
/// At most one cut in a round trip, within these bounds.
const CUT_INTERVAL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// The multiplicative increase per second and the least of one update, bit/s.
const MULTIPLICATIVE: f64 = 1.08;
const MULTIPLICATIVE_LEAST: f64 = 1_000.0;
/// The additive one: a packet per response time, at least this per second, bit/s.
const ADDITIVE_LEAST: f64 = 4_000.0;
const RESPONSE: Duration = Duration::from_millis(100);
/// Frames and packets as assumed for the mean packet.
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// The target stays under this much of what arrives.
const ACKED: (f64, f64) = (1.5, 10_000.0);
/// Gains of the capacity's mean: at over-use, and from a probe.
const GAIN: f64 = 0.05;
const GAIN_PROBE: f64 = 0.5;
/// Bounds of its normalised variance, and how many deviations are within.
const VARIANCE: (f64, f64) = (0.4, 2.5);
const DEVIATIONS: f64 = 3.0;

/// The link's capacity as seen at over-use, kbit/s.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    mean: Option<f64>,
    variance: f64,
}

impl Link {
    fn update(&mut self, rate: f64, gain: f64) {
        let sample = rate / 1_000.0;
        let mean = self.mean.map_or(sample, |mean| mean + gain * (sample - mean));
        let error = sample - mean;
        let normalised = error * error / mean.max(1.0);
        self.variance = ((1.0 - gain) * self.variance + gain * normalised).clamp(VARIANCE.0, VARIANCE.1);
        self.mean = Some(mean);
    }

    /// How far the rate lies from the mean, in deviations; `None` when nothing is known.
    fn deviations(&self, rate: f64) -> Option<f64> {
        let mean = self.mean?;
        Some((rate / 1_000.0 - mean) / (self.variance * mean).sqrt().max(1.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Hold,
    Increase,
}

/// The delay-based part of the reference.
#[derive(Clone, Debug)]
pub(super) struct Aimd {
    target: f64,
    phase: Phase,
    link: Link,
    last: Option<Timestamp>,
    last_cut: Option<Timestamp>,
}

impl Aimd {
    pub(super) fn new(start: f64) -> Self {
        Self { target: start, phase: Phase::Increase, link: Link::default(), last: None, last_cut: None }
    }

    pub(super) fn target(&self) -> f64 {
        self.target
    }

    /// A probe's result replaces the target.
    pub(super) fn on_probe(&mut self, rate: f64) {
        self.target = rate;
        self.link.update(rate, GAIN_PROBE);
    }

    /// Another path.
    pub(super) fn reset(&mut self, target: f64) {
        *self = Self::new(target);
    }

    /// Once per report. `limited`: the sender does not use what it has. True when the target was cut.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        usage: Usage,
        acked: Option<f64>,
        rtt: Duration,
        limited: bool,
    ) -> bool {
        let dt = self.last.map_or(0.0, |last| (now - last).as_secs_f64()).min(1.0);
        self.last = Some(now);
        match usage {
            Usage::Over => return self.cut(now, acked, rtt),
            Usage::Under => self.phase = Phase::Hold,
            Usage::Normal if self.phase == Phase::Hold => self.phase = Phase::Increase,
            Usage::Normal => self.increase(dt, acked, rtt, limited),
        }
        false
    }

    fn cut(&mut self, now: Timestamp, acked: Option<f64>, rtt: Duration) -> bool {
        self.phase = Phase::Hold;
        let acked = acked.unwrap_or(self.target);
        let interval = rtt.clamp(CUT_INTERVAL.0, CUT_INTERVAL.1);
        let soon = self.last_cut.is_some_and(|at| now - at < interval);
        if soon && acked >= 0.5 * self.target {
            return false;
        }
        self.last_cut = Some(now);
        if self.link.deviations(acked).is_some_and(|deviations| deviations < -DEVIATIONS) {
            self.link = Link::default();
        }
        self.link.update(acked, GAIN);
        self.target = self.target.min(BETA * acked - BETA_LESS).max(0.0);
        true
    }

    fn increase(&mut self, dt: f64, acked: Option<f64>, rtt: Duration, limited: bool) {
        let above = acked.and_then(|acked| self.link.deviations(acked)).is_some_and(|d| d > DEVIATIONS);
        if above {
            self.link = Link::default();
        }
        let step = if self.link.mean.is_some() {
            let frame = self.target / FRAMES_PER_SECOND;
            let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
            let response = 2.0 * (rtt + RESPONSE).as_secs_f64();
            (packet / response).max(ADDITIVE_LEAST) * dt
        } else {
            (self.target * (MULTIPLICATIVE.powf(dt) - 1.0)).max(MULTIPLICATIVE_LEAST * dt.min(1.0) * 20.0)
        };
        let limit = acked.map_or(f64::INFINITY, |acked| ACKED.0 * acked + ACKED.1);
        // While it holds back, what arrives is what is sent and no bound on what could be.
        if limited || self.target + step <= limit {
            self.target += if limited && self.target >= limit { 0.0 } else { step };
        } else {
            self.target = self.target.max(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn cuts_to_the_acknowledged_rate_once_per_round_trip() {
        let mut aimd = Aimd::new(1_000_000.0);
        assert!(aimd.step(at(0), Usage::Over, Some(800_000.0), RTT, false));
        assert_eq!(aimd.target(), 675_000.0);
        assert!(!aimd.step(at(50), Usage::Over, Some(600_000.0), RTT, false), "within a round trip");
        assert!(aimd.step(at(70), Usage::Over, Some(300_000.0), RTT, false), "unless less than half arrives");
        assert_eq!(aimd.target(), 250_000.0);
    }

    #[test]
    fn climbs_by_eight_per_cent_and_by_packets_near_the_link() {
        let mut aimd = Aimd::new(1_000_000.0);
        for n in 1..=20 {
            aimd.step(at(n * 50), Usage::Normal, Some(1_000_000.0), RTT, false);
        }
        assert!((1_060_000.0..1_090_000.0).contains(&aimd.target()), "{}", aimd.target());
        aimd.step(at(1_050), Usage::Over, Some(1_000_000.0), RTT, false);
        let from = aimd.target();
        for n in 0..22 {
            aimd.step(at(1_100 + n * 50), Usage::Normal, Some(900_000.0), RTT, false);
        }
        let gained = aimd.target() - from;
        assert!((10_000.0..30_000.0).contains(&gained), "about one packet in two response times: {gained}");
    }
}
