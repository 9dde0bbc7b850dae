//! The node's clock: the only place where an instant of the operating system becomes a [`Timestamp`].

use tokio::time::Instant;
use units::Timestamp;

/// Time since the process opened its node. One per process, so that time stamps of all workers compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that reads zero at this moment.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the start. Monotonic.
    pub(crate) fn now(&self) -> Timestamp {
        let micros = self.start.elapsed().as_micros();
        // 2^64 microseconds are 580,000 years.
        Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// When a timer set to that time is due.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.start + at.since(Timestamp::ZERO)
    }
}
