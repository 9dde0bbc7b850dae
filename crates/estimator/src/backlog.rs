//! How much waits in the pacer, as far as can be told from outside.
//!
//! Owns the inference. The pacer belongs to the caller and the estimator never sees it, but a pacer that sends without a
//! rest has something to send, and what the application makes in that time less what left in it is what came on top. A
//! rest, which only a pacer with nothing to send takes, sets the count to zero, so errors do not add up.

use units::{DataSize, Timestamp};

/// Timers are late by so much, of the time and at once, µs.
const LATE: f64 = 1.1;
const SLACK: f64 = 4_000.0;

/// What waits at one sender, beside the frame that is being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    /// Since when packets leave as fast as the pacer lets them.
    busy_since: Timestamp,
    /// What was sent since, as time at the pacing rate, µs.
    paced: f64,
    /// Made less sent since, as of `at`. Below zero while a frame is sent that was there at once.
    bytes: f64,
    at: Timestamp,
}

impl Backlog {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { busy_since: now, paced: 0.0, bytes: 0.0, at: now }
    }

    /// What waits now, bytes, while the application makes `produced` bit/s; `blocked`: the window lets nothing out.
    pub(crate) fn bytes(&self, now: Timestamp, produced: f64, blocked: bool) -> f64 {
        if self.has_rested(now) && !blocked {
            return 0.0;
        }
        self.bytes + produced / 8e6 * micros(self.at, now)
    }

    /// Brings the count up to now.
    pub(crate) fn advance(&mut self, now: Timestamp, produced: f64, blocked: bool) {
        if self.has_rested(now) && !blocked {
            (self.busy_since, self.paced, self.bytes) = (now, 0.0, 0.0);
        } else {
            self.bytes += produced / 8e6 * micros(self.at, now);
        }
        self.at = now;
    }

    /// A packet left, at a pacing rate in bit/s.
    pub(crate) fn on_sent(&mut self, size: DataSize, pacing: f64) {
        self.bytes -= size.as_bytes() as f64;
        self.paced += size.as_bytes() as f64 * 8e6 / pacing;
    }

    /// More time went by than what was sent takes at the pacing rate.
    fn has_rested(&self, now: Timestamp) -> bool {
        micros(self.busy_since, now) > LATE * self.paced + SLACK
    }
}

/// From one to the other. Called per packet, and signed integers become floating point in one instruction.
fn micros(from: Timestamp, to: Timestamp) -> f64 {
    to.as_micros().cast_signed().saturating_sub(from.as_micros().cast_signed()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets of 1 000 bytes each `every` ms for a second, at a pace of 1 Mbit/s (8 ms each), while the
    /// application makes `produced` bit/s; what waits at the end.
    fn after(every: u64, produced: f64, blocked: bool) -> f64 {
        let mut backlog = Backlog::new(Timestamp::ZERO);
        for n in 0..1_000 / every {
            backlog.advance(Timestamp::from_millis(n * every), produced, blocked);
            backlog.on_sent(DataSize::from_bytes(1_000), 1e6);
        }
        backlog.bytes(Timestamp::from_secs(1), produced, blocked)
    }

    #[test]
    fn what_is_made_and_not_sent_waits() {
        let cases = [
            (8, 1.0e6, false, 0.0, "as much is sent as made"),
            (8, 1.4e6, false, 50_000.0, "more is made"),
            (20, 1.4e6, false, 0.0, "a pacer that rests has nothing, whatever was announced"),
            (100, 0.8e6, true, 90_000.0, "a closed window is no rest"),
        ];
        for (every, produced, blocked, expected, why) in cases {
            let bytes = after(every, produced, blocked);
            assert!((bytes - expected).abs() < 2_000.0, "{why}: {bytes}");
        }
    }
}
