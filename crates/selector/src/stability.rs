//! What must be remembered between two decisions so that a subscription does not flicker.
//!
//! Owns the state and its rules: how long a better step waits after a worse one. Leaves choosing to
//! `allocate`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Timestamp;

/// How long a better step waits after a worse one, at first.
pub(crate) const DWELL_MIN: Duration = Duration::from_secs(2);

/// How long it waits at most, after several better steps that had to be undone.
pub(crate) const DWELL_MAX: Duration = Duration::from_secs(10);

/// A worse step so soon after a better one means that the better one was a mistake.
pub(crate) const UNDONE_WITHIN: Duration = Duration::from_secs(10);

/// What one subscription's history means for its next decision. Plain state: handed out with a choice, handed
/// in with the next input. The default is that of a new subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stability {
    /// When it was first decided about.
    pub started: Option<Timestamp>,
    /// The last step to something better.
    pub upgraded: Option<Timestamp>,
    /// The last step to something worse that a budget forced.
    pub downgraded: Option<Timestamp>,
    /// How often in a row a better step had to be undone.
    pub undone: u8,
}

impl Stability {
    /// How long a better step waits after a worse one.
    pub fn dwell(&self) -> Duration {
        DWELL_MIN.saturating_mul(1 << self.undone.min(3)).min(DWELL_MAX)
    }

    /// Until when better steps wait; `None` when they do not.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.downgraded? + self.dwell();
        (now < until).then_some(until)
    }

    /// After a step to something better.
    pub(crate) fn after_upgrade(self, now: Timestamp) -> Self {
        Self { upgraded: Some(now), ..self.forgiven(now) }
    }

    /// After a step to something worse that a budget forced.
    pub(crate) fn after_downgrade(self, now: Timestamp) -> Self {
        let hasty = self.upgraded.is_some_and(|at| now - at < UNDONE_WITHIN);
        let undone = if hasty { self.undone.saturating_add(1) } else { self.undone };
        // Cleared, so that falling two steps for one mistake counts once.
        Self { downgraded: Some(now), upgraded: None, undone, ..self }
    }

    /// A better step that stood long enough clears the record.
    pub(crate) fn forgiven(self, now: Timestamp) -> Self {
        let stood = self.upgraded.is_some_and(|at| now - at >= UNDONE_WITHIN);
        if stood { Self { undone: 0, ..self } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_every_step_that_was_undone_and_ends_with_one_that_stood() {
        let mut state = Stability::default();
        let mut now = Timestamp::from_secs(100);
        let mut waits = Vec::new();
        for _ in 0..5 {
            state = state.after_upgrade(now);
            now += Duration::from_secs(1);
            state = state.after_downgrade(now);
            waits.push(state.dwell().as_secs());
            now = state.blocked_until(now).unwrap();
            assert_eq!(state.blocked_until(now), None, "the wait ends on time");
        }
        assert_eq!(waits, [4, 8, 10, 10, 10]);
        state = state.after_upgrade(now);
        state = state.forgiven(now + UNDONE_WITHIN);
        assert_eq!(state.dwell(), DWELL_MIN);
    }

    #[test]
    fn two_worse_steps_for_one_mistake_count_once() {
        let now = Timestamp::from_secs(100);
        let state = Stability::default().after_upgrade(now).after_downgrade(now).after_downgrade(now);
        assert_eq!(state.undone, 1);
    }
}
