//! When the reference probes: at the start, when the allocation grows, while it sends less than it could, and after a
//! fall that may have been an error. Owns the questions; clusters and verdicts are shared with our own mode.

use std::time::Duration;

use units::{DataSize, Timestamp};

use crate::feedback::history::Acked;
use crate::probe::Clusters;
use crate::{Probe, SentPacket};

/// The first two, in start rates.
const FIRST: [f64; 2] = [3.0, 6.0];
const LENGTH_FIRST: Duration = Duration::from_millis(100);
/// Practice has 15 ms here, which through a few ms of jitter is no rate.
const LENGTH: Duration = Duration::from_millis(40);
/// A result over this part of what was asked asks for more, by so much.
const FURTHER: (f64, f64) = (0.7, 2.0);
/// While it holds back, this often and this much.
const LIMITED_INTERVAL: Duration = Duration::from_secs(5);
const LIMITED_FACTOR: f64 = 2.0;
/// A fall to below this part is asked back at this much of what was before, for so long.
const FELL: f64 = 0.66;
const BACK: f64 = 0.85;
const FELL_FOR: Duration = Duration::from_secs(5);
/// A budget fills at this part of the estimate; above and below these fills it is limited, and is not.
const BUDGET_RATE: f64 = 0.65;
const BUDGET_LIMITED: f64 = 0.80;
const BUDGET_BUSY: f64 = 0.50;
const BUDGET_WINDOW: f64 = 0.5;

/// Whether the sender uses what it has: a budget that media drains.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    bytes: f64,
    at: Timestamp,
    limited: bool,
}

impl Budget {
    /// Media left.
    pub(super) fn on_sent(&mut self, now: Timestamp, size: DataSize, target: f64) {
        self.fill(now, target);
        self.bytes -= size.as_bytes() as f64;
    }

    /// Whether the sender holds back.
    pub(super) fn is_limited(&mut self, now: Timestamp, target: f64) -> bool {
        let full = self.fill(now, target);
        let level = self.bytes / full.max(1.0);
        if level > BUDGET_LIMITED {
            self.limited = true;
        } else if level < BUDGET_BUSY {
            self.limited = false;
        }
        self.limited
    }

    fn fill(&mut self, now: Timestamp, target: f64) -> f64 {
        let rate = BUDGET_RATE * target / 8.0;
        let full = rate * BUDGET_WINDOW;
        self.bytes = (self.bytes + rate * (now - self.at).as_secs_f64()).clamp(-full, full);
        self.at = now;
        full
    }
}

/// The probes of the reference.
#[derive(Clone, Debug)]
pub(super) struct Probing {
    clusters: Clusters,
    pending: Option<(f64, Duration)>,
    first: usize,
    last_limited: Timestamp,
    max_useful: f64,
    fell: Option<(f64, Timestamp)>,
}

impl Probing {
    pub(super) fn new(now: Timestamp) -> Self {
        let clusters = Clusters::default();
        Self { clusters, pending: None, first: 0, last_limited: now, max_useful: 0.0, fell: None }
    }

    pub(super) fn on_sent(&mut self, now: Timestamp, packet: &SentPacket) {
        self.clusters.on_sent(now, packet);
    }

    pub(super) fn on_acked(&mut self, acked: &Acked) {
        self.clusters.on_acked(acked);
    }

    pub(super) fn on_lost(&mut self, tag: u8) {
        self.clusters.on_lost(tag);
    }

    /// The allocation changed: ask for it and for twice of it.
    pub(super) fn set_max_useful(&mut self, target: f64, max_useful: f64) {
        if max_useful > self.max_useful && self.first >= FIRST.len() && target < max_useful {
            self.pending = Some((max_useful.min(LIMITED_FACTOR * target), LENGTH));
        }
        self.max_useful = max_useful;
    }

    /// The target went from one rate to another.
    pub(super) fn on_change(&mut self, now: Timestamp, from: f64, to: f64) {
        if to < FELL * from {
            self.fell = Some((from, now));
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        Some(self.last_limited + LIMITED_INTERVAL).into_iter().chain(self.clusters.deadline()).min()
    }

    /// What a finished cluster says the path carries, bit/s.
    pub(super) fn answer(&mut self, now: Timestamp) -> Option<f64> {
        let (probe, answer) = self.clusters.complete(now, None)?;
        let answer = answer?;
        if answer.rate > FURTHER.0 * probe.rate.as_f64()
            && self.cap(FURTHER.1 * answer.rate) > answer.rate * 1.1
        {
            self.pending = Some((self.cap(FURTHER.1 * answer.rate), LENGTH));
        }
        Some(answer.rate)
    }

    /// The cluster to send now.
    pub(super) fn poll(
        &mut self,
        now: Timestamp,
        start: f64,
        target: f64,
        limited: bool,
        quiet: bool,
    ) -> Option<Probe> {
        let busy = self.clusters.sending_until().is_some_and(|until| now < until);
        if busy || self.clusters.count() == Clusters::MOST {
            return None;
        }
        if let Some(factor) = FIRST.get(self.first) {
            self.first += 1;
            return self.clusters.begin(now, factor * start, LENGTH_FIRST);
        }
        if limited && !quiet && self.pending.is_none() && self.max_useful > 0.0 {
            if let Some((rate, _)) = self.fell.take().filter(|(_, at)| now - *at < FELL_FOR) {
                self.pending = Some((BACK * rate, LENGTH));
            } else if now - self.last_limited >= LIMITED_INTERVAL && target < self.max_useful {
                self.last_limited = now;
                self.pending = Some((self.cap(LIMITED_FACTOR * target), LENGTH));
            }
        }
        let (rate, length) = self.pending.take()?;
        self.clusters.begin(now, rate, length)
    }

    fn cap(&self, rate: f64) -> f64 {
        if self.max_useful > 0.0 { rate.min(2.0 * self.max_useful) } else { rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_tells_a_sender_that_holds_back() {
        for (part, expected) in [(0.2, true), (0.5, true), (0.9, false), (1.0, false)] {
            let mut budget = Budget::default();
            for n in 0..300u64 {
                let size = DataSize::from_bytes((part * 1e6 / 8.0 * 0.01) as u64);
                budget.on_sent(Timestamp::from_millis(n * 10), size, 1e6);
            }
            assert_eq!(
                budget.is_limited(Timestamp::from_millis(3_000), 1e6),
                expected,
                "{part} of the target"
            );
        }
    }

    #[test]
    fn the_start_asks_for_three_and_six_times() {
        let mut probing = Probing::new(Timestamp::ZERO);
        let first = probing.poll(Timestamp::ZERO, 3e5, 3e5, false, false).map(|p| p.rate.as_kbps());
        let early = probing.poll(Timestamp::from_millis(50), 3e5, 3e5, false, false);
        let second =
            probing.poll(Timestamp::from_millis(100), 3e5, 3e5, false, false).map(|p| p.rate.as_kbps());
        assert_eq!((first, early, second), (Some(900), None, Some(1_800)));
    }
}
