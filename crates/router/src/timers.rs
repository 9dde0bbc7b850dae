//! What of a room is due when.
//!
//! Owns one deadline per key, and the earliest of all at hand, so that a room with a thousand receivers looks only at the
//! one that is due. Leaves what happens then to the room.

use std::collections::{BTreeMap, BTreeSet};

use units::Timestamp;

use crate::PublicationId;

/// Who asked to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The selection of the participant at that position.
    Select(usize),
    /// Its sender reports.
    Report(usize),
    /// A publication's keyframe requests and fading demand.
    Publisher(PublicationId),
    /// Voices fade.
    Speakers,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Timestamp, Timer)>,
    by_key: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Replaces a deadline; `None` removes it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Timestamp>) {
        let former = match at {
            Some(at) => self.by_key.insert(timer, at),
            None => self.by_key.remove(&timer),
        };
        if let Some(former) = former {
            self.by_time.remove(&(former, timer));
        }
        self.by_time.extend(at.map(|at| (at, timer)));
    }

    /// Whether a deadline is set.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.by_key.contains_key(&timer)
    }

    /// Takes one that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(timer, None);
        Some(timer)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_deadline_per_key_earliest_first() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.set(Timer::Select(1), Some(at(30)));
        timers.set(Timer::Speakers, Some(at(20)));
        timers.set(Timer::Select(1), Some(at(10)));
        timers.set(Timer::Report(1), Some(at(5)));
        timers.set(Timer::Report(1), None);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(25)), Some(Timer::Select(1)));
        assert!(timers.is_set(Timer::Speakers) && !timers.is_set(Timer::Select(1)));
        assert_eq!(timers.pop(at(25)), Some(Timer::Speakers));
        assert_eq!((timers.pop(at(99)), timers.next()), (None, None));
    }
}
