//! The participant's clocks.
//!
//! Owns the only readings of the operating system's clocks in this crate: monotonic ones for the checks, and the time of
//! day for the stamps by which delay is measured between participants of one machine.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use units::Timestamp;

/// Time since a participant was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.elapsed().as_micros() as u64)
    }
}

/// Microseconds since 1970.
pub(crate) fn time_of_day() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}
