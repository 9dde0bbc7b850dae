//! What is sent only to learn, and when: the packets of a probe, evenly spaced, and padding at a given rate.
//!
//! Owns the schedule. Leaves what the packets are made of to the slots, and the verdict to `estimator`.

use std::time::Duration;

use estimator::{ClusterId, Probe};
use units::{Bitrate, DataSize, Timestamp};

/// A probe goes on for at most this many times its wanted duration: a timer that fires late must not turn it into a burst
/// much later.
const MAX_STRETCH: u32 = 3;

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    probe: Probe,
    started: Timestamp,
    next: Timestamp,
    packets: u32,
    size: DataSize,
}

impl Running {
    /// A probe whose first packet goes now.
    pub(crate) fn new(now: Timestamp, probe: Probe) -> Self {
        Self { probe, started: now, next: now, packets: 0, size: DataSize::ZERO }
    }

    /// Which probe.
    pub(crate) fn id(&self) -> ClusterId {
        self.probe.id
    }

    /// When its next packet goes.
    pub(crate) fn next(&self) -> Timestamp {
        self.next
    }

    /// A packet of it left. The next one goes when this one would have left at the probe's rate.
    pub(crate) fn sent(&mut self, size: DataSize) {
        self.packets += 1;
        self.size += size;
        self.next = self.started + self.size / self.probe.rate;
    }

    /// Whether all of it has left, or it has taken too long to be one.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let enough = self.packets >= self.probe.min_packets && self.size >= self.probe.min_size;
        let (due, late) =
            (self.started + self.probe.duration, self.started + self.probe.duration * MAX_STRETCH);
        (enough && self.next >= due) || now >= late
    }
}

/// Padding besides probes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Padding {
    rate: Bitrate,
    next: Option<Timestamp>,
}

impl Padding {
    /// From now on this much.
    pub(crate) fn set_rate(&mut self, now: Timestamp, rate: Bitrate) {
        self.rate = rate;
        self.next = if rate.is_zero() { None } else { Some(self.next.unwrap_or(now)) };
    }

    /// When the next packet goes, if any does.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// A packet left.
    pub(crate) fn sent(&mut self, now: Timestamp, size: DataSize) {
        if !self.rate.is_zero() {
            // A clump of padding would be a probe of its own.
            self.next = Some(now + (size / self.rate).max(Duration::from_millis(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Probe = Probe {
        id: ClusterId(7),
        rate: Bitrate::from_kbps(800),
        min_size: DataSize::from_bytes(2_400),
        min_packets: 6,
        duration: Duration::from_millis(100),
    };

    #[test]
    fn packets_are_spaced_by_the_rate_until_size_number_and_time_are_reached() {
        let mut running = Running::new(Timestamp::from_secs(1), PROBE);
        let mut left = Vec::new();
        while !running.is_over(running.next()) {
            left.push(running.next().as_millis() - 1_000);
            running.sent(DataSize::from_bytes(1_000));
        }
        assert_eq!(left, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90], "1,000 bytes each 10 ms");
    }

    #[test]
    fn a_probe_that_could_not_be_sent_in_time_ends() {
        let running = Running::new(Timestamp::ZERO, PROBE);
        assert!(!running.is_over(Timestamp::from_millis(299)));
        assert!(running.is_over(Timestamp::from_millis(300)));
    }

    #[test]
    fn padding_keeps_its_rate_and_never_clumps() {
        let mut padding = Padding::default();
        assert_eq!(padding.next(), None);
        padding.set_rate(Timestamp::from_secs(1), Bitrate::from_kbps(80));
        assert_eq!(padding.next(), Some(Timestamp::from_secs(1)));
        padding.sent(Timestamp::from_secs(2), DataSize::from_bytes(300));
        assert_eq!(padding.next(), Some(Timestamp::from_millis(2_030)));
        padding.set_rate(Timestamp::from_secs(3), Bitrate::ZERO);
        assert_eq!(padding.next(), None);
    }
}
