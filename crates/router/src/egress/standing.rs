//! The wait that does not go away between what a slot sends and its arrival: in the pacer and in the queue of the path.
//!
//! Owns the least of it over a moment: a keyframe's burst is gone by then, what stays was brought about by sending more than leaves.
//! Leaves what follows from it to the budget.

use std::time::Duration;

use units::Timestamp;

/// Two moments are looked back over, of this length: longer than a keyframe takes on a narrow link.
const MOMENT: Duration = Duration::from_millis(400);

/// A wait that falls by so much of a moment within one is going away.
const DRAINING: u32 = 10;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    started: Option<Timestamp>,
    least: Option<Duration>,
    least_before: Option<Duration>,
}

impl Standing {
    /// What is sent now waits for so long.
    pub(crate) fn note(&mut self, now: Timestamp, wait: Duration) {
        let age = self.started.map(|at| now - at);
        if age.is_none_or(|age| age >= MOMENT) {
            let kept = age.is_some_and(|age| age < 4 * MOMENT);
            self.least_before = self.least.filter(|_| kept);
            (self.least, self.started) = (None, Some(now));
        }
        self.least = Some(self.least.map_or(wait, |least| least.min(wait)));
    }

    /// The wait that stayed; nothing before it was seen for long enough, nor while it gets less.
    pub(crate) fn wait(&self) -> Duration {
        let stays = |(now, before): &(Duration, Duration)| *now + MOMENT / DRAINING >= *before;
        self.least
            .zip(self.least_before)
            .filter(stays)
            .map_or(Duration::ZERO, |(now, before)| now.min(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_that_drains_leaves_nothing_and_a_queue_that_stays_is_seen() {
        let waits = |wait: fn(u64) -> u64| {
            let mut standing = Standing::default();
            let mut seen = Vec::new();
            for at in (0..1_500).step_by(50) {
                standing.note(Timestamp::from_millis(at), Duration::from_millis(wait(at)));
                seen.push(standing.wait().as_millis());
            }
            seen
        };
        let burst = waits(|at| 250u64.saturating_sub(at % 500));
        assert!(burst.iter().all(|wait| *wait == 0), "a keyframe every half second: {burst:?}");
        let stays = waits(|at| if at < 200 { 0 } else { 300 + at % 100 });
        assert_eq!(stays.iter().position(|wait| *wait >= 300), Some(16), "{stays:?}");
        assert_eq!(Standing::default().wait(), Duration::ZERO);
    }
}
