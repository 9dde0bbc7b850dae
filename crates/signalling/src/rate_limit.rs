//! How often a client may send.
//!
//! Owns a token bucket as a value. Leaves what happens to a message over the limit to the caller: answer with
//! `too_fast` at first, close the connection when it goes on.

use units::Timestamp;

/// One message, in the bucket's inner unit: as finely divided as time is.
const TOKEN: u64 = 1_000_000;

/// A token bucket: so many messages at once after a pause, so many per second in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
    /// In millionths of a message.
    level: u64,
    filled: Timestamp,
}

impl RateLimit {
    /// A full bucket. A `burst` of 0 admits nothing.
    pub fn new(now: Timestamp, per_second: u32, burst: u32) -> Self {
        Self { per_second, burst, level: u64::from(burst) * TOKEN, filled: now }
    }

    /// Whether a message may pass. One that may not costs nothing, so that a client which slows down is heard
    /// at once.
    pub fn admit(&mut self, now: Timestamp) -> bool {
        let micros = u64::try_from((now - self.filled).as_micros()).unwrap_or(u64::MAX);
        let gained = micros.saturating_mul(self.per_second.into());
        self.level = self.level.saturating_add(gained).min(u64::from(self.burst) * TOKEN);
        self.filled = self.filled.max(now);
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }
}

/// What becomes of a message, by how many came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is taken.
    Fine,
    /// It is answered with an error.
    TooFast,
    /// The connection on which it came ends.
    FarTooFast,
}

/// The rate of messages that one connection is held to, and the patience with one that is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRate {
    rate: RateLimit,
    patience: RateLimit,
}

impl MessageRate {
    /// Messages over the rate that are answered before the connection ends: so many at once, one per second in the long run.
    pub const PATIENCE: u32 = 10;

    /// For so many messages per second in the long run and so many at once.
    pub fn new(now: Timestamp, per_second: u32, burst: u32) -> Self {
        Self {
            rate: RateLimit::new(now, per_second, burst),
            patience: RateLimit::new(now, 1, Self::PATIENCE),
        }
    }

    /// What becomes of a message that comes now.
    pub fn judge(&mut self, now: Timestamp) -> Pace {
        if self.rate.admit(now) {
            Pace::Fine
        } else if self.patience.admit(now) {
            Pace::TooFast
        } else {
            Pace::FarTooFast
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Timestamp::from_secs(5);
        let mut limit = RateLimit::new(start, 10, 3);
        let mut admitted = Vec::new();
        for ms in [0, 0, 0, 0, 99, 100, 150, 200, 10_000, 10_000, 10_000, 10_000] {
            admitted.push(limit.admit(start + Duration::from_millis(ms)));
        }
        let expected = [true, true, true, false, false, true, false, true, true, true, true, false];
        assert_eq!(admitted, expected);
    }

    #[test]
    fn who_is_too_fast_is_told_for_a_while() {
        let start = Timestamp::from_secs(5);
        let mut rate = MessageRate::new(start, 10, 3);
        let paces: Vec<Pace> = (0..15).map(|_| rate.judge(start)).collect();
        let expected = [vec![Pace::Fine; 3], vec![Pace::TooFast; 10], vec![Pace::FarTooFast; 2]].concat();
        assert_eq!(paces, expected);
        assert_eq!(
            rate.judge(start + Duration::from_millis(100)),
            Pace::Fine,
            "who slows down is heard at once"
        );
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            per_second in 0u32..1_000, burst in 0u32..100,
            gaps in proptest::collection::vec(0u64..200_000, 1..300),
        ) {
            let mut limit = RateLimit::new(Timestamp::ZERO, per_second, burst);
            let mut now = Timestamp::ZERO;
            let mut admitted = 0u64;
            for gap in gaps {
                now += Duration::from_micros(gap);
                admitted += u64::from(limit.admit(now));
                let most = u64::from(burst) * 1_000_000 + now.as_micros() * u64::from(per_second);
                prop_assert!(admitted * 1_000_000 <= most);
            }
        }

        #[test]
        fn a_clock_that_steps_back_gains_nothing(times in proptest::collection::vec(0u64..1_000_000, 1..100)) {
            let mut limit = RateLimit::new(Timestamp::ZERO, 1, 1);
            let admitted = times.iter().filter(|t| limit.admit(Timestamp::from_micros(**t))).count();
            prop_assert!(admitted <= 2);
        }
    }
}
