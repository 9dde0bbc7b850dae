//! The one place where our time meets `std::time::Instant`, which the libraries below want. Owns the
//! conversion; only differences between instants have a meaning, so runs with equal timestamps stay equal.

use std::sync::LazyLock;
use std::time::Instant;

use units::Timestamp;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin: only differences to it are used")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// `now` for a library.
pub(crate) fn instant(now: Timestamp) -> Instant {
    // A timestamp beyond what the platform's clock can hold is centuries away; standing still is then good
    // enough.
    ORIGIN.checked_add(now.since(Timestamp::ZERO)).unwrap_or(*ORIGIN)
}

/// A library's deadline, rounded up to whole microseconds so that it has passed when the timestamp is
/// reached.
pub(crate) fn timestamp(deadline: Instant) -> Timestamp {
    let nanos = deadline.saturating_duration_since(*ORIGIN).as_nanos();
    Timestamp::from_micros(u64::try_from(nanos.div_ceil(1_000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_back_and_forth() {
        for micros in [0, 1, 20_000, 3_600_000_000, u64::MAX / 1_000_000] {
            let now = Timestamp::from_micros(micros);
            assert_eq!(timestamp(instant(now)), now);
        }
        let later = instant(Timestamp::from_micros(5)) + std::time::Duration::from_nanos(1);
        assert_eq!(timestamp(later), Timestamp::from_micros(6), "never early");
    }
}
