//! What is wanted of a publisher: encodings that nobody's target uses are switched off.
//!
//! Owns the level (what is wanted now) and its delays: none before switching on, some seconds before
//! switching off. It is a level and not an edge, so that whoever comes while all is off wakes it. Leaves who
//! wants what to `room`.

use std::time::Duration;

use units::Timestamp;

use crate::publication::MAX_ENCODINGS;

/// How long a publisher has to start an encoding that is wanted again before it counts as unable.
const WAKE_TIME: Duration = Duration::from_secs(2);

/// What is wanted of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Somebody wants it.
    On,
    /// Somebody wants it again, since then, after the publisher had been told to stop it.
    Waking { since: Timestamp },
    /// Nobody wants it since then, but the publisher has not been told.
    Fading { since: Timestamp },
    /// The publisher was told to stop it.
    Off,
}

/// What is wanted of one publication. An encoding is wanted until the contrary is known.
#[derive(Debug)]
pub(crate) struct Demand {
    wishes: [Wish; MAX_ENCODINGS],
}

impl Default for Demand {
    fn default() -> Self {
        Self { wishes: [Wish::On; MAX_ENCODINGS] }
    }
}

impl Demand {
    /// Takes note of what is wanted. Returns true when the publisher has to be told.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        wanted: [bool; MAX_ENCODINGS],
        off_delay: Duration,
    ) -> bool {
        let mut tell = false;
        for (wish, wanted) in self.wishes.iter_mut().zip(wanted) {
            *wish = match (*wish, wanted) {
                (Wish::Off, true) => {
                    tell = true;
                    Wish::Waking { since: now }
                }
                (Wish::Fading { .. }, true) => Wish::On,
                (Wish::On | Wish::Waking { .. }, false) => Wish::Fading { since: now },
                (Wish::Fading { since }, false) if now - since >= off_delay => {
                    tell = true;
                    Wish::Off
                }
                (unchanged, _) => unchanged,
            };
        }
        tell
    }

    /// Whether an encoding is to be sent.
    pub(crate) fn is_active(&self, encoding: usize) -> bool {
        self.wishes[encoding] != Wish::Off
    }

    /// Whether an encoding that does not arrive may be expected to, once it is wanted: it is off by our own
    /// word, or has only just been asked for.
    pub(crate) fn explains_silence(&self, encoding: usize, now: Timestamp) -> bool {
        match self.wishes[encoding] {
            Wish::Off => true,
            Wish::Waking { since } => now - since < WAKE_TIME,
            Wish::On | Wish::Fading { .. } => false,
        }
    }

    /// When the next wish runs out.
    pub(crate) fn deadline(&self, off_delay: Duration) -> Option<Timestamp> {
        let fading = |wish: &Wish| match wish {
            Wish::Fading { since } => Some(*since + off_delay),
            Wish::On | Wish::Waking { .. } | Wish::Off => None,
        };
        self.wishes.iter().filter_map(fading).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(3);

    #[test]
    fn on_at_once_off_with_a_delay() {
        let mut demand = Demand::default();
        let steps = [
            (0, true, false, true, "wanted from the start: no news"),
            (1_000, false, false, true, "not wanted: wait"),
            (3_900, false, false, true, "still"),
            (3_950, true, false, true, "wanted again in time: the publisher never knew"),
            (5_000, false, false, true, "not wanted: wait anew"),
            (8_000, false, true, false, "off"),
            (9_000, false, false, false, "no news"),
            (9_001, true, true, true, "on at once"),
        ];
        for (ms, wanted, tell, active, why) in steps {
            let now = Timestamp::from_millis(ms);
            let rest = [true; MAX_ENCODINGS - 1];
            let all: [bool; MAX_ENCODINGS] =
                std::array::from_fn(|at| if at == 0 { wanted } else { rest[at - 1] });
            assert_eq!(demand.update(now, all, DELAY), tell, "{why}");
            assert_eq!(demand.is_active(0), active, "{why}");
        }
        assert!(demand.explains_silence(0, Timestamp::from_millis(9_100)), "it needs a moment to start");
        assert!(!demand.explains_silence(0, Timestamp::from_millis(12_000)), "and that moment is over");
    }

    #[test]
    fn asks_to_be_woken_only_while_something_fades() {
        let mut demand = Demand::default();
        assert_eq!(demand.deadline(DELAY), None);
        demand.update(Timestamp::from_secs(1), [false; MAX_ENCODINGS], DELAY);
        assert_eq!(demand.deadline(DELAY), Some(Timestamp::from_secs(4)));
        demand.update(Timestamp::from_secs(4), [false; MAX_ENCODINGS], DELAY);
        assert_eq!(demand.deadline(DELAY), None);
    }
}
