//! How fast a link serves: a schedule of rates, or the packet opportunities of a Mahimahi trace.
//!
//! Owns the arithmetic of serving; what waits, and what is dropped, belongs to the link and its queue.

use std::sync::Arc;

use super::event::{MILLI, Micros, SECOND};

/// Bytes that one packet opportunity carries (Winstein, Sivaraman, Balakrishnan, NSDI 2013).
pub const OPPORTUNITY_BYTES: u64 = 1_500;

/// A step function of time: the value at each instant is that of the last step at or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    steps: Vec<(Micros, u64)>,
}

impl Schedule {
    /// The same value for ever.
    pub fn constant(value: u64) -> Self {
        Self { steps: vec![(0, value)] }
    }

    /// From (seconds, Mbit/s) pairs, the notation of the case tables.
    pub fn mbps(steps: &[(f64, f64)]) -> Self {
        // Table values are small positive decimals: rounding gives the exact integers that are meant.
        Self::new(
            steps.iter().map(|(s, mbps)| ((s * 1e6).round() as u64, (mbps * 1e6).round() as u64)).collect(),
        )
    }

    /// From (instant, value) steps in order of time. The first step holds from the beginning, whatever its instant.
    pub fn new(mut steps: Vec<(Micros, u64)>) -> Self {
        assert!(!steps.is_empty(), "a schedule has at least one step");
        assert!(steps.is_sorted_by_key(|step| step.0), "steps are in order of time");
        steps[0].0 = 0;
        Self { steps }
    }

    /// The value at `at`.
    pub fn at(&self, at: Micros) -> u64 {
        self.steps[self.index(at)].1
    }

    /// The steps.
    pub fn steps(&self) -> &[(Micros, u64)] {
        &self.steps
    }

    fn index(&self, at: Micros) -> usize {
        self.steps.partition_point(|step| step.0 <= at) - 1
    }

    /// Integral of the value over [from, to), in value x microseconds.
    pub fn integral(&self, from: Micros, to: Micros) -> u64 {
        let mut sum = 0;
        let mut at = from;
        let mut index = self.index(from);
        while at < to {
            let until = self.steps.get(index + 1).map_or(to, |step| step.0.min(to));
            sum += self.steps[index].1 * (until - at);
            (at, index) = (until, index + 1);
        }
        sum
    }
}

/// The packet opportunities of a trace, repeated for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opportunities {
    /// Milliseconds, in order.
    times: Arc<[u32]>,
    period: Micros,
}

impl Opportunities {
    /// From milliseconds in order of time. The period is the last of them; a trace needs a positive one.
    pub fn new(times: Vec<u32>) -> Option<Self> {
        let period = u64::from(*times.last()?) * MILLI;
        (period > 0 && times.is_sorted()).then(|| Self { times: times.into(), period })
    }

    /// After this the trace begins again.
    pub fn period(&self) -> Micros {
        self.period
    }

    /// The instant of opportunity number `n`.
    pub fn at(&self, n: u64) -> Micros {
        let len = self.times.len() as u64;
        // The remainder is below the length of a slice.
        self.period * (n / len) + u64::from(self.times[(n % len) as usize]) * MILLI
    }

    /// The number of the first opportunity at or after `at`.
    pub fn first_from(&self, at: Micros) -> u64 {
        let (cycle, offset) = (at / self.period, at % self.period);
        // Opportunities at the very end of a cycle coincide with the start of the next one.
        let before = if cycle > 0 && offset == 0 {
            let last = self.times.partition_point(|t| u64::from(*t) * MILLI < self.period) as u64;
            return (cycle - 1) * self.times.len() as u64 + last;
        } else {
            self.times.partition_point(|t| u64::from(*t) * MILLI < offset) as u64
        };
        cycle * self.times.len() as u64 + before
    }

    /// Mean rate over one period, in bits per second.
    pub fn mean_bps(&self) -> u64 {
        self.times.len() as u64 * OPPORTUNITY_BYTES * 8 * SECOND / self.period
    }
}

/// How a link serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Bits per second over time.
    Rate(Arc<Schedule>),
    /// Chances to send 1500 bytes.
    Trace(Opportunities),
}

impl Capacity {
    /// A constant rate in bits per second.
    pub fn constant(bps: u64) -> Self {
        Self::Rate(Arc::new(Schedule::constant(bps)))
    }

    /// A rate schedule from (seconds, Mbit/s) pairs.
    pub fn mbps(steps: &[(f64, f64)]) -> Self {
        Self::Rate(Arc::new(Schedule::mbps(steps)))
    }

    /// Bits that could be served in each step of `step` microseconds until `duration`.
    pub fn bits_per_step(&self, step: Micros, duration: Micros) -> Vec<f64> {
        let steps = duration.div_ceil(step);
        match self {
            Self::Rate(rate) => {
                (0..steps).map(|i| rate.integral(i * step, (i + 1) * step) as f64 / 1e6).collect()
            }
            Self::Trace(trace) => (0..steps)
                .map(|i| trace.first_from((i + 1) * step) - trace.first_from(i * step))
                .map(|n| (n * OPPORTUNITY_BYTES * 8) as f64)
                .collect(),
        }
    }
}

/// Serves one packet after another over a [`Schedule`], exactly: the fraction of a microsecond that one packet
/// leaves over is used by the next.
#[derive(Clone, Debug, Default)]
pub struct Server {
    finished_at: Micros,
    spare: u64,
}

impl Server {
    /// When a packet of `bytes` whose service starts at `start` is through, or `None` if the link never serves again.
    pub fn serve(&mut self, schedule: &Schedule, start: Micros, bytes: u64) -> Option<Micros> {
        // In units of rate x time: bits per second times microseconds.
        let mut work = bytes * 8 * SECOND;
        if start == self.finished_at {
            work -= self.spare.min(work);
        }
        let mut at = start;
        let mut index = schedule.index(start);
        loop {
            let rate = schedule.steps[index].1;
            let until = schedule.steps.get(index + 1).map(|step| step.0);
            let enough = until.is_none_or(|until| rate * (until - at) >= work);
            if rate > 0 && enough {
                let time = work.div_ceil(rate);
                self.finished_at = at + time;
                self.spare = time * rate - work;
                return Some(self.finished_at);
            }
            let until = until?;
            work -= rate * (until - at);
            (at, index) = (until, index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn service_integrates_over_changes_of_rate() {
        let schedule = Schedule::mbps(&[(0.0, 1.0), (1.0, 0.0), (2.0, 2.0)]);
        let serve = |start, bytes| Server::default().serve(&schedule, start, bytes);
        for (start, bytes, expected, why) in [
            (0, 125, Some(1_000), "1000 bits at 1 Mbit/s"),
            (SECOND, 250, Some(2 * SECOND + 1_000), "waits out the outage"),
            (999_000, 375, Some(2_001_000), "1 ms at 1 Mbit/s, then 1 ms at 2"),
        ] {
            assert_eq!(serve(start, bytes), expected, "{why}");
        }
        assert_eq!(Server::default().serve(&Schedule::constant(0), 0, 1), None, "a dead link never ends");
    }

    #[test]
    fn opportunities_repeat_and_are_found() {
        let trace = Opportunities::new(vec![0, 0, 3, 10]).expect("valid");
        let all: Vec<u64> = (0..8).map(|n| trace.at(n) / MILLI).collect();
        assert_eq!(all, [0, 0, 3, 10, 10, 10, 13, 20]);
        for (at, first) in [(0, 0), (1, 2), (3_000, 2), (3_001, 3), (10_000, 3), (10_001, 6), (20_000, 7)] {
            assert_eq!(trace.first_from(at), first, "at {at}");
        }
        assert_eq!(Opportunities::new(vec![0, 0]), None, "no period");
        assert_eq!(Opportunities::new(vec![]), None, "no opportunity");
    }

    proptest! {
        #[test]
        fn back_to_back_packets_take_what_their_bytes_take(rate in 1_000u64..100_000_000, sizes in proptest::collection::vec(40u64..1_500, 1..200)) {
            let schedule = Schedule::constant(rate);
            let mut server = Server::default();
            let mut at = 0;
            for size in &sizes {
                at = server.serve(&schedule, at, *size).expect("rate is positive");
            }
            let bits: u64 = sizes.iter().sum::<u64>() * 8;
            prop_assert_eq!(at, (bits * SECOND).div_ceil(rate));
        }
    }
}
