//! How much of its core a worker's thread uses: its CPU time over the time that passed, once a second.
//!
//! Owns measuring. What follows from it is the node's (`sfu::Input::Busy`). CPU time and not time at work, so that a
//! machine that is busy with other programs does not look like a server with too many calls.

use std::time::Duration;

use units::Timestamp;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The state of the measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    looked: Timestamp,
    used: Duration,
}

impl Meter {
    /// Begins now, with what the thread has used so far.
    pub(crate) fn new(now: Timestamp, used: Duration) -> Self {
        Self { looked: now, used }
    }

    /// When it is time to look again.
    pub(crate) fn due(&self) -> Timestamp {
        self.looked + INTERVAL
    }

    /// What share of the time since the last look the thread ran, in thousandths.
    pub(crate) fn look(&mut self, now: Timestamp, used: Duration) -> u16 {
        let passed = (now - self.looked).as_micros().max(1);
        let ran = used.saturating_sub(self.used).as_micros();
        *self = Self { looked: now, used };
        // The clocks differ by what a look takes.
        (ran * 1_000 / passed).min(1_000) as u16
    }
}

/// The CPU time of this thread, in user and kernel mode; `None` where the system does not tell.
pub(crate) fn thread_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_time_since_the_last_look() {
        let ms = Duration::from_millis;
        let at = |millis| Timestamp::ZERO + ms(millis);
        let mut meter = Meter::new(at(500), ms(40));
        assert_eq!(meter.due(), at(1_500));
        let table = [(1_500, 940, 900), (2_500, 940, 0), (12_500, 1_940, 100), (13_500, 2_950, 1_000)];
        for (now, used, expected) in table {
            assert_eq!(meter.look(at(now), ms(used)), expected, "{now}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_works_uses_time() {
        let before = thread_time().unwrap();
        let mut sum = 0_u64;
        while thread_time().unwrap() - before < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
    }
}
