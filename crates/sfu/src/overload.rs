//! What a node does while its core is used up: first it takes nobody new, then it shows smaller pictures. Sound, screens
//! and those who come back are never touched, and nothing waits in a queue for better times.
//!
//! Owns the rule as plain state. Measuring how busy the core is is the driver's ([`crate::Input::Busy`]); bounding pictures
//! is `router`'s.
//!
//! | step | newcomers | cameras |
//! |---|---|---|
//! | 0 | are let in | as large as may be |
//! | 1 | are refused | as large as may be |
//! | 2 | are refused | at most 360 lines |
//! | 3 | are refused | at most 180 lines |
//!
//! Two busy looks in a row lead a step up. Down leads a time of calm that doubles when the last way down was followed by
//! another way up, so that a node between two steps does not change everybody's picture every few seconds.

use std::time::Duration;

use units::Timestamp;

/// Share of the core, in thousandths, from which on a look counts as busy: above it, waiting times grow without bound.
const BUSY: u16 = 900;
/// Below it a look counts as calm. Far lower, since the step down brings back the work that the step up took away.
const CALM: u16 = 600;
/// Busy looks in a row before a step up.
const LOOKS: u8 = 2;
/// Calm before a step down.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that it grows to.
const PATIENCE_MAX: Duration = Duration::from_secs(160);
/// A step up that comes sooner after a step down was caused by it.
const RELAPSE: Duration = Duration::from_secs(60);

/// The shorter side of what cameras may show at each step, in pixels.
const HEIGHTS: [Option<u32>; 4] = [None, None, Some(360), Some(180)];

/// The state of the rule.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    step: usize,
    busy_looks: u8,
    calm_since: Option<Timestamp>,
    lowered: Option<Timestamp>,
    patience: Duration,
}

impl Default for Overload {
    fn default() -> Self {
        Self { step: 0, busy_looks: 0, calm_since: None, lowered: None, patience: PATIENCE }
    }
}

impl Overload {
    /// Takes note of how much of its core the node used since the last look, in thousandths. True when the step changed.
    pub(crate) fn look(&mut self, now: Timestamp, busy: u16) -> bool {
        let before = self.step;
        if busy >= BUSY {
            self.calm_since = None;
            self.busy_looks += 1;
            if self.busy_looks >= LOOKS {
                self.raise(now);
            }
        } else {
            self.busy_looks = 0;
            if busy >= CALM {
                self.calm_since = None;
            } else if now - *self.calm_since.get_or_insert(now) >= self.patience {
                self.lower(now);
            }
        }
        self.step != before
    }

    fn raise(&mut self, now: Timestamp) {
        self.busy_looks = 0;
        self.step = (self.step + 1).min(HEIGHTS.len() - 1);
        if let Some(lowered) = self.lowered.take() {
            let relapse = now - lowered < RELAPSE;
            self.patience = if relapse { (self.patience * 2).min(PATIENCE_MAX) } else { PATIENCE };
        }
    }

    fn lower(&mut self, now: Timestamp) {
        self.calm_since = None;
        if self.step > 0 {
            self.step -= 1;
            self.lowered = Some(now);
        }
    }

    /// From 0, when nothing is amiss, to 3.
    pub(crate) fn step(&self) -> u8 {
        self.step as u8
    }

    /// Whether somebody may come who is not there already.
    pub(crate) fn admits(&self) -> bool {
        self.step == 0
    }

    /// The shorter side of what cameras may show, in pixels.
    pub(crate) fn max_height(&self) -> Option<u32> {
        HEIGHTS[self.step]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second; gives the step after each.
    fn steps(overload: &mut Overload, start: u64, looks: &[u16]) -> Vec<u8> {
        let second = |at: usize| Timestamp::ZERO + Duration::from_secs(start + at as u64);
        let step = |(at, busy): (usize, &u16)| {
            let before = overload.step();
            assert_eq!(overload.look(second(at), *busy), overload.step() != before);
            overload.step()
        };
        looks.iter().enumerate().map(step).collect()
    }

    #[test]
    fn two_busy_looks_in_a_row_lead_a_step_up() {
        let table: [(&[u16], &[u8], &str); 4] = [
            (&[1_000, 500, 1_000, 500], &[0, 0, 0, 0], "a second is nothing"),
            (&[900, 900, 899, 900], &[0, 1, 1, 1], "in a row"),
            (&[1_000; 8], &[0, 1, 1, 2, 2, 3, 3, 3], "and no further than the last"),
            (&[800; 5], &[0; 5], "much to do is not too much"),
        ];
        for (looks, expected, why) in table {
            assert_eq!(steps(&mut Overload::default(), 0, looks), expected, "{why}");
        }
    }

    #[test]
    fn calm_leads_a_step_down_and_ever_later_where_it_does_not_last() {
        let mut overload = Overload::default();
        steps(&mut overload, 0, &[1_000; 4]);
        assert_eq!((overload.step(), overload.max_height(), overload.admits()), (2, Some(360), false));
        let down = steps(&mut overload, 4, &[300; 11]);
        assert_eq!((down[9], down[10]), (2, 1), "after ten seconds");
        steps(&mut overload, 15, &[1_000; 2]);
        assert_eq!(overload.step(), 2, "it was too early");
        let down = steps(&mut overload, 17, &[300; 21]);
        assert_eq!((down[19], down[20]), (2, 1), "after twenty");
        assert_eq!(steps(&mut overload, 38, &[700; 60]), [1; 60], "this is not calm");
        let down = steps(&mut overload, 98, &[0; 21]);
        assert_eq!(down[20], 0);
        assert!(overload.admits());
    }

    #[test]
    fn what_comes_long_after_a_way_down_has_nothing_to_do_with_it() {
        let mut overload = Overload::default();
        for start in [0, 200, 400] {
            steps(&mut overload, start, &[1_000; 2]);
            let down = steps(&mut overload, start + 2, &[0; 11]);
            assert_eq!((down[9], down[10]), (1, 0), "ten seconds at {start}");
        }
    }
}
