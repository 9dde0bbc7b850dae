//! When the next packet may leave. Owns the bucket of time that the pacing rate fills and the bound on bytes in
//! flight; leaves the packets, their order and their priority to the caller.
//!
//! The bucket is a clock: `free_at` is the instant at which everything sent so far has left at the pacing rate. That
//! is the same as a token bucket and needs no periodic refill.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::{Estimate, PacketKind};

/// One packet goes this long after the last when the window is full, so that a path which came back is noticed.
const BLOCKED_INTERVAL: Duration = Duration::from_millis(500);

/// How much of unused time may be caught up with: timers of real hosts fire late by a millisecond or two.
const BURST: Duration = Duration::from_millis(2);

/// Answers *when*; never owns packets.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    rate: Bitrate,
    window: DataSize,
    free_at: Timestamp,
    last_sent: Timestamp,
}

impl Pacer {
    /// A pacer that follows `estimate`, idle so far.
    pub fn new(now: Timestamp, estimate: &Estimate) -> Self {
        Self { rate: estimate.pacing, window: estimate.window, free_at: now, last_sent: now }
    }

    /// Follows a new estimate. What was sent before keeps the time that it was charged.
    pub fn set_estimate(&mut self, now: Timestamp, estimate: &Estimate) {
        if estimate.pacing != self.rate && self.free_at > now && !estimate.pacing.is_zero() {
            // The debt is in bytes; at another rate it takes another time.
            let debt = self.rate * (self.free_at - now);
            self.free_at = now + debt / estimate.pacing;
        }
        self.rate = estimate.pacing;
        self.window = estimate.window;
    }

    /// The earliest instant, not before `now`, at which a video packet of `size` may go with `in_flight` bytes
    /// already under way. Audio and retransmissions that a receiver asked for do not ask: they go, and are charged.
    pub fn next_send(&self, now: Timestamp, size: DataSize, in_flight: DataSize) -> Timestamp {
        let paced = self.free_at.max(now);
        if in_flight + size > self.window {
            return paced.max(self.last_sent + BLOCKED_INTERVAL);
        }
        paced
    }

    /// Charges a packet that left. A probe is sent at its own rate and is not charged to this one: pass
    /// [`PacketKind::Padding`] for its packets.
    pub fn on_sent(&mut self, now: Timestamp, size: DataSize, kind: PacketKind) {
        if kind == PacketKind::Padding {
            return;
        }
        if kind == PacketKind::Media {
            self.last_sent = now;
        }
        if self.rate.is_zero() {
            return;
        }
        self.free_at = self.free_at.max(now.saturating_sub(BURST)) + size / self.rate;
    }

    /// How long the packets that wait, `queued` bytes in all, would take to leave.
    pub fn drain_time(&self, queued: DataSize) -> Duration {
        queued / self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, State};
    use proptest::prelude::*;

    fn estimate(kbps: u64, window: u64) -> Estimate {
        Estimate {
            target: Bitrate::from_kbps(kbps),
            pacing: Bitrate::from_kbps(kbps),
            window: DataSize::from_bytes(window),
            padding: Bitrate::ZERO,
            state: State::Increase,
            reason: Reason::Start,
            capacity: None,
        }
    }

    #[test]
    fn a_full_window_lets_one_packet_through_each_half_second() {
        let size = DataSize::from_bytes(1_000);
        let mut pacer = Pacer::new(Timestamp::ZERO, &estimate(8_000, 3_000));
        let now = Timestamp::from_secs(1);
        assert_eq!(pacer.next_send(now, size, DataSize::from_bytes(2_000)), now, "fits");
        pacer.on_sent(now, size, PacketKind::Media);
        assert_eq!(
            pacer.next_send(now, size, DataSize::from_bytes(3_000)),
            now + BLOCKED_INTERVAL,
            "blocked"
        );
    }

    #[test]
    fn audio_is_charged_and_padding_of_probes_is_not() {
        let size = DataSize::from_bytes(1_000);
        for (kind, expected_ms) in [(PacketKind::Audio, 8), (PacketKind::Rtx, 8), (PacketKind::Padding, 0)] {
            let mut pacer = Pacer::new(Timestamp::ZERO, &estimate(1_000, 100_000));
            pacer.on_sent(Timestamp::ZERO, size, kind);
            let next = pacer.next_send(Timestamp::ZERO, size, DataSize::ZERO);
            assert_eq!(next, Timestamp::from_millis(expected_ms), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn never_sends_faster_than_its_rate(kbps in 50u64..20_000, sizes in proptest::collection::vec(40u64..1_500, 10..200)) {
            let estimate = estimate(kbps, u64::MAX);
            let mut pacer = Pacer::new(Timestamp::ZERO, &estimate);
            let mut now = Timestamp::ZERO;
            let mut total = DataSize::ZERO;
            for size in sizes.iter().map(|s| DataSize::from_bytes(*s)) {
                now = pacer.next_send(now, size, DataSize::ZERO);
                // All before this packet has had its time at the pacing rate, less the burst and rounding.
                let needed = total / estimate.pacing;
                prop_assert!(now + BURST + Duration::from_micros(sizes.len() as u64) >= Timestamp::ZERO + needed);
                pacer.on_sent(now, size, PacketKind::Media);
                total += size;
            }
        }
    }
}
